"""`@cached`: caches the return values of a function or method by its arguments."""

from __future__ import annotations

import functools
import inspect
import itertools
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar, overload

from cachetools.keys import typedkey

from pywats_green.cache.entries import checked_ttl
from pywats_green.cache.manager import CacheManager
from pywats_green.exceptions import ArgumentTypeError, CacheKeyError

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")

_DEFAULT_TTL = 300.0

# Distinguishes functions and instances in a shared cache; names are not enough.
_numbers = itertools.count()


def cached(
    ttl: float | None = _DEFAULT_TTL,
    key_func: Callable[..., Hashable] | None = None,
    *,
    cache: CacheManager | None = None,
    cache_none: bool = False,
) -> Callable[[Callable[P, T]], CachedFunction[P, T]]:
    """Cache the return values of a function or method by its arguments.

    If several greenlets call it with the same arguments, one runs it and the others wait.
    Exceptions are never cached. Callers share the returned value itself, not copies of it.

    The values of a method are cached per instance: in the instance's `_cache` if that is a
    `CacheManager`, else in a separate cache that lives as long as the instance. The decorated
    function has `invalidate(*args, **kwargs)`, which drops the value for these arguments or,
    without arguments, all values of the function (on an instance: of that instance).

    Args:
        ttl: Seconds for which a value is cached. 0: it is not stored. None: the default of the
            cache, 300 for the function's own.
        key_func: Makes the key from the arguments (without `self`). None: the arguments are the
            key, by value and type, and must be hashable.
        cache: The cache to use, shared by all instances. None: as above.
        cache_none: Whether to cache None.

    Raises:
        ArgumentTypeError: `ttl` is not a number, `cache` is not a `CacheManager`, or the decorated
            object is not a plain function: put `@staticmethod`, `@classmethod` and `@property`
            above `@cached`.
        InvalidArgumentError: `ttl` is negative.
        CacheKeyError: When called, if the key is not hashable.
        CacheRecursionError: When called, if the function calls itself with the same arguments.
    """
    if callable(ttl):
        raise ArgumentTypeError("write @cached() with parentheses; ttl is a number of seconds")
    if ttl is not None:
        checked_ttl(ttl)
    if cache is not None and not isinstance(cache, CacheManager):
        raise ArgumentTypeError(f"cache must be a CacheManager, not {cache!r}")

    def decorate(func: Callable[P, T]) -> CachedFunction[P, T]:
        return CachedFunction(func, ttl, key_func, cache, cache_none)

    return decorate


class _Place(NamedTuple):
    """Where values are cached: the cache, the scope of the keys, and the TTL."""

    cache: CacheManager
    scope: tuple[Hashable, ...]
    ttl: float | None


