"""Takes the place of methods of `HttpClient`, upstream's plain blocking client.

They do what the green client's do, so that both have the same cache and the same transport.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from pywats.core.client import HttpClient, Response

from pywats_green import events
from pywats_green.upstream.client import exchange
from pywats_green.upstream.client.cache import attach, caching_of
from pywats_green.upstream.client.epochs import wrote
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.reads import serve

_SIGNATURE = inspect.signature(HttpClient)


def initialise(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `__init__`: a client that caches gets our cache; upstream's there is never filled."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        given = _SIGNATURE.bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments["enable_cache"]:
            attach(self, given.arguments["cache_ttl"], given.arguments["cache_max_size"])

    return __init__


def make_request(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return what takes the place of `_make_request`."""

    @wraps(original)
    def _make_request(
        self: Any,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        return exchange.exchange_of(self).run(self, method, endpoint, params, data, headers, retry)

    return _make_request


def get(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return what takes the place of `get`."""

    @wraps(original)
    def get(
        self: Any, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        return _called(_get, self, "GET", endpoint, params=params, **kwargs)

    return get


def writing(method: str) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Return what makes the replacement of `post`, `put` or `patch`."""

    def replace(original: Callable[..., Any]) -> Callable[..., Response]:
        @wraps(original)
        def write(
            self: Any,
            endpoint: str,
            data: Any = None,
            params: dict[str, Any] | None = None,
            **kwargs: Any,
        ) -> Response:
            return _called(_noted, self, method, endpoint, data=data, params=params, **kwargs)

        return write

    return replace


post, put, patch = writing("POST"), writing("PUT"), writing("PATCH")


def delete(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return what takes the place of `delete`."""

    @wraps(original)
    def delete(
        self: Any, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        return _called(_noted, self, "DELETE", endpoint, params=params, **kwargs)

    return delete


def _called(
    call: Callable[..., Response], client: Any, method: str, endpoint: str, **kwargs: Any
) -> Response:
    """Make a call, and an event of it where somebody listens."""
    if not events.listeners:
        return call(client, method, endpoint, **kwargs)
    with observed(client, method, endpoint, kwargs["params"]) as event:
        response = call(client, method, endpoint, **kwargs)
        event.status = response.status_code
        return response


def _get(client: Any, method: str, endpoint: str, **kwargs: Any) -> Response:
    """Serve a GET from the cache, with others in a query, or by a request of its own."""
    served = serve(client, endpoint, kwargs)
    if served is None:
        return _noted(client, method, endpoint, **kwargs)
    if isinstance(served, Response):
        return served
    del kwargs["params"]
    return served.ask(lambda path, params: _noted(client, method, path, params=params, **kwargs))


def _noted(client: Any, method: str, endpoint: str, **kwargs: Any) -> Response:
    """Make a request and take note of what it touches; a few GETs write, too."""
    error: BaseException | None = None
    try:
        return client._make_request(method, endpoint, **kwargs)  # type: ignore[no-any-return]
    except BaseException as exc:  # killed or timed out: it may have reached the server
        error = exc
        raise
    finally:
        wrote(client, method, endpoint, error)


def clear_cache(original: Callable[..., Any]) -> Callable[[Any], None]:
    """Return what takes the place of `clear_cache`."""

    @wraps(original)
    def clear_cache(self: Any) -> None:
        self.invalidate_cache()

    return clear_cache


def invalidate_cache(original: Callable[..., Any]) -> Callable[..., None]:
    """Return what takes the place of `invalidate_cache`."""

    @wraps(original)
    def invalidate_cache(self: Any, endpoint_pattern: str | None = None) -> None:
        caching = caching_of(self)
        if caching is not None:
            caching.manager.invalidate(endpoint_pattern)

    return invalidate_cache


def close(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Wrap `close`: it closes our connections too."""

    @wraps(original)
    def close(self: Any) -> None:
        exchange.close(self)
        original(self)

    return close
