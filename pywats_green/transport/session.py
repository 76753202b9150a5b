"""The requests session that holds a client's configuration, and the fallback that honours it all.

The fast path goes from an origin straight to a green pool. A session with more than that path
supports (foreign adapters, hooks, authentication, parameters) sends the requests itself.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from pywats_green.config import settings
from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.redaction import Secret, guarded, without_frames
from pywats_green.transport.answers import Answer
from pywats_green.transport.cookies import Jar
from pywats_green.transport.decoding import decoded
from pywats_green.transport.pools import GreenAdapter, GreenPool
from pywats_green.transport.proxies import Proxy, environment_proxies, proxy_of
from pywats_green.transport.redirects import Step

state_of: Any = attrgetter(
    "verify", "cert", "trust_env", "auth", "params", "proxies", "adapters",
    "__class__.get_adapter", "__class__.send", "_adapters_class.send",  # replaced by mocks
    "hooks",
)  # fmt: skip
"""Returns the live objects that determine where and how a session connects."""

_SENDERS = ((requests.Session, requests.Session.send), (HTTPAdapter, HTTPAdapter.send))


class Session(requests.Session):
    """A session with green adapters and no default headers.

    Args:
        adapter: The adapter for http and https.
        verify: Whether to verify TLS certificates.
    """

    _adapters_class = HTTPAdapter

    def __init__(self, adapter: GreenAdapter, *, verify: bool) -> None:
        super().__init__()
        self.headers.clear()
        self.cookies = Jar()
        self.verify = verify
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def snapshot(self) -> tuple[Any, ...]:
        """Return a copy of the state, to compare with later ones."""
        *values, hooks = state_of(self)
        hooks = {event: [*called] for event, called in hooks.items()}
        return (*(dict(each) if isinstance(each, Mapping) else each for each in values), hooks)

    def pool(self, root: str) -> GreenPool | None:
        """Return the pool of an origin. None: the session must send the requests itself.

        Raises:
            TransportError: The proxy cannot be used, or a certificate file cannot be read.
        """
        adapter = self.get_adapter(f"{root}/")
        if not isinstance(adapter, GreenAdapter):
            return None
        if any(inspect.unwrap(owner.send) is not send for owner, send in _SENDERS):
            return None  # requests_mock or responses; what has a `__wrapped__` calls through
        if self.auth or self.params or self.hooks["response"]:
            return None
        proxy = self._proxy(root)
        request = requests.Request("GET", root).prepare()
        proxies = None if proxy is None else {"all": proxy}
        pool: Any = adapter.get_connection_with_tls_context(
            request, self.verify or False, proxies, self.cert
        )
        pool.forwards = proxy is not None and root.startswith("http://")
        return pool  # type: ignore[no-any-return]

    def _proxy(self, url: str) -> Proxy | None:
        given = self._given_proxy(url)
        return None if given is None else proxy_of(given)

    def _given_proxy(self, url: str) -> str | None:
        """Return the proxy for a URL as given; as in requests, the environment comes first."""
        given: dict[str, str] = {
            name: Secret(proxy) for name, proxy in self.proxies.items() if proxy
        }
        if self.trust_env:
            given.update(environment_proxies(url))
        return select_proxy(url, given) or None

    def own_headers(self) -> dict[str, str]:
        """Return the session's headers as str; as in requests, None removes a header."""
        given: Any = self.headers.items()
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in given
            if value is not None
        }
        return guarded(headers)

    def exchange(self, step: Step, timeout: float | None) -> Answer:
        """Let requests send a request, without following redirects.

        As in requests, the session's parameters apply to the caller's own request only, and its
        authentication only where the token may be sent.

        Args:
            step: The request.
            timeout: Seconds for each phase (connect, read). None: no limit.

        Raises:
            TransportError: As `Transport.request`.
        """
        url, body = step.root + step.target, step.body
        params = self.params if step.is_first else None
        request = requests.PreparedRequest()
        data: Any = iter(body) if isinstance(body, list) else body
        # Not `prepare_request`, which would let a .netrc replace the token.
        request.prepare(step.method, url, step.headers, data=data, params=params)
        if not params:
            request.url = url  # not escaped again
        if step.is_trusted:
            request.prepare_auth(self.auth)  # after the URL, which it may sign
        request.prepare_hooks(self.hooks)  # after those of the authentication
        is_green = isinstance(self.get_adapter(url), GreenAdapter)
        found, current = self._found(step.root, is_green), settings()
        if self.verify is True and (current.trust or current.ca_bundle):
            found["verify"] = current.ca_bundle or True  # whatever the environment names
        if not found["cert"] and current.client_cert:
            pair = (current.client_cert, current.client_key)
            found["cert"] = pair if current.client_key else current.client_cert
        try:
            response = self.send(request, timeout=timeout, allow_redirects=False, **found)
            content = _content_of(response)
        except requests.RequestException as exc:
            exc.request = None  # has the token, which would be pickled
            if exc.response is not None:  # raised by a hook
                exc.response.request = None  # type: ignore[assignment]
            raise _fault(exc) from without_frames(exc)
        except BaseException as exc:  # of a user's adapter, or a kill
            without_frames(exc)
            raise
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, content)

    def _found(self, root: str, is_green: bool) -> dict[str, Any]:
        """Let requests merge session and environment settings, all but the proxies.

        A foreign adapter takes a proxy's credentials from its URL. requests before 2.34 puts the
        environment's proxies into the dictionary that it is given, and fails without one.
        """
        merged = self.merge_environment_settings(
            root, proxies={}, stream=True, verify=self.verify or False, cert=None
        )
        merged["proxies"] = {}  # the session's, whose credentials a traceback would show
        proxy: str | None = self._proxy(root)
        if proxy is not None and not is_green:
            proxy = self._given_proxy(root)
        return {**merged, "proxies": {} if proxy is None else {"all": proxy}}


def _content_of(response: requests.Response) -> bytes:
    """Read and decode a body as the fast path does: bounded, and only if it is complete."""
    raw = response.raw
    if response._content_consumed or not isinstance(raw, urllib3.HTTPResponse):  # type: ignore[attr-defined]  # noqa: SLF001
        return response.content  # a hook has read it, or a mock has made it
    try:
        content = raw.read(decode_content=False)
    except urllib3.exceptions.HTTPError as exc:
        raise requests.ConnectionError(exc) from exc  # as requests itself does
    encoding = response.headers.get("content-encoding")
    return decoded(content, encoding) if content and encoding else content


_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError, ConnectionRefusedError, socket.gaierror,
)  # fmt: skip
_TIMED_OUT = (TimeoutError, urllib3.exceptions.ReadTimeoutError)


def _fault(exc: requests.RequestException) -> TransportError:
    cause = exc.args[0] if exc.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, urllib3.exceptions.ProxyError):
        reason = reason.original_error
    elif isinstance(reason, urllib3.exceptions.ProtocolError):
        reason = reason.args[-1]  # the underlying OSError of green connections
    if isinstance(exc, requests.Timeout) or isinstance(reason, _TIMED_OUT):
        return TransportTimeoutError(str(exc))
    could_not_connect = isinstance(reason, _NOT_CONNECTED)
    if could_not_connect or isinstance(exc, requests.exceptions.SSLError):
        return TransportConnectError(str(exc))
    return TransportError(str(exc))
