"""Takes the place of upstream's way from a blocking call to its coroutine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from random import randbytes
from typing import Any, TypeVar

from pywats.pywats import correlation_id_var  # type: ignore[attr-defined]  # not in its .pyi

from pywats_green.bridge import drive
from pywats_green.cache import cache_control
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
    """Take the place of `pywats.pywats._run_sync`: drive the call in this greenlet.

    Args:
        coro: The call.
        timeout: Seconds for all of it. None: no limit.
        correlation_id: Shown in upstream's log records while the call runs.

    Returns:
        Its result.

    Raises:
        TimeoutError: The builtin one, as upstream.
        Exception: What the call raises. After an answer that was no success, it carries that
            answer as `response`.
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
    """Return what takes the place of `_run_sync`."""
    return run_sync


def attribute_of(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap `SyncServiceWrapper.__getattr__`.

    A coroutine method becomes a blocking one, as upstream's, but is built once and not at each
    access. An async generator becomes an iterator: upstream hands `scim.iter_users` out as it is,
    which blocking code cannot use. All else is upstream's.
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
        self.__dict__[name] = method  # found there from now on, before `__getattr__` is asked
        return method

    return __getattr__


def _iterating(wrapper: Any, attribute: Any) -> Callable[..., Iterator[Any]]:
    """Make an iterator of an async generator; each item is a call of its own."""

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
    """Make a blocking method of a coroutine method, with the meaning of upstream's.

    Args:
        wrapper: The `SyncServiceWrapper`; its settings are read at each call.
        name: Of the method.
        attribute: The coroutine method.
        upstreams: Makes upstream's own, for what is not the plain case: retries of the wrapper,
            or a method that was replaced on the service meanwhile.
    """
    function = attribute.__func__

    @wraps(attribute)
    def method(*args: Any, **kwargs: Any) -> Any:
        service, config = wrapper._async, wrapper._config
        call = getattr(service, name)
        if config.retry_enabled or getattr(call, "__func__", None) is not function:
            return upstreams()(*args, **kwargs)
        # Eight hexadecimal digits, as upstream's, at a tenth of the cost of a UUID.
        correlation_id = randbytes(4).hex() if config.correlation_id_enabled else None  # noqa: S311
        result = run_sync(call(*args, **kwargs), config.timeout, correlation_id)
        return wrapper if result is service else result

    return method


def product_attribute_of(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap `SyncProductServiceWrapper.__getattr__`, which builds two methods by itself."""

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


def cache_starter(
    original: Callable[[Any], Coroutine[Any, Any, None]],
) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Wrap `AsyncProcessService._ensure_cache_started` for services on a green client.

    Upstream starts a task there that sweeps expired entries every minute; without an event loop
    there is none. The cache drops what has expired when it is read, so nothing else is missing.
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
    """Wrap `AsyncProcessService.clear_cache`: what the client cached of the processes goes too."""

    @wraps(original)
    async def clear_cache(self: Any) -> None:
        await original(self)
        if isinstance(self._repository._http_client, GreenHttpClient):
            invalidate(self._repository._http_client, ["process"])

    return clear_cache
