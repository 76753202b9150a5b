"""Takes the place of upstream's way from a blocking call to its coroutine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from pywats.pywats import correlation_id_var  # type: ignore[attr-defined]  # not in its .pyi

from pywats_green.bridge import drive, iterate
from pywats_green.cache import cache_control
from pywats_green.upstream.client import GreenHttpClient
from pywats_green.upstream.domains import FRESH_METHODS

T = TypeVar("T")


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
    """
    if not correlation_id:
        return drive(coro, timeout)
    token = correlation_id_var.set(correlation_id)
    try:
        return drive(coro, timeout)
    finally:
        correlation_id_var.reset(token)


def runner(_: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of `_run_sync`."""
    return run_sync


def attribute_of(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap `SyncServiceWrapper.__getattr__`.

    An async generator becomes an iterator: upstream hands `scim.iter_users` out as it is, which
    blocking code cannot use. What reads, changes and writes reads fresh, so no update is lost.
    """

    @wraps(original)
    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807
        attribute = getattr(self._async, name)
        if inspect.isasyncgenfunction(attribute):
            return lambda *args, **kwargs: iterate(attribute(*args, **kwargs), self._config.timeout)
        method = original(self, name)
        if (type(self._async).__name__, name) in FRESH_METHODS:
            return _reading_fresh(method)
        return method

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