class CachedFunction(Generic[P, T]):
    """A function with cached values, made by `cached`."""

    __name__: str  # like all that functools.update_wrapper copies

    def __init__(
        self,
        func: Callable[P, T],
        ttl: float | None,
        key_func: Callable[..., Hashable] | None,
        cache: CacheManager | None,
        cache_none: bool,
    ) -> None:
        _refuse_what_gives_no_value(func)
        functools.update_wrapper(self, func)
        self.__wrapped__: Callable[P, T] = func
        self._name = f"{func.__module__}.{func.__qualname__}"
        self._ttl = ttl
        self._key = key_func or typedkey
        self._keep: Callable[[T], bool] = (
            (lambda _: True) if cache_none else (lambda value: value is not None)
        )
        self._is_shared = cache is not None
        self._place = self._own_place() if cache is None else self._place_in(cache)
        self._is_method = next(iter(inspect.signature(func).parameters), "") in ("self", "cls")
        self._instances: dict[int, _Place] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the value for these arguments, calling the function if need be."""
        if self._is_method and args:  # called through the class, or by a property
            bound: Callable[..., T] = self.__get__(args[0])
            return bound(*args[1:], **kwargs)
        return self._value(self._place, self.__wrapped__, args, kwargs)

    @overload
    def invalidate(self) -> None: ...
    @overload
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Drop the value for these arguments; without arguments, all values of the function.

        Raises:
            CacheKeyError: The arguments cannot be made into a key.
        """
        self._drop(self._place, args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedFunction[P, T]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[Any, Q], T], instance: object, owner: type | None = None
    ) -> BoundFunction[Q, T]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance, like a function."""
        if instance is None:
            return self
        return BoundFunction(self, instance)

    def _value(
        self, place: _Place, func: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        return place.cache.get_or_load(
            self._full_key(place, args, kwargs),
            lambda: func(*args, **kwargs),
            place.ttl,
            keep=self._keep,
        )

    def _drop(self, place: _Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if args or kwargs:
            place.cache.delete(self._full_key(place, args, kwargs))
        else:
            # The text of a key begins with its scope; see `_Key`.
            place.cache.invalidate(_text_of(place.scope))

    def _full_key(self, place: _Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        key = _Key((place.scope, self._key(*args, **kwargs)))
        try:
            hash(key)
        except TypeError as exc:
            raise CacheKeyError(
                f"the arguments of {self._name} cannot be a key ({exc}): give @cached a key_func "
                "that makes a hashable one of them"
            ) from exc
        return key

    def _place_of(self, instance: Any) -> _Place:
        if self._is_shared:
            return self._place
        place = self._instances.get(id(instance))
        if place is None:
            place = self._instances[id(instance)] = self._new_place(instance)
        return place

    def _new_place(self, instance: Any) -> _Place:
        try:
            # The id of an instance that is gone may come again: forget it in time.
            weakref.finalize(instance, self._instances.pop, id(instance), None)
        except TypeError as exc:
            raise CacheKeyError(
                f"{type(instance).__name__} cannot be referred to weakly, so {self._name} cannot "
                "keep values per instance: give @cached a cache, or add __weakref__ to __slots__"
            ) from exc
        theirs = getattr(instance, "_cache", None)
        if isinstance(theirs, CacheManager):
            return self._place_in(theirs)
        return self._own_place()

    def _place_in(self, cache: CacheManager) -> _Place:
        return _Place(cache, (self._name, next(_numbers)), self._ttl)

    def _own_place(self) -> _Place:
        default = _DEFAULT_TTL if self._ttl is None else self._ttl
        return _Place(CacheManager(default_ttl=default), (self._name,), None)


def _refuse_what_gives_no_value(func: Any) -> None:
    """Reject what cannot be cached: coroutines, generators, and anything but functions."""
    if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func):
        raise ArgumentTypeError("@cached keeps values, not coroutines: decorate what awaits it")
    if inspect.isgeneratorfunction(func):
        raise ArgumentTypeError("@cached keeps values, not generators: return a list or a tuple")
    if (
        isinstance(func, (staticmethod, classmethod))
        or not callable(func)
        or isinstance(func, type)
    ):
        raise ArgumentTypeError(
            f"@cached() goes right above a function, with parentheses, not on {func!r}"
        )


class _Key(tuple[Any, ...]):
    """A key whose str starts with its scope, by which `invalidate` finds it."""

    __slots__ = ()

    def __str__(self) -> str:
        scope, key = self
        return f"{_text_of(scope)}{key!r}"


def _text_of(scope: tuple[Hashable, ...]) -> str:
    return "|" + "".join(f"{part}|" for part in scope)


class BoundFunction(Generic[P, T]):
    """A cached function on an instance."""

    def __init__(self, function: CachedFunction[Any, T], instance: object) -> None:
        self._function = function
        self._instance = instance

    @property
    def __wrapped__(self) -> Any:
        return self._function.__wrapped__.__get__(self._instance)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._function.__wrapped__.__doc__

    @property
    def __name__(self) -> str:
        return self._function.__wrapped__.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the value for these arguments, calling the method if need be."""
        function = self._function
        method = functools.partial(function.__wrapped__, self._instance)
        return function._value(function._place_of(self._instance), method, args, kwargs)  # noqa: SLF001  # one room

    @overload
    def invalidate(self) -> None: ...
    @overload
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Drop the value for these arguments; without arguments, all values of the instance.

        Raises:
            CacheKeyError: The arguments, or the instance, cannot be made into a key.
        """
        function = self._function
        function._drop(function._place_of(self._instance), args, kwargs)  # noqa: SLF001  # one room
