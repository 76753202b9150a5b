"""Replaces the code by which upstream's blocking calls run their coroutines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from random import randbytes
from typing import Any, TypeVar

from pywats.pywats import correlation_id_var  # type: ignore[attr-defined]  # not in its .pyi

from pywats_green.bridge import drive
from pywats_green.cache import cache_control
from pywats_green.redaction import without_user_info
from pywats_green.upstream.client.encoding import (
    CREDENTIALS,
    guarded_argument,
    guarded_arguments,
)
from pywats_green.upstream.client.epochs import invalidate
from pywats_green.upstream.client.green import GreenHttpClient
from pywats_green.upstream.client.outcome import refusal
from pywats_green.upstream.tables.domains import FRESH_METHODS

T = TypeVar("T")

_BOX_BUILDS = frozenset({"get_box_build_template", "get_box_build"})


def run_sync(
    coro: Coroutine[Any, Any, T],
    timeout: float | None = None,
    correlation_id: str | None = None,
) -> T:
    """Drive a call in this greenlet; replaces `pywats.pywats._run_sync`.

    Args:
        coro: The call.
        timeout: Seconds for the whole call. None: no limit.
        correlation_id: Shown in upstream's log records while the call runs.

    Returns:
        The result of the call.

    Raises:
        TimeoutError: The call took too long. The builtin error, as upstream.
        Exception: Whatever the call raises. If the server's answer was not a success, the
            exception has it as `response`.
    """
    token = correlation_id_var.set(correlation_id) if correlation_id else None
    refusal.set(None)
    try:
        return drive(coro, timeout)
    except Exception as exc:
        response = refusal.get()
        if response is not None:
            exc.response = response  # type: ignore[attr-defined]
        raise
    finally:
        if token is not None:
            correlation_id_var.reset(token)


def runner(_: Callable[..., Any]) -> Callable[..., Any]:
    """Return the replacement of `_run_sync`."""
    return run_sync


def attribute_of(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap `SyncServiceWrapper.__getattr__`.

    A coroutine method becomes a blocking one, as upstream, but is built only once instead of on
    each access. An async generator becomes an iterator: upstream returns `scim.iter_users`
    unchanged, which blocking code cannot use. Everything else is left to upstream.
    """

    @wraps(original)
    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807
        attribute = getattr(self._async, name)
        if inspect.isasyncgenfunction(attribute):
            return _iterating(self, attribute)
        if not (inspect.ismethod(attribute) and inspect.iscoroutinefunction(attribute)):
            return original(self, name)
        method = _blocking(self, name, attribute, lambda: original(self, name))
        if (type(self._async).__name__, name) in FRESH_METHODS:
            method = _reading_fresh(method)
        self.__dict__[name] = method  # from now on found without `__getattr__`
        return method

    return __getattr__


def _iterating(wrapper: Any, attribute: Any) -> Callable[..., Iterator[Any]]:
    """Turn an async generator into an iterator; each item is a separate call."""

    @wraps(attribute)
    def iterator(*args: Any, **kwargs: Any) -> Iterator[Any]:
        config = wrapper._config
        timeout = config.timeout
        generator = attribute(*args, **kwargs)
        try:
            while True:
                has_id = config.correlation_id_enabled
                correlation_id = randbytes(4).hex() if has_id else None  # noqa: S311
                try:
                    item = run_sync(generator.__anext__(), timeout, correlation_id)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            run_sync(generator.aclose(), timeout)

    return iterator


def _blocking(
    wrapper: Any, name: str, attribute: Any, upstreams: Callable[[], Callable[..., Any]]
) -> Callable[..., Any]:
    """Turn a coroutine method into a blocking one that behaves like upstream's.

    Args:
        wrapper: The `SyncServiceWrapper`; its settings are read on each call.
        name: Name of the method.
        attribute: The coroutine method.
        upstreams: Makes upstream's own blocking method, for the special cases: the wrapper's
            retries, or a method that has since been replaced on the service.
    """
    function = attribute.__func__

    @wraps(attribute)
    def method(*args: Any, **kwargs: Any) -> Any:
        service, config = wrapper._async, wrapper._config
        call = getattr(service, name)
        if config.retry_enabled or getattr(call, "__func__", None) is not function:
            return upstreams()(*args, **kwargs)
        # Eight hexadecimal digits, as upstream, at a tenth of the cost of a UUID.
        correlation_id = randbytes(4).hex() if config.correlation_id_enabled else None  # noqa: S311
        result = run_sync(call(*args, **kwargs), config.timeout, correlation_id)
        return wrapper if result is service else result

    return method


def product_attribute_of(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap `SyncProductServiceWrapper.__getattr__`, which builds two methods itself."""

    @wraps(original)
    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807
        method = original(self, name)
        return _reading_fresh(method) if name in _BOX_BUILDS else method

    return __getattr__


def _reading_fresh(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def fresh(*args: Any, **kwargs: Any) -> T:
        with cache_control(refresh=True):
            return method(*args, **kwargs)

    return fresh


def guarded_credentials(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `pyWATS.__init__` to make base URL and token values that do not show themselves."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        args, kwargs = guarded_arguments(args, kwargs)
        original(self, *args, **kwargs)
        for name in CREDENTIALS:  # also those that upstream has found by itself
            setattr(self, f"_{name}", guarded_argument(name, getattr(self, f"_{name}")))

    return __init__


def shown_safely(original: Callable[[Any], str]) -> Callable[[Any], str]:
    """Wrap `pyWATS.__repr__` to leave out the user and password of the base URL."""

    @wraps(original)
    def __repr__(self: Any) -> str:  # noqa: N807
        if "_base_url" not in vars(self):  # its `__init__` has failed
            return object.__repr__(self)
        return original(self).replace(self.base_url, without_user_info(self.base_url))

    return __repr__


def cache_starter(
    original: Callable[[Any], Coroutine[Any, Any, None]],
) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Wrap `AsyncProcessService._ensure_cache_started` for services on a green client.

    Upstream starts a task that sweeps expired entries every minute, which needs an event loop.
    Nothing is lost without it, because the cache also drops expired entries when they are read.
    """

    @wraps(original)
    async def _ensure_cache_started(self: Any) -> None:
        if isinstance(self._repository._http_client, GreenHttpClient):
            self._cache_started = True
        else:
            await original(self)

    return _ensure_cache_started


def process_clearer(
    original: Callable[[Any], Coroutine[Any, Any, None]],
) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Wrap `AsyncProcessService.clear_cache` to clear the client's cached processes as well."""

    @wraps(original)
    async def clear_cache(self: Any) -> None:
        await original(self)
        if isinstance(self._repository._http_client, GreenHttpClient):
            invalidate(self._repository._http_client, ["process"])

    return clear_cache
