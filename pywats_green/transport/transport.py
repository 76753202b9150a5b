"""One client's exchanges with its server, cooperative, over requests' own connection pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from urllib3.util import make_headers

from pywats_green._version import __version__
from pywats_green.exceptions import TransportError
from pywats_green.transport.answers import Answer, Body
from pywats_green.transport.cookies import Cookies
from pywats_green.transport.pools import GreenAdapter, GreenPool
from pywats_green.transport.redirects import MAX_REDIRECTS, Step, next_step
from pywats_green.transport.targets import Origin

_STANDING_HEADERS = {
    # Only what urllib3 can decode here is offered.
    "Accept-Encoding": make_headers(accept_encoding=True)["accept-encoding"].replace(",", ", "),
    "Connection": "keep-alive",
    "User-Agent": f"pywats-green/{__version__}",
}

_SHORTEST = 0.001  # seconds; 0 would make sockets non-blocking instead of impatient


class Transport:
    """Exchanges requests for answers with the server of one client.

    The connections belong to it, are kept per origin and follow the number of calls at once. What
    requests would read from a `.netrc` is not asked for, so nothing overrides the token.

    Args:
        base_url: Of the server.
        verify: Whether to verify TLS certificates.
    """

    def __init__(self, base_url: str, *, verify: bool = True) -> None:
        self._base_url = base_url
        self._verify = verify
        self._origin: Origin | None = None
        self._open()

    def _open(self) -> None:
        self._adapter = GreenAdapter(verify=self._verify)
        self._pools: dict[str, GreenPool] = {}
        self._cookies = Cookies()

    def close(self) -> None:
        """Close all idle connections; those in use close when their exchange ends.

        The next request opens new ones and starts without cookies, as with upstream's client.
        """
        adapter = self._adapter
        self._open()
        adapter.close()

    def request(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: dict[str, str],
        body: Body,
        timeout: float | None,
    ) -> Answer:
        """Send a request, follow redirects, read the whole answer.

        Args:
            method: HTTP method.
            endpoint: Path below the base URL, not escaped.
            params: Query parameters, none of them None. None: those of the endpoint.
            headers: The caller's headers.
            body: The encoded body; a list is sent in chunks.
            timeout: Seconds for each phase (connect, write, read). None: no limit.

        Returns:
            The answer, whatever its status.

        Raises:
            TransportConnectError: No connection was made.
            TransportTimeoutError: A phase took too long.
            TransportError: The exchange broke off in another way, or too many redirects.
            httpx.InvalidURL: The base URL or the endpoint cannot be written as a URL.
        """
        if timeout is not None:
            timeout = max(timeout, _SHORTEST)
        if body == b"":
            body = None  # as with httpx: a length of 0 only where a body is expected
        origin = self._origin
        if origin is None:
            origin = self._origin = Origin(self._base_url)
        step = Step(
            method.upper(),
            origin.root,
            origin.target(endpoint, params),
            {**_STANDING_HEADERS, **headers, **origin.headers},
            body,
        )
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(step, timeout)
            redirected = next_step(step, answer.status, answer.headers)
            if redirected is None:
                return answer
            step = redirected
        raise TransportError("Exceeded maximum allowed redirects.")

    def _exchange(self, step: Step, timeout: float | None) -> Answer:
        cookies = self._cookies
        headers, url = step.headers, step.root + step.target
        cookie = cookies.header(url)
        if cookie is not None:
            headers = {**headers, "Cookie": cookie}
        pool = self._pools.get(step.root) or self._new_pool(step.root)
        if pool.forwards:
            answer, response = pool.exchange(
                step.method, url, {**headers, **pool.proxy_headers}, step.body, timeout
            )
        else:
            answer, response = pool.exchange(step.method, step.target, headers, step.body, timeout)
        if "set-cookie" in answer.headers:
            cookies.keep(url, response)
        return answer

    def _new_pool(self, root: str) -> GreenPool:
        """Let requests decide, once per origin, about the proxy and the pool."""
        pools, adapter = self._pools, self._adapter
        proxies = requests.utils.get_environ_proxies(root)  # may look up names, on Windows
        request = requests.Request("GET", root).prepare()
        try:
            pool: Any = adapter.get_connection_with_tls_context(request, self._verify, proxies)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as exc:
            reason = str(exc) if isinstance(exc, requests.exceptions.InvalidSchema) else "malformed"
        else:
            pool.forwards = pool.proxy is not None and root.startswith("http://")
            return pools.setdefault(root, pool)
        # Outside the handler, because the errors there show the proxy's URL with its password.
        raise TransportError(f"the proxy that the environment names cannot be used: {reason}")

    def __repr__(self) -> str:
        return f"Transport({self._origin.root if self._origin else 'not used yet'})"
