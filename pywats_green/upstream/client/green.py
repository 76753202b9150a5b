"""The green client: upstream's AsyncHttpClient, blocking cooperatively below its coroutines."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pywats.core.async_client import AsyncHttpClient
from pywats.core.client import Response

from pywats_green import events
from pywats_green.bridge import MAY_BLOCK, drive
from pywats_green.transport import without_user_info
from pywats_green.upstream.client.cache import attach, caching_of
from pywats_green.upstream.client.epochs import wrote
from pywats_green.upstream.client.exchange import close, exchange_of
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.outcome import passes_breaker, refusal, submission_answer
from pywats_green.upstream.client.reads import serve

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

_SIGNATURE = inspect.signature(AsyncHttpClient)


class GreenHttpClient(AsyncHttpClient):
    """Takes the place of `AsyncHttpClient` inside `pyWATS`.

    The circuit breaker and every public method are upstream's; the cache is ours. Its coroutines
    never suspend on an event loop; they are driven by `pywats_green.bridge`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = _SIGNATURE.bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments["enable_cache"]:
            attach(self, given.arguments["cache_ttl"], given.arguments["cache_max_size"])

    async def get(
        self, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """GET, from the cache where it may be."""
        if events.listeners:
            return await self._observed(self._get, "GET", endpoint, params=params, **kwargs)
        return await self._get("GET", endpoint, params=params, **kwargs)

    async def post(
        self, endpoint: str, data: Any = None, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """POST, and take note of what it touches."""
        return await self._write("POST", endpoint, data=data, params=params, **kwargs)

    async def put(
        self, endpoint: str, data: Any = None, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """PUT, and take note of what it touches."""
        return await self._write("PUT", endpoint, data=data, params=params, **kwargs)

    async def patch(
        self, endpoint: str, data: Any = None, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """PATCH, and take note of what it touches."""
        return await self._write("PATCH", endpoint, data=data, params=params, **kwargs)

    async def delete(
        self, endpoint: str, params: dict[str, Any] | None = None, **kwargs: Any
    ) -> Response:
        """DELETE, and take note of what it touches."""
        return await self._write("DELETE", endpoint, params=params, **kwargs)

    async def _write(self, method: str, endpoint: str, **kwargs: Any) -> Response:
        if events.listeners:
            return await self._observed(self._noted, method, endpoint, **kwargs)
        return await self._noted(method, endpoint, **kwargs)

    async def _observed(
        self,
        call: Callable[..., Awaitable[Response]],
        method: str,
        endpoint: str,
        **kwargs: Any,
    ) -> Response:
        """Make a call, and an event of it."""
        with observed(self, method, endpoint, kwargs["params"]) as event:
            response = await call(method, endpoint, **kwargs)
            event.status = response.status_code
            return response

    async def _get(self, method: str, endpoint: str, **kwargs: Any) -> Response:
        """Serve a GET from the cache, with others in a query, or by a request of its own."""
        served = serve(self, endpoint, kwargs)
        if served is None:
            return await self._noted(method, endpoint, **kwargs)
        if isinstance(served, Response):
            return served
        await MAY_BLOCK  # be it for the server or for another who asks it now
        del kwargs["params"]
        refusal.set(None)
        response = served.ask(
            lambda path, params: drive(self._noted(method, path, params=params, **kwargs))
        )
        if not response.is_success:  # be it one that another asked for
            refusal.set(response)
        return response

    async def _noted(self, method: str, endpoint: str, **kwargs: Any) -> Response:
        """Make a request and take note of what it touches; a few GETs write, too."""
        error: BaseException | None = None
        try:
            return await self._make_request(method, endpoint, **kwargs)
        except BaseException as exc:  # killed or timed out: it may have reached the server
            error = exc
            raise
        finally:
            wrote(self, method, endpoint, error)

    async def clear_cache(self) -> None:
        """Drop all cached answers."""
        await self.invalidate_cache()

    async def invalidate_cache(self, endpoint_pattern: str | None = None) -> None:
        """Drop the cached answers whose key contains a text; None: all."""
        caching = caching_of(self)
        if caching is not None:
            caching.manager.invalidate(endpoint_pattern)

    async def _make_request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        exchange_of(self)  # refuses a foreign thread before the circuit breaker can count it
        refusal.set(None)  # an earlier request's says nothing of how this one ends
        is_submission = passes_breaker.get()
        send = self._execute_request if is_submission else super()._make_request
        response = await send(method, endpoint, params, data, headers, retry)
        if is_submission:
            submission_answer.set(response)
        if not response.is_success:
            refusal.set(response)
        return response

    async def _execute_request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        deadline = await MAY_BLOCK
        return exchange_of(self).run(
            self, method, endpoint, params, data, headers, retry, deadline=deadline
        )

    async def close(self) -> None:
        """Close the connections; the next call opens new ones, as upstream's client does."""
        close(self)

    async def __aenter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"GreenHttpClient(base_url={without_user_info(self.base_url)!r})"


# Python puts the qualified name into the TypeError of a call with unknown keywords, which some of
# upstream's own methods make; users must see the name they know.
for _name in ("get", "post", "put", "patch", "delete", "_make_request"):
    getattr(GreenHttpClient, _name).__qualname__ = getattr(AsyncHttpClient, _name).__qualname__


def green_client(_: type[AsyncHttpClient]) -> type[AsyncHttpClient]:
    """Return what takes the place of `AsyncHttpClient`."""
    return GreenHttpClient
