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
from pywats_green.transport.answers import Answer, Response, receive
from pywats_green.transport.messages import Message
from pywats_green.transport.resolver import Address, Resolver
from pywats_green.transport.streams import Lasting

resolver = Resolver()

_TOGETHER = 16_384  # bytes; a body up to here is copied behind its head and sent with it

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
        self, message: Message, timeout: float | None, deadline: float | None
    ) -> tuple[Answer, http.client.HTTPResponse]:
        """Send a request over the open connection and read the whole answer.

        urllib3's own `request` and `getresponse` would escape the target once more, write each
        header by itself and wrap the answer; only the parser of the standard library below them
        is needed.

        Args:
            message: The request.
            timeout: Seconds for each phase (write, read). None: no limit.
            deadline: When a timer will kill this greenlet, by `time.monotonic()`. None: there is
                none. A phase that would end later needs no timer of its own.

        Returns:
            The answer, and the closed response with its headers as they came.

        Raises:
            TransportError: The answer is damaged.
            OSError: The connection broke off or the time is over.
            http.client.HTTPException: The answer is not HTTP.
        """
        sock = self.sock
        if timeout is not None and deadline is not None:
            now = time.monotonic()
            if now < deadline <= now + timeout:  # one that is over has no timer any more
                timeout = None
        sock.settimeout(timeout)
        was_sent = _send(sock, message)
        answer, response, can_go_on = self._receive(sock, message.method)
        if not (was_sent and can_go_on):
            self.close()
        return answer, response

    # Where another way to receive takes its place.
    _receive = staticmethod(receive)

    def response_class(self, sock: Any, method: str | None = None) -> Response:  # type: ignore[override]
        """Make what reads a proxy's answer to CONNECT, and any where requests itself sends."""
        return Response(Lasting(sock), method)


def _send(sock: Any, message: Message) -> bool:
    """Send a request; return False if the server did not want to read it to its end."""
    head, body = message.head, message.body
    try:
        if len(body) < _TOGETHER:
            data = head + body
            sent = sock.send(data)  # all of it, as a rule, with fewer calls than `sendall`
            if sent < len(data):
                sock.sendall(data[sent:])
        else:
            sock.sendall(head)
            sock.sendall(body)
    except ConnectionError:
        # A server may answer early and close, without reading a body it does not want: the
        # answer can still be read.
        return False
    return True


class GreenTLSConnection(GreenConnection, HTTPSConnection):
    """The same over TLS."""


def _share(deadline: float | None, left: int) -> float | None:
    """Divide what is left of the time among the addresses that are left, in seconds."""
    return None if deadline is None else max((deadline - time.monotonic()) / left, 0.001)
