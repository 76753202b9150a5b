"""The green client: upstream's AsyncHttpClient, blocking cooperatively below its coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pywats.core.async_client import AsyncHttpClient
from pywats.core.client import HttpClient, Response

from pywats_green.bridge import MAY_BLOCK
from pywats_green.upstream.exchange import close, exchange_of

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11


class GreenHttpClient(AsyncHttpClient):
    """Takes the place of `AsyncHttpClient` inside `pyWATS`.

    The circuit breaker, the cache and every public method are upstream's. Its coroutines never
    suspend on an event loop; they are driven by `pywats_green.bridge`.
    """

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
        return await super()._make_request(method, endpoint, params, data, headers, retry)

    async def _execute_request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        retry: bool | None = None,
    ) -> Response:
        await MAY_BLOCK
        return exchange_of(self).run(self, method, endpoint, params, data, headers, retry)

    async def close(self) -> None:
        """Close the connections; the next call opens new ones, as upstream's client does."""
        close(self)

    async def __aenter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"GreenHttpClient(base_url={self.base_url!r})"


# Python puts the qualified name into the TypeError of a call with unknown keywords, which some of
# upstream's own methods make; users must see the name they know.
GreenHttpClient._make_request.__qualname__ = AsyncHttpClient._make_request.__qualname__


def make_request(
    client: Any,
    method: str,
    endpoint: str,
    params: dict[str, Any] | None = None,
    data: Any = None,
    headers: dict[str, str] | None = None,
    retry: bool | None = None,
) -> Response:
    """Take the place of `HttpClient._make_request`, upstream's plain blocking client."""
    return exchange_of(client).run(client, method, endpoint, params, data, headers, retry)


make_request.__qualname__ = HttpClient._make_request.__qualname__
