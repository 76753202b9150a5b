"""The green client: an AsyncHttpClient whose coroutines block cooperatively."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pywats.core.async_client import AsyncHttpClient
from pywats.core.client import Response

from pywats_green.bridge import MAY_BLOCK
from pywats_green.redaction import Secret, guarded_url, secret_of, without_user_info
from pywats_green.upstream.client.cache import attach, invalidate_matching
from pywats_green.upstream.client.core import invalidate, keep, look_up, read, write
from pywats_green.upstream.client.encoding import guard, guarded_headers
from pywats_green.upstream.client.exchange import close, exchange_of

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

_SIGNATURE = inspect.signature(AsyncHttpClient)

# As with upstream, these take precedence when set on a client instance, as tests and tracers do.
_REPLACED = frozenset({"_make_request", "_execute_request"})


def _writing(method: str) -> Any:
    """Make `post`, `put` or `patch` of the green client."""

    async def send(
        self: GreenHttpClient,
        endpoint: str,
        data: Any = None,
        params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Response:
        kwargs["data"] = data
        if _REPLACED & self.__dict__.keys():
            response = await self._make_request(method, endpoint, params=params, **kwargs)
            return invalidate(self, method, endpoint, response)
        return write(self, method, endpoint, params, kwargs, await MAY_BLOCK)

    send.__name__ = method.lower()
    send.__doc__ = f"{method}, and invalidate what it changes."
    return send


class GreenHttpClient(AsyncHttpClient):
    """Replaces `AsyncHttpClient` inside `pyWATS`.

    The public methods and the circuit breaker behave like upstream's; the request path and the
    cache are this package's. Its coroutines never suspend on an event loop; `pywats_green.bridge`
    drives them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = _SIGNATURE.bind(*args, **kwargs)
        given.apply_defaults()
        del args, kwargs  # have the credentials
        given.arguments["token"] = secret_of(given.arguments["token"])
        base_url = guarded_url(given.arguments["base_url"])
        # Upstream logs the URL, and names the circuit breaker after it, which logs its name.
        given.arguments["base_url"] = without_user_info(base_url)
        super().__init__(**given.arguments)
        if isinstance(base_url, Secret):
            self.base_url = base_url.rstrip("/").removesuffix("/api")  # as upstream does it
        guard(self)
        if given.arguments["enable_cache"]:
            attach(self, given.arguments["cache_ttl"], given.arguments["cache_max_size"])

    async def get(
        self, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """GET, from the cache if possible."""
        found = look_up(self, endpoint, params, kwargs)
        if isinstance(found, Response):
            return found
        if _REPLACED & self.__dict__.keys():
            response = await self._make_request("GET", endpoint, params=params, **kwargs)
            return keep(found, response)
        return read(self, endpoint, params, kwargs, found, await MAY_BLOCK)

    post = _writing("POST")
    put = _writing("PUT")
    patch = _writing("PATCH")

    async def delete(
        self, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """DELETE, and invalidate what it changes."""
        if _REPLACED & self.__dict__.keys():
            response = await self._make_request("DELETE", endpoint, params=params, **kwargs)
            return invalidate(self, "DELETE", endpoint, response)
        return write(self, "DELETE", endpoint, params, kwargs, await MAY_BLOCK)

    async def _make_request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        if "_execute_request" in self.__dict__:
            return await super()._make_request(method, endpoint, params, data, headers, retry)
        options = {"data": data, "headers": headers, "retry": retry}
        del headers  # may have credentials, which `write` guards in the options
        return write(self, method, endpoint, params, options, await MAY_BLOCK)

    async def _execute_request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        headers = guarded_headers(headers)
        run, deadline = exchange_of(self).run, await MAY_BLOCK
        return run(self, method, endpoint, params, data, headers, retry, deadline, 1.0)

    async def clear_cache(self) -> None:
        """Drop all cached responses."""
        await self.invalidate_cache()

    async def invalidate_cache(self, endpoint_pattern: str | None = None) -> None:
        """Drop the cached responses whose key contains `endpoint_pattern`. None: all."""
        invalidate_matching(self, endpoint_pattern)

    async def close(self) -> None:
        """Close the connections. As with upstream, the next call opens new ones."""
        close(self)
        if self._client is not None:  # set by the user, for a mock
            await super().close()

    async def __aenter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        url = getattr(self, "base_url", "")  # "": its `__init__` has not ended
        return f"GreenHttpClient(base_url={without_user_info(url)!r})"


# Some of upstream's methods pass unknown keywords. The resulting TypeError shows the qualified
# name, so keep the one that users know.
for _name in ("get", "post", "put", "patch", "delete", "_make_request"):
    getattr(GreenHttpClient, _name).__qualname__ = getattr(AsyncHttpClient, _name).__qualname__


def green_client(_: type[AsyncHttpClient]) -> type[AsyncHttpClient]:
    """Return the replacement of `AsyncHttpClient`."""
    return GreenHttpClient
