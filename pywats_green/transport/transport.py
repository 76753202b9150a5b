"""One client's exchanges with its server, cooperative, over requests' own connection pools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import requests
import urllib3
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from urllib3.util import Retry, Timeout, make_headers, parse_url

from pywats_green._version import __version__
from pywats_green.config import settings
from pywats_green.exceptions import TransportError
from pywats_green.transport.connections import GreenAdapter
from pywats_green.transport.faults import translate
from pywats_green.transport.redirects import MAX_REDIRECTS, Step, next_step
from pywats_green.transport.targets import Origin

# A failure is the caller's, at once: upstream decides about retries, and a request that is not
# idempotent is never sent twice.
_NO_RETRIES = Retry(False, redirect=False)

_STANDING_HEADERS = {
    # Only what urllib3 can decode here is offered.
    "Accept-Encoding": make_headers(accept_encoding=True)["accept-encoding"].replace(",", ", "),
    "Connection": "keep-alive",
    "User-Agent": f"pywats-green/{__version__}",
}


class Answer(NamedTuple):
    """What the server answered.

    Attributes:
        status: HTTP status code.
        headers: By lower-case name; values of a repeated header are joined by ", ".
        content: The body, content encodings undone.
    """

    status: int
    headers: dict[str, str]
    content: bytes


class _Route(NamedTuple):
    """How requests to one origin travel."""

    pool: Any
    proxy_headers: dict[str, str] | None  # None: no forwarding proxy, targets in origin form


class Transport:
    """Exchanges requests for answers with the server of one client.

    The connections belong to it, are kept per origin and follow the number of calls at once. A
    `requests.Session` owns the configuration: TLS, CA bundles, client certificate, proxies of the
    environment, cookies. Its `.netrc` look-up is not used, so nothing overrides the token.

    Args:
        base_url: Of the server.
        verify: Whether to verify TLS certificates.
    """

    def __init__(self, base_url: str, *, verify: bool = True) -> None:
        self._base_url = base_url
        self._verify = verify
        self._origin: Origin | None = None
        self._cookies = requests.cookies.RequestsCookieJar()
        self._open()

    def _open(self) -> None:
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GreenAdapter(pool_maxsize=1))
        self._routes: dict[str, _Route] = {}

    def close(self) -> None:
        """Close all idle connections; those in use close when their call ends.

        The next request opens new ones, as with upstream's client.
        """
        session = self._session
        self._open()
        session.close()

    def request(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: dict[str, str],
        body: bytes | None,
        timeout: float | None,
    ) -> Answer:
        """Send a request, follow redirects, read the whole answer.

        Args:
            method: HTTP method.
            endpoint: Path below the base URL, not escaped.
            params: Query parameters, none of them None. None: those of the endpoint.
            headers: The caller's headers.
            body: The encoded body, or None.
            timeout: Seconds for each phase (connect, write, read). None: no limit.

        Returns:
            The answer, whatever its status.

        Raises:
            TransportConnectError: No connection was made.
            TransportTimeoutError: A phase took too long.
            TransportError: The exchange broke off in another way, or too many redirects.
            ValueError: The base URL or the endpoint cannot be written as a URL.
        """
        if self._origin is None:
            self._origin = Origin(self._base_url)
        step = Step(
            method,
            self._origin.root,
            self._origin.target(endpoint, params),
            {**_STANDING_HEADERS, **headers},
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
        route = self._routes.get(step.root) or self._new_route(step.root)
        headers, url = step.headers, step.target
        if route.proxy_headers is not None:
            headers, url = {**headers, **route.proxy_headers}, step.root + step.target
        cookies = len(self._cookies) and self._cookie_header(step)
        if cookies:
            headers = {**headers, "Cookie": cookies}
        try:
            raw = route.pool.urlopen(
                step.method,
                url,
                body=step.body,
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(connect=timeout, read=timeout),
            )
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            _reraise(exc)
        if "set-cookie" in raw.headers:
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self._cookies, self._as_request(step), raw
            )
        return Answer(
            raw.status, {name.lower(): value for name, value in raw.headers.items()}, raw.data
        )

    def _new_route(self, root: str) -> _Route:
        """Let requests decide, once per origin, about proxy, TLS and pool."""
        found = self._session.merge_environment_settings(
            root, {}, False, self._verify and _ca_bundle(), _client_cert()
        )
        adapter = self._session.get_adapter(root)
        request = requests.Request("GET", root).prepare()
        try:
            pool = adapter.get_connection_with_tls_context(  # type: ignore[attr-defined]
                request, found["verify"], found["proxies"], found["cert"]
            )
        except (requests.RequestException, OSError) as exc:
            raise TransportError(str(exc)) from exc
        proxy = requests.utils.select_proxy(root, found["proxies"])
        forwarding = proxy and root.startswith("http://") and not proxy.startswith("socks")
        headers = adapter.proxy_headers(proxy) if forwarding else None  # type: ignore[attr-defined]
        route = self._routes[root] = _Route(pool, headers)
        return route

    def _as_request(self, step: Step) -> Any:
        return requests.Request(step.method, step.root + step.target).prepare()

    def _cookie_header(self, step: Step) -> str | None:
        header: str | None = get_cookie_header(  # type: ignore[no-untyped-call]
            self._cookies, self._as_request(step)
        )
        return header

    def __repr__(self) -> str:
        return f"Transport({parse_url(self._base_url).host})"  # no user info, no token


def _ca_bundle() -> str | bool:
    """Return the CA bundle to verify with, from our setting or httpx's environment variables.

    requests' own two variables come before httpx's: requests looks for them itself, but only
    where it is told nothing but True.
    """
    ours = settings().ca_bundle
    if ours is not None:
        return ours
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True


def _client_cert() -> str | tuple[str, str] | None:
    cert, key = settings().client_cert, settings().client_key
    return (cert, key) if cert is not None and key is not None else cert


def _reraise(exc: Exception) -> NoReturn:
    raise translate(exc) from exc
