"""Replaces methods of `HttpClient`, upstream's plain blocking client.

They do what the green client's methods do, so both share the cache and the transport.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from pywats.core.client import HttpClient, Response

from pywats_green.upstream.client import exchange
from pywats_green.upstream.client.cache import attach, invalidate_matching
from pywats_green.upstream.client.core import invalidate, keep, look_up, read, write
from pywats_green.upstream.client.encoding import guard, guarded_arguments

_SIGNATURE = inspect.signature(HttpClient)

_MARK = "_is_green"  # marks our `_make_request`; a subclass's or user's own takes precedence


def initialise(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `__init__` to attach this package's cache; upstream's is never filled."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        args, kwargs = guarded_arguments(args, kwargs)
        original(self, *args, **kwargs)
        guard(self)
        given = _SIGNATURE.bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments["enable_cache"]:
            attach(self, given.arguments["cache_ttl"], given.arguments["cache_max_size"])

    return __init__


def make_request(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return the replacement of `_make_request`."""

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
        options = {"data": data, "headers": headers, "retry": retry}
        del headers  # may have credentials, which `write` guards in the options
        return write(self, method, endpoint, params, options, None)

    setattr(_make_request, _MARK, True)
    return _make_request


def get(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return the replacement of `get`."""

    @wraps(original)
    def get(
        self: Any, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        found = look_up(self, endpoint, params, kwargs)
        if isinstance(found, Response):
            return found
        if not hasattr(self._make_request, _MARK):
            response = self._make_request("GET", endpoint, params=params, **kwargs)
            return keep(found, response)
        return read(self, endpoint, params, kwargs, found, None)

    return get


def writing(method: str) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Return a function that makes the replacement of `post`, `put` or `patch`."""

    def replace(original: Callable[..., Any]) -> Callable[..., Response]:
        @wraps(original)
        def send(
            self: Any,
            endpoint: str,
            data: Any = None,
            params: dict[str, Any] | None = None,
            **kwargs: Any,
        ) -> Response:
            kwargs["data"] = data
            if not hasattr(self._make_request, _MARK):
                response = self._make_request(method, endpoint, params=params, **kwargs)
                return invalidate(self, method, endpoint, response)
            return write(self, method, endpoint, params, kwargs, None)

        return send

    return replace


post, put, patch = writing("POST"), writing("PUT"), writing("PATCH")


def delete(original: Callable[..., Any]) -> Callable[..., Response]:
    """Return the replacement of `delete`."""

    @wraps(original)
    def delete(
        self: Any, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        if not hasattr(self._make_request, _MARK):
            response = self._make_request("DELETE", endpoint, params=params, **kwargs)
            return invalidate(self, "DELETE", endpoint, response)
        return write(self, "DELETE", endpoint, params, kwargs, None)

    return delete


def clear_cache(original: Callable[..., Any]) -> Callable[[Any], None]:
    """Return the replacement of `clear_cache`."""

    @wraps(original)
    def clear_cache(self: Any) -> None:
        self.invalidate_cache()

    return clear_cache


def invalidate_cache(original: Callable[..., Any]) -> Callable[..., None]:
    """Return the replacement of `invalidate_cache`."""

    @wraps(original)
    def invalidate_cache(self: Any, endpoint_pattern: str | None = None) -> None:
        invalidate_matching(self, endpoint_pattern)

    return invalidate_cache


def close(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Wrap `close` to close this package's connections as well."""

    @wraps(original)
    def close(self: Any) -> None:
        exchange.close(self)
        original(self)

    return close
