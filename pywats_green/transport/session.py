"""The requests session that owns a client's configuration, and the way through what it may hold.

The quick way goes from an origin straight to a pool of ours. A session on which the user has put
more than that way reads (an adapter of another kind, hooks, authentication, parameters) sends by
itself.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import requests
import urllib3

from pywats_green.config import settings
from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.transport.answers import Answer
from pywats_green.transport.pools import GreenAdapter, GreenPool
from pywats_green.transport.redirects import Step

state_of: Any = attrgetter(
    "verify", "cert", "trust_env", "auth", "params", "proxies", "adapters", "hooks"
)
"""Returns what the routes of a session are made from, as it is now and as it will be changed."""


class Session(requests.Session):
    """A session that begins with nothing but adapters of ours.

    Args:
        adapter: For http and https.
        verify: Whether to verify TLS certificates.
    """

    def __init__(self, adapter: GreenAdapter, *, verify: bool) -> None:
        super().__init__()
        self.headers.clear()
        self.verify = verify
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def snapshot(self) -> tuple[Any, ...]:
        """Return a state that stays as it is, to be compared with a later one."""
        *values, hooks = state_of(self)
        hooks = {event: [*called] for event, called in hooks.items()}
        return (*(dict(each) if isinstance(each, Mapping) else each for each in values), hooks)

    def pool(self, root: str) -> GreenPool | None:
        """Return the pool of an origin; None where the session must send by itself.

        Raises:
            TransportError: The proxy cannot be used, or a file of certificates not be read.
        """
        adapter = self.get_adapter(f"{root}/")
        if not isinstance(adapter, GreenAdapter):
            return None
        if self.auth or self.params or self.hooks["response"]:
            return None
        found = self._found(root)
        request = requests.Request("GET", root).prepare()
        try:
            pool: Any = adapter.get_connection_with_tls_context(
                request, self.verify or False, found["proxies"], self.cert
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as exc:
            reason = str(exc) if isinstance(exc, requests.exceptions.InvalidSchema) else "malformed"
        else:
            pool.forwards = pool.proxy is not None and root.startswith("http://")
            return pool  # type: ignore[no-any-return]
        # Outside the handler, because the errors there show the proxy's URL with its password.
        raise TransportError(
            f"the proxy that the session or the environment names cannot be used: {reason}"
        )

    def own_headers(self) -> dict[str, str]:
        """Return the headers that are set, as text; None means none, as in requests."""
        given: Any = self.headers.items()
        return {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in given
            if value is not None
        }

    def exchange(self, step: Step, timeout: float | None) -> Answer:
        """Make an exchange as requests makes it, without redirects.

        The session's parameters belong to the caller's own request, and its authentication to
        where the token may go, as with requests.

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
        # Without `prepare_request`, which would let a .netrc take the place of the token.
        request.prepare(step.method, url, step.headers, data=data, params=params)
        if not params:
            request.url = url  # not escaped once more
        if step.is_trusted:
            request.prepare_auth(self.auth)  # after the URL, which it may sign
        request.prepare_hooks(self.hooks)  # behind those of the authentication
        found, current = self._found(step.root), settings()
        if self.verify is True and current.ca_bundle:
            found["verify"] = current.ca_bundle
        if not found["cert"] and current.client_cert:
            pair = (current.client_cert, current.client_key)
            found["cert"] = pair if current.client_key else current.client_cert
        try:
            response = self.send(request, timeout=timeout, allow_redirects=False, **found)
        except requests.RequestException as exc:
            raise _fault(exc) from exc
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, response.content)

    def _found(self, root: str) -> dict[str, Any]:
        """Ask requests what session and environment say; may look up names, on Windows."""
        return {**self.merge_environment_settings(root, {}, False, self.verify or False, None)}


_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError, ConnectionRefusedError, socket.gaierror,
)  # fmt: skip


def _fault(exc: requests.RequestException) -> TransportError:
    cause = exc.args[0] if exc.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, urllib3.exceptions.ProxyError):
        reason = reason.original_error
    elif isinstance(reason, urllib3.exceptions.ProtocolError):
        reason = reason.args[-1]  # where our connections raise what the system says
    if isinstance(exc, requests.Timeout) or isinstance(reason, TimeoutError):
        return TransportTimeoutError(str(exc))
    could_not_connect = isinstance(reason, _NOT_CONNECTED)
    if could_not_connect or isinstance(exc, requests.exceptions.SSLError):
        return TransportConnectError(str(exc))
    return TransportError(str(exc))
