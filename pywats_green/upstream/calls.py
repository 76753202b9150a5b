"""Takes the place of upstream's way from a blocking call to its coroutine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pywats.pywats import correlation_id_var  # type: ignore[attr-defined]  # not in its .pyi

from pywats_green.bridge import drive, iterate
from pywats_green.upstream.client import GreenHttpClient

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


def attribute_of(
    original: Callable[[Any, str], Any],
) -> Callable[[Any, str], Any]:
    """Wrap `SyncServiceWrapper.__getattr__` so that an async generator becomes an iterator.

    Upstream hands `scim.iter_users` out as it is, which blocking code cannot use.
    """

    def green_getattr(self: Any, name: str) -> Any:
        attribute = getattr(self._async, name)
        if not inspect.isasyncgenfunction(attribute):
            return original(self, name)

        def iterator(*args: Any, **kwargs: Any) -> Any:
            return iterate(attribute(*args, **kwargs), self._config.timeout)

        return iterator

    return green_getattr


def ensure_cache_started(
    original: Callable[[Any], Coroutine[Any, Any, None]],
) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Wrap `AsyncProcessService._ensure_cache_started` for services on a green client.

    Upstream starts a task there that sweeps expired entries every minute; without an event loop
    there is none. The cache drops what has expired when it is read, so nothing else is missing.
    """

    async def _ensure_cache_started(self: Any) -> None:
        if isinstance(self._repository._http_client, GreenHttpClient):
            self._cache_started = True
        else:
            await original(self)

    return _ensure_cache_started
