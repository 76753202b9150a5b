"""Connections, hung into urllib3: cooperative, resolved once per origin, closed by every error."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.socket import wait as wait_for
from urllib3.connection import HTTPConnection, HTTPSConnection

from pywats_green.config import settings
from pywats_green.transport.answers import Answer, decoded
from pywats_green.transport.messages import Message
from pywats_green.transport.reader import Reader
from pywats_green.transport.resolver import Address, Resolver
from pywats_green.transport.responses import RECEIVED, Response

resolver = Resolver()

_TOGETHER = 16_384  # bytes; a body up to here is copied behind its head and sent with it

# gevent's poll switches to the hub even for a timeout of 0; the native one is a system call.
# Windows has no poll; its select has no limit on the number of the descriptor.
_has_poll = hasattr(select, "poll")
_native_poll = monkey.get_original("select", "poll" if _has_poll else "select")


def _look_at(sock: Any) -> Callable[[], Any]:
    """Return what tells, without waiting, whether there is something to read, be it the end."""
    if not _has_poll:
        return lambda: _native_poll([sock.fileno()], [], [], 0)[0]
    poll = _native_poll()
    poll.register(sock.fileno(), select.POLLIN)
    return partial(poll.poll, 0)


class _Wire:
    """A socket with an open connection, and what is kept for its exchanges.

    Args:
        sock: Connected: gevent's, its TLS socket, or urllib3's for TLS inside TLS.
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.has_come = _look_at(sock)
        self.reader = Reader()
        # A plain socket is waited for by its own watcher and then asked below gevent's methods,
        # which would try first, fail, and look up watcher and hub in each call.
        is_plain = type(sock) is gevent.socket.socket
        self._plain: Any = sock._sock if is_plain else None  # noqa: SLF001
        self._watcher: Any = sock._read_event if is_plain else None  # noqa: SLF001
        self._wait = gevent.get_hub().wait
        self._timeout: float | None = None

    def exchange(self, message: Message, timeout: float | None) -> tuple[Answer, bool]:
        """Send a request, read the answer; see `GreenConnection.exchange`.

        Returns:
            The answer, content encodings not undone; whether the connection can be used again.
        """
        was_sent = self._send(message, timeout)
        if self._plain is None:
            answer, can_go_on = self.reader.read(partial(self.sock.recv, RECEIVED), message.method)
        else:
            self._timeout = timeout
            answer, can_go_on = self.reader.read(self._receive, message.method)
        return answer, was_sent and can_go_on

    def _send(self, message: Message, timeout: float | None) -> bool:
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
            self.sock.settimeout(timeout)
            self.sock.sendall(data)
            if body:
                self.sock.sendall(body)
        except ConnectionError:
            # A server may answer early and close, without reading a body it does not want: the
            # answer can still be read.
            return False
        return True

    def _receive(self) -> bytes:
        while True:
            if self._timeout is None:
                self._wait(self._watcher)
            else:
                wait_for(self._watcher, self._timeout, TimeoutError("timed out"))
            try:
                return self._plain.recv(RECEIVED)  # type: ignore[no-any-return]
            except BlockingIOError:  # woken for nothing
                continue


class GreenConnection(HTTPConnection):
    """Knows a dead connection without a switch to the hub, and makes one exchange at a time."""

    idle_since = 0.0
    _wire: _Wire | None = None

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
        return self.sock is not None and not self._wired().has_come()

    def _wired(self) -> _Wire:
        """Return what is kept for the socket that is connected now."""
        wire = self._wire
        if wire is None or wire.sock is not self.sock:
            wire = self._wire = _Wire(self.sock)
        return wire

    def exchange(self, message: Message, timeout: float | None) -> Answer:
        """Send a request over the open connection and read the whole answer.

        urllib3's own `request` and `getresponse` would escape the target once more, write each
        header by itself and wrap the answer.

        Args:
            message: The request.
            timeout: Seconds for each wait. None: no limit.

        Raises:
            TransportError: The answer is damaged.
            OSError: The connection broke off or the time is over.
            http.client.HTTPException: The answer was cut.
        """
        answer, can_go_on = self._wired().exchange(message, timeout)
        if not can_go_on:
            self.close()
        if answer.content and "content-encoding" in answer.headers:
            content = decoded(answer.content, answer.headers["content-encoding"])
            return answer._replace(content=content)
        return answer

    def close(self) -> None:
        """Close it; it can be connected again."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.reader.close()
        super().close()

    # What reads any answer where requests itself sends.
    response_class = Response


class GreenTLSConnection(GreenConnection, HTTPSConnection):
    """The same over TLS."""


def _share(deadline: float | None, left: int) -> float | None:
    """Divide what is left of the time among the addresses that are left, in seconds."""
    return None if deadline is None else max((deadline - time.monotonic()) / left, 0.001)
