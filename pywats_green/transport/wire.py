"""Sends requests over an open connection, and feeds what is received to the reader."""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.socket import wait
from urllib3.util.ssltransport import SSLTransport

from pywats_green.transport.answers import Answer
from pywats_green.transport.decoding import decoded
from pywats_green.transport.reader import Reader
from pywats_green.transport.responses import RECEIVED
from pywats_green.transport.writing import Message

# A write to a connection that the server has closed fails with one of these.
_BROKEN = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

_TOGETHER = 16_384  # bytes; a smaller body is copied and sent together with its head

# gevent's poll switches to the hub even with a timeout of 0; the native one is just a system call.
# Windows has no poll, but its select has no limit on descriptor numbers.
_has_poll = hasattr(select, "poll")
_native_poll = monkey.get_original("select", "poll" if _has_poll else "select")


def look_at(sock: Any) -> Callable[[], Any]:
    """Return a non-blocking function that returns whether a socket is readable or at its end."""
    if isinstance(sock, SSLTransport):  # receives more than it decodes, and decodes more than asked
        transport: Any = sock
        outer, has_come = transport.socket, look_at(transport.socket)
        return lambda: (
            transport.sslobj.pending()
            or transport.incoming.pending
            or outer.pending()
            or has_come()
        )
    if not _has_poll:
        return lambda: _native_poll([sock.fileno()], [], [], 0)[0]
    poll = _native_poll()
    poll.register(sock.fileno(), select.POLLIN)
    return partial(poll.poll, 0)


class Wire:
    """A connected socket, with the state that its exchanges share.

    For a plain socket, this waits on the socket's watcher and then bypasses gevent's methods, which
    would first try, fail, and look up watcher and hub on every call. TLS sockets use them.

    Args:
        sock: A socket or TLS socket of gevent's, or urllib3's for TLS in TLS.

    Attributes:
        has_come: Returns, without blocking, whether the socket is readable or at its end.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.has_come = look_at(sock)
        self._reader = Reader()
        is_plain = type(sock) is gevent.socket.socket
        self._plain: Any = sock._sock if is_plain else None  # noqa: SLF001  # non-blocking
        self._watcher: Any = sock._read_event if is_plain else None  # noqa: SLF001
        self._wait = gevent.get_hub().wait
        self._receive: Callable[[], bytes]
        self._receive = self._receive_plainly if is_plain else partial(sock.recv, RECEIVED)
        self._timeout: float | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the connection ended before a byte of the last response came."""
        return self._reader.is_silent

    def close(self) -> None:
        """Break reference cycles. The socket is closed by the connection."""
        self._reader.close()
        del self._receive

    def exchange(self, message: Message, timeout: float | None) -> tuple[Answer, bool]:
        """Send a request and read the whole response.

        Args:
            message: The request.
            timeout: Seconds for each wait. None: no limit.

        Returns:
            The response, and whether the connection can be reused.

        Raises:
            TransportError: The response is malformed.
            OSError: The connection failed or timed out.
            http.client.HTTPException: The response was truncated.
        """
        self._timeout = timeout
        was_sent = self._send(message)
        answer, can_go_on = self._reader.read(self._receive, message.method)
        if answer.content and "content-encoding" in answer.headers:
            content = decoded(answer.content, answer.headers["content-encoding"])
            answer = answer._replace(content=content)
        return answer, was_sent and can_go_on

    def _send(self, message: Message) -> bool:
        """Send a request. Returns False if the server closed before reading all of it."""
        body = message.body
        # Views, because tracebacks with locals would show the token in bytes.
        if len(body) < _TOGETHER:
            data, body = memoryview(message.head + body), b""
        else:
            data = memoryview(message.head)
        try:
            if self._plain is not None and not body:
                try:
                    sent = self._plain.send(data)
                except BlockingIOError:
                    sent = 0
                if sent == len(data):  # the usual case
                    return True
                data = data[sent:]
            self._sock.settimeout(self._timeout)
            self._sock.sendall(data)
            if body:
                self._sock.sendall(body)
        except _BROKEN:
            # A server may reject a body by answering early and closing; the response can still be
            # read.
            return False
        return True

    def _receive_plainly(self) -> bytes:
        while True:
            if self._timeout is None:
                self._wait(self._watcher)
            else:
                wait(self._watcher, self._timeout, TimeoutError("timed out"))
            try:
                return self._plain.recv(RECEIVED)  # type: ignore[no-any-return]
            except BlockingIOError:  # spurious wake-up
                continue
