"""Small servers with unusual behaviour, on a free loopback port, in greenlets of the test."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
import pytest
from gevent.pool import Pool

if TYPE_CHECKING:
    from typing_extensions import Self

_LINGER = "hh" if sys.platform == "win32" else "ii"

BOUND = 10.0  # seconds after which a wait of a test has failed


class Seen(NamedTuple):
    """A request as received, with lower-case header names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(
    status: int = 200,
    body: bytes = b"{}",
    headers: Iterable[tuple[str, str]] = (),
    *,
    version: str = "1.1",
) -> bytes:
    lines = [f"HTTP/{version} {status} Said"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_request(stream: Any) -> Seen | None:
    """Read a request. None: the stream has ended."""
    line = stream.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    for raw in iter(stream.readline, b"\r\n"):
        if not raw:
            return None
        name, _, value = raw.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Seen(method, target, headers, body)


def reset(sock: socket.socket) -> None:
    """Close a socket with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))


class Server:
    """Answers each request with the bytes of `answer`, or hands each socket to `handle`.

    An answer of None closes the connection; one that says so does it too.
    """

    def __init__(
        self,
        answer: Callable[[Seen], bytes | None] = lambda seen: reply(),
        *,
        handle: Callable[[socket.socket], object] | None = None,
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.seen: list[Seen] = []
        self.opened = 0
        self.closed = 0
        self.answer = answer
        self._handle = handle
        self._context = context
        self._pool = Pool()
        # Not gevent's StreamServer: under WINE, every second one of a process takes nobody.
        self._listener = socket.create_server((host, port), backlog=256)
        self._acceptor: gevent.Greenlet[..., None] | None = None
        self._scheme = "http" if context is None else "https"
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except ConnectionError:  # the client went away meanwhile
                continue
            except OSError:  # closed
                return
            self._pool.spawn(self._serve, sock, address)

    def _serve(self, sock: socket.socket, address: object) -> None:
        del address
        self.opened += 1
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
                sock.do_handshake()
            if self._handle is not None:
                self._handle(sock)
            else:
                self._converse(sock)
        except OSError:
            pass  # the client went away, as many tests make it
        finally:
            sock.close()
            self.closed += 1

    def _converse(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (seen := read_request(stream)) is not None:
                self.seen.append(seen)
                answer = self.answer(seen)
                if answer is None:
                    return
                sock.sendall(answer)
                if b"\r\nConnection: close\r\n" in answer:
                    return

    def __enter__(self) -> Self:
        self._acceptor = gevent.spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._acceptor is not None
        self._acceptor.kill()
        self._listener.close()
        gevent.sleep(0)  # whoever was accepted gets to own its socket
        self._pool.kill()


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails; skips the test if that is impossible."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(50):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                yield listener.getsockname()[1]
                return
            except OSError:
                break
        pytest.skip("a full listener does not make its clients wait here")
