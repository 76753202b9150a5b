"""The wire of an open connection: sends a request, waits, hands what comes to the reader."""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.socket import wait

from pywats_green.transport.answers import Answer, decoded
from pywats_green.transport.reader import Reader
from pywats_green.transport.responses import RECEIVED
from pywats_green.transport.writing import Message

_TOGETHER = 16_384  # bytes; a body up to here is copied behind its head and sent with it

# gevent's poll switches to the hub even for a timeout of 0; the native one is a system call.
# Windows has no poll; its select has no limit on the number of the descriptor.
_has_poll = hasattr(select, "poll")
_native_poll = monkey.get_original("select", "poll" if _has_poll else "select")


def look_at(sock: Any) -> Callable[[], Any]:
    """Return what tells, without waiting, whether there is something to read, be it the end."""
    if not _has_poll:
        return lambda: _native_poll([sock.fileno()], [], [], 0)[0]
    poll = _native_poll()
    poll.register(sock.fileno(), select.POLLIN)
    return partial(poll.poll, 0)


class Wire:
    """A connected socket, with what is kept for its exchanges.

    A plain socket is waited for by its own watcher and then used below gevent's methods, which
    would try first, fail, and look up watcher and hub in each call. TLS goes through them.

    Args:
        sock: gevent's, its TLS socket, or urllib3's for TLS inside TLS.

    Attributes:
        has_come: Tells, without waiting, whether there is something to read, be it the end.
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

    def close(self) -> None:
        """Let go of what refers to the wire in turn; the socket is the connection's."""
        self._reader.close()
        del self._receive

    def exchange(self, message: Message, timeout: float | None) -> tuple[Answer, bool]:
        """Send a request and read the whole answer.

        Args:
            message: The request.
            timeout: Seconds for each wait. None: no limit.

        Returns:
            The answer; whether the connection can be used again.

        Raises:
            TransportError: The answer is damaged.
            OSError: The connection broke off or the time is over.
            http.client.HTTPException: The answer was cut.
        """
        self._timeout = timeout
        was_sent = self._send(message)
        answer, can_go_on = self._reader.read(self._receive, message.method)
        if answer.content and "content-encoding" in answer.headers:
            content = decoded(answer.content, answer.headers["content-encoding"])
            answer = answer._replace(content=content)
        return answer, was_sent and can_go_on

    def _send(self, message: Message) -> bool:
        """Send a request; return False if the server did not want to read it to its end."""
        data, body = message.head, message.body
        if len(body) < _TOGETHER:
            data, body = data + body, b""
        try:
            if self._plain is not None and not body:
                try:
                    sent = self._plain.send(data)
                except BlockingIOError:
                    sent = 0
                if sent == len(data):  # as a rule
                    return True
                data = data[sent:]
            self._sock.settimeout(self._timeout)
            self._sock.sendall(data)
            if body:
                self._sock.sendall(body)
        except ConnectionError:
            # A server may answer early and close, without reading a body it does not want: the
            # answer can still be read.
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
            except BlockingIOError:  # woken for nothing
                continue
