"""How a GET is served: by the cache, in a query with others, or by a request of its own."""

from __future__ import annotations

from typing import Any

from pywats.core.client import Response

from pywats_green.upstream.client import batches
from pywats_green.upstream.client.cache import ClientCache, Read, caching_of


class Pending:
    """A GET that the cache could not answer at once, and that others may answer.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        endpoint: As the caller gave it.
        kwargs: What else the caller gave; params among it.
        caching: Of the client; None: not to be used.
        read: Its key in there.
    """

    def __init__(
        self,
        client: Any,
        endpoint: str,
        kwargs: dict[str, Any],
        caching: ClientCache | None,
        read: Read | None,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._params = kwargs["params"]
        self._options = {name: value for name, value in kwargs.items() if name != "params"}
        self._caching = caching
        self._read = read

    def ask(self, fetch: batches.Fetch) -> Response:
        """Return the answer, from the server or from who asks it now.

        Args:
            fetch: Makes a GET of an endpoint with params. May block.
        """

        def asked() -> Response:
            return batches.get(self._client, self._endpoint, self._params, self._options, fetch)

        if self._caching is None or self._read is None:
            return asked()
        return self._caching.load(self._read, asked, self._client.timeout)


def serve(client: Any, endpoint: str, kwargs: dict[str, Any]) -> Response | Pending | None:
    """Say how a GET is served.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        endpoint: As the caller gave it.
        kwargs: What else the caller gave, params among it; `cache` is taken out.

    Returns:
        The cached answer; a `Pending` to be asked; None: it needs a request of its own.
    """
    caching, read = None, None
    if kwargs.pop("cache", True):
        caching = caching_of(client)
    if caching is not None:
        read = caching.read_of(client._headers, endpoint, kwargs["params"], kwargs.get("headers"))
        if read is not None and (response := caching.hit(read)) is not None:
            return response
    if read is None and not batches.is_active():
        return None
    return Pending(client, endpoint, kwargs, caching, read)
