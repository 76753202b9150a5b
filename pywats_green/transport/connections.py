"""Connections, hung into urllib3: cooperative, resolved once per origin, closed by every error."""

from __future__ import annotations

import http.client
import select
import socket
import sys
import time
from typing import Any

from gevent import monkey
from urllib3.connection import HTTPConnection, HTTPSConnection

from pywats_green.config import settings
from pywats_green.exceptions import TransportError
from pywats_green.transport.answers import Answer, Body, Response, read_answer
from pywats_green.transport.resolver import Address, Resolver

resolver = Resolver()

_FRAMING = frozenset({"content-length", "transfer-encoding"})

# gevent's poll switches to the hub even for a timeout of 0; the native one is a system call.
# Windows has no poll; its select has no limit on the number of the descriptor.
_has_poll = hasattr(select, "poll")
_native_poll = monkey.get_original("select", "poll" if _has_poll else "select")


def _is_readable(sock: Any) -> bool:
    """Tell, without waiting, whether there is something to read, be it the end of the stream."""
    if not _has_poll:
        return bool(_native_poll([sock.fileno()], [], [], 0)[0])
    poll = _native_poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class GreenConnection(HTTPConnection):
    """Knows a dead connection without a switch to the hub, and makes one exchange at a time."""

    idle_since = 0.0
    response_class = Response
    putheader = http.client.HTTPConnection.putheader  # urllib3's looks for marks we never set

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers.

        Raises:
            OSError: None did. A TimeoutError when the time is over, a `socket.gaierror` when the
                name does not resolve.
        """
        host, port = self._dns_host, self.port
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        addresses = resolver.resolve(host, port, settings().dns_ttl, self.timeout)
        error: OSError | None = None
        for position, address in enumerate(addresses):
            left = len(addresses) - position
            try:
                sock = self._connect_to(address, _share(deadline, left))
            except OSError as exc:
                error = exc
                continue
            if position:
                resolver.prefer(host, port, address)
            sys.audit("http.client.connect", self, self.host, port)
            return sock
        resolver.forget(host, port)
        raise error or OSError(f"no address for {host}")

    def _connect_to(self, address: Address, timeout: float | None) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            # Headers and body are two writes; a proxy too shall not wait in between.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect(address.sockaddr)
        except BaseException:  # a kill too must not leave the descriptor behind
            sock.close()
            raise
        return sock

    @property
    def is_connected(self) -> bool:
        """Whether the server has kept it open; urllib3 asks before it lends a connection."""
        return self.sock is not None and not _is_readable(self.sock)

    def exchange(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: Body,
        timeout: float | None,
    ) -> tuple[Answer, http.client.HTTPResponse]:
        """Send a request over the open connection and read the whole answer.

        urllib3's own `request` and `getresponse` would escape the target once more and wrap the
        answer; those of the standard library below them do neither.

        Args:
            method: HTTP method.
            target: The request target as it shall be on the wire.
            headers: To send, besides Host and Content-Length.
            body: To send; a list in chunks.
            timeout: Seconds for each phase (write, read). None: no limit.

        Returns:
            The answer, and the closed response with its headers as they came.

        Raises:
            TransportError: The answer is damaged, or a header cannot be sent.
            OSError: The connection broke off or the time is over.
            http.client.HTTPException: The answer is not HTTP.
        """
        self.sock.settimeout(timeout)
        was_sent = self._send(method, target, headers, body)
        response = http.client.HTTPConnection.getresponse(self)
        try:
            answer = read_answer(response)
        finally:
            response.close()
        if not was_sent:
            self.close()
        return answer, response

    def _send(self, method: str, target: str, headers: dict[str, str], body: Body) -> bool:
        chunked = False
        if not _FRAMING.isdisjoint(map(str.lower, headers)):
            chunked = _is_chunked(headers, body)
            body = body or b""  # None would not even get the mark of its end
        try:
            http.client.HTTPConnection.request(
                self, method, target, body, headers, encode_chunked=chunked
            )
        except ConnectionError:
            # A server may answer early and close, without reading a body it does not want: the
            # answer can still be read.
            return False
        except ValueError:
            pass
        else:
            return True
        # Outside the handler, because the error there shows the value, which may be the token.
        raise TransportError("a header holds characters that HTTP does not allow in one")


class GreenTLSConnection(GreenConnection, HTTPSConnection):
    """The same over TLS."""


def _is_chunked(headers: dict[str, str], body: Body) -> bool:
    """Tell whether the caller wants chunks, and refuse a length that would mix up requests."""
    given = {name.lower(): value for name, value in headers.items()}
    if "transfer-encoding" in given:
        return True
    whole = b"".join(body) if isinstance(body, list) else body or b""
    if given["content-length"] != str(len(whole)):
        raise TransportError("the Content-Length header does not fit the body: leave it out")
    return False


def _share(deadline: float | None, left: int) -> float | None:
    """Divide what is left of the time among the addresses that are left, in seconds."""
    return None if deadline is None else max((deadline - time.monotonic()) / left, 0.001)
