"""The requests session that owns a client's configuration, and the way through what it may hold.

The quick way goes from an origin straight to a pool of ours. A session on which the user has put
more than that way reads (an adapter of another kind, hooks, authentication, parameters) sends by
itself.
"""

from __future__ import annotations

from typing import Any

import requests
import urllib3

from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.transport.answers import Answer
from pywats_green.transport.messages import Body
from pywats_green.transport.pools import GreenAdapter, GreenPool


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

    def state(self) -> tuple[Any, ...]:
        """Return what routes are made from, to be compared with a later one."""
        return (
            self.verify, self.cert, self.trust_env,
            bool(self.auth or self.params or self.hooks["response"]),
            *self.proxies.items(), *self.adapters.items(),
        )  # fmt: skip

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
        raise TransportError(f"the proxy that the environment names cannot be used: {reason}")

    def exchange(
        self,
        method: str,
        root: str,
        target: str,
        headers: dict[str, str],
        body: Body,
        timeout: float | None,
    ) -> Answer:
        """Make an exchange as requests makes it, without redirects.

        Args:
            method: HTTP method.
            root: Scheme and authority of the origin.
            target: Path and query, escaped.
            headers: To send.
            body: To send; a list in chunks.
            timeout: Seconds for each phase (connect, read). None: no limit.

        Raises:
            TransportError: As `Transport.request`.
        """
        url = root + target
        request = requests.PreparedRequest()
        data: Any = iter(body) if isinstance(body, list) else body
        # Without `prepare_request`, which would let a .netrc take the place of the token.
        request.prepare(
            method, url, headers, data=data, params=self.params, auth=self.auth, hooks=self.hooks
        )
        if not self.params:
            request.url = url  # not escaped once more
        try:
            response = self.send(
                request, timeout=timeout, allow_redirects=False, **self._found(root)
            )
        except requests.RequestException as exc:
            raise _fault(exc) from exc
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, response.content)

    def _found(self, root: str) -> dict[str, Any]:
        """Ask requests what session and environment say; may look up names, on Windows."""
        return {**self.merge_environment_settings(root, {}, False, self.verify or False, None)}


def _fault(exc: requests.RequestException) -> TransportError:
    if isinstance(exc, requests.Timeout):
        return TransportTimeoutError(str(exc))
    reason = getattr(exc.args[0] if exc.args else None, "reason", None)
    could_not_connect = isinstance(reason, urllib3.exceptions.NewConnectionError)
    if could_not_connect or isinstance(exc, requests.exceptions.SSLError):
        return TransportConnectError(str(exc))
    return TransportError(str(exc))
