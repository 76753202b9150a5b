"""One client's exchanges with its server, cooperative, over requests' own connection pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from urllib3.util import make_headers

from pywats_green._version import __version__
from pywats_green.exceptions import TransportError
from pywats_green.transport.answers import Answer
from pywats_green.transport.cookies import Cookies
from pywats_green.transport.pools import GreenAdapter, GreenPool
from pywats_green.transport.redirects import MAX_REDIRECTS, REDIRECTS, Step, next_step
from pywats_green.transport.session import Session, state_of
from pywats_green.transport.writing import Body, Origin, Writer

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

    Attributes:
        session: What the user may configure: proxies, certificates, headers, adapters.
    """

    def __init__(self, base_url: str, *, verify: bool = True) -> None:
        self._base_url = base_url
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
        """Close all idle connections; those in use close when their exchange ends.

        The next request opens new ones and starts without cookies, as with upstream's client.
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
        """Send a request, follow redirects, read the whole answer.

        Args:
            method: HTTP method.
            endpoint: Path below the base URL, not escaped.
            params: Query parameters, none of them None. None: those of the endpoint.
            headers: The caller's headers; not changed any more once they were given.
            body: The encoded body; a list is sent in chunks.
            timeout: Seconds for each phase (connect, write, read). None: no limit.
            deadline: When a timer will kill this greenlet, by `time.monotonic()`. None: there is
                none.

        Returns:
            The answer, whatever its status.

        Raises:
            TransportConnectError: No connection was made.
            TransportTimeoutError: A phase took too long.
            TransportError: The exchange broke off in another way, or too many redirects.
            httpx.InvalidURL: The base URL or the endpoint cannot be written as a URL.
        """
        if timeout is not None and timeout < _SHORTEST:
            timeout = _SHORTEST
        if body == b"":
            body = None  # as with httpx: a length of 0 only where a body is expected
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
        """Add the standing headers; those of a client come as the same object, call after call."""
        own = self.session.own_headers()
        self._given = {} if own else headers  # they may change: for this call alone
        self._merged = {**_over(_over(_STANDING_HEADERS, own), headers), **origins}

    def _exchange(self, step: Step, timeout: float | None, deadline: float | None) -> Answer:
        session = self.session
        if state_of(session) != self._state:
            self._close_idle()
        pool = self._pools.get(step.root)
        if pool is None and step.root not in self._pools:
            pool = self._find_pool(step.root)
        method, root, target, headers, body, *_ = step
        if session.cookies._cookies:  # type: ignore[attr-defined]  # noqa: SLF001  # seldom
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
        """Return the pool of an origin; None where the session sends by itself."""
        pool = self.session.pool(root)  # may wait: another may have been quicker
        return self._pools.setdefault(root, pool)

    def __repr__(self) -> str:
        return f"Transport({self._origin.root if self._origin else 'not used yet'})"


def _over(standing: dict[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Put headers over standing ones; names are one, however they are written."""
    given = {name.lower() for name in headers}
    return {**{k: v for k, v in standing.items() if k.lower() not in given}, **headers}
