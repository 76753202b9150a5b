"""A client's cooperative HTTP exchanges, over requests' connection pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from urllib3.util import make_headers

from pywats_green._version import __version__
from pywats_green.exceptions import TransportError
from pywats_green.redaction import guarded_url
from pywats_green.transport.answers import Answer
from pywats_green.transport.cookies import Cookies
from pywats_green.transport.pools import MOST_ORIGINS, GreenAdapter, GreenPool
from pywats_green.transport.redirects import MAX_REDIRECTS, REDIRECTS, Step, next_step
from pywats_green.transport.session import Session, state_of
from pywats_green.transport.writing import Body, Origin, Writer

_STANDING_HEADERS = {
    # Only the encodings that urllib3 can decode in this installation.
    "Accept-Encoding": make_headers(accept_encoding=True)["accept-encoding"].replace(",", ", "),
    "Connection": "keep-alive",
    "User-Agent": f"pywats-green/{__version__}",
}

_SHORTEST = 0.001  # seconds; a timeout of 0 would make sockets non-blocking


class Transport:
    """Sends the requests of one client and reads the responses.

    It owns its connections, keeps them per origin, and opens as many as there are concurrent
    calls. A `.netrc` is ignored, so nothing overrides the token.

    Args:
        base_url: Base URL of the server.
        verify: Whether to verify TLS certificates.

    Attributes:
        session: The user's configuration: proxies, certificates, headers, adapters.
    """

    def __init__(self, base_url: str, *, verify: bool = True) -> None:
        self._base_url = guarded_url(base_url)
        self._origin: Origin | None = None
        self.session = Session(GreenAdapter(verify=verify), verify=verify)
        self._cookies = Cookies(self.session)
        self._forget()

    def _forget(self) -> None:
        self._state = self.session.snapshot()
        self._pools: dict[str, GreenPool | None] = {}
        self._writer = Writer()
        self._given: dict[str, str] = {}
        self._merged: dict[str, str] = {}

    def close(self) -> None:
        """Close all idle connections; those in use are closed when their exchange ends.

        As with upstream's client, the next request opens new ones and starts without cookies.
        """
        self._forget()
        self.session.cookies.clear()
        self.session.close()

    def request(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: dict[str, str],
        body: Body,
        timeout: float | None,
        deadline: float | None = None,
    ) -> Answer:
        """Send a request, follow redirects, and read the whole response.

        Args:
            method: HTTP method.
            endpoint: Unescaped path below the base URL.
            params: Query parameters, none of them None. None: those in the endpoint.
            headers: The caller's headers; must not be modified afterwards.
            body: The encoded body; a list is sent in chunks.
            timeout: Seconds for each phase (connect, write, read). None: no limit.
            deadline: When a timer will kill this greenlet, on the `time.monotonic()` clock. None:
                never.

        Returns:
            The response, whatever its status.

        Raises:
            TransportConnectError: No connection could be made.
            TransportTimeoutError: A phase took too long.
            TransportError: The exchange failed otherwise, or there were too many redirects.
            httpx.InvalidURL: The base URL or endpoint is not a valid URL.
        """
        if timeout is not None and timeout < _SHORTEST:
            timeout = _SHORTEST
        if body == b"":
            body = None  # as in httpx: send a length of 0 only if the method expects a body
        origin = self._origin
        if origin is None:
            origin = self._origin = Origin(self._base_url)
        if headers is not self._given or self.session.headers:
            self._merge(headers, origin.headers)
        target = origin.target(endpoint, params)
        step = Step(method.upper(), origin.root, target, self._merged, body)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(step, timeout, deadline)
            if answer.status not in REDIRECTS:
                return answer
            redirected = next_step(step, answer.status, answer.headers)
            if redirected is None:
                return answer
            step = redirected
        raise TransportError("Exceeded maximum allowed redirects.")

    def _merge(self, headers: dict[str, str], origins: dict[str, str]) -> None:
        """Add the standing headers; a client passes the same `headers` object on every call."""
        own = self.session.own_headers()
        self._given = {} if own else headers  # the session's may change, so merge for each call
        self._merged = {**_over(_over(_STANDING_HEADERS, own), headers), **origins}

    def _exchange(self, step: Step, timeout: float | None, deadline: float | None) -> Answer:
        session = self.session
        if state_of(session) != self._state:
            self._close_idle()
        pool = self._pools.get(step.root)
        if pool is None and step.root not in self._pools:
            pool = self._find_pool(step.root)
        method, root, target, headers, body, *_ = step
        if session.cookies._cookies:  # type: ignore[attr-defined]  # noqa: SLF001  # rare
            cookie = self._cookies.header(root + target)
            headers = headers if cookie is None else _over({"Cookie": cookie}, headers)
        if pool is None:
            return session.exchange(step._replace(headers=headers), timeout)
        if pool.forwards:
            target, headers = root + target, {**headers, **pool.proxy_headers}
        message = self._writer.write(method, root, target, headers, body)
        answer = pool.exchange(message, timeout, deadline)
        if "set-cookie" in answer.headers:
            self._cookies.keep(root + step.target, answer.head)
        return answer

    def _close_idle(self) -> None:
        for pool in self._pools.values():
            if pool is not None:
                pool.close_idle()
        self._forget()

    def _find_pool(self, root: str) -> GreenPool | None:
        """Return the pool of an origin. None: the session itself sends the requests."""
        if len(self._pools) >= MOST_ORIGINS:
            self._close_idle()
        pool = self.session.pool(root)  # may switch, so another greenlet may have been first
        return self._pools.setdefault(root, pool)

    def __repr__(self) -> str:
        return f"Transport({self._origin.root if self._origin else 'not used yet'})"


def _over(standing: dict[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Override standing headers; names are case-insensitive."""
    given = {name.lower() for name in headers}
    return {**{k: v for k, v in standing.items() if k.lower() not in given}, **headers}
