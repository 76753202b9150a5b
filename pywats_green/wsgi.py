"""What the HTTP services here stand on: an answer, and gevent's WSGI server with its limits."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent import socket as green
from gevent.pool import Pool
from gevent.pywsgi import Input, LoggingLogAdapter, WSGIHandler, WSGIServer

from pywats_green.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

_PATIENCE = 30.0  # seconds for the TLS handshake, for a head, and for each read and write
_BACKLOG = 1024  # clients that wait to be accepted
_PIECE = 16_384  # bytes


class Reply(NamedTuple):
    """An answer.

    Attributes:
        status: Code and phrase.
        kind: Content-Type.
        body: The body.
        headers: Further headers.
    """

    status: str
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Start the response, and return its body as WSGI wants it."""
        length = ("Content-Length", str(len(self.body)))
        start_response(self.status, [("Content-Type", self.kind), length, *self.headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else self.body]


class _Body(Input):
    """The body of a request; what is left of it is not read at any price.

    Attributes:
        is_left: Whether some of it may be left, so that no other request can follow.
    """

    __slots__ = ("is_left",)
    _chunked_input_error: bool

    def _discard(self) -> None:
        self.is_left = True
        if self._chunked_input_error:
            return
        self.send_100_continue_enabled = False
        with gevent.Timeout(_PATIENCE, TimeoutError):
            while self.read(_PIECE):
                gevent.sleep(0)
        self.is_left = False


class _Handler(WSGIHandler):
    """Ends what drips: the time-out of a socket is one of each byte.

    And gives way: while a client sends faster than it is answered, nothing else would.
    """

    server: Any
    response_headers: Any
    wsgi_input: Any

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        body: Any = environ["wsgi.input"]
        body = _Body(body.rfile, body.content_length, body.socket, body.chunked_input)
        self.wsgi_input = environ["wsgi.input"] = body
        return environ

    def handle_one_response(self) -> None:
        super().handle_one_response()
        if self.wsgi_input.is_left:
            self.close_connection = True

    def read_requestline(self) -> str:
        gevent.sleep(0)
        with gevent.Timeout(_PATIENCE, TimeoutError):
            return super().read_requestline()

    def read_request(self, raw_requestline: str) -> Any:
        with gevent.Timeout(_PATIENCE, TimeoutError):
            return super().read_request(raw_requestline)

    def finalize_headers(self) -> None:
        pool = self.server.pool
        if 2 * pool.free_count() < pool.size:  # an idle connection keeps others waiting
            self.response_headers.append((b"Connection", b"close"))
            self.close_connection = True
        super().finalize_headers()


class _Listener(WSGIServer):
    handler_class = _Handler
    pool: Any
    wrap_socket: Any
    ssl_args: Any

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        try:
            with gevent.Timeout(_PATIENCE, TimeoutError):
                tls = self.wrap_socket(client_socket, **self.ssl_args)
        except OSError as exc:
            self.error_log.write(f"no TLS with a client: {type(exc).__name__}")
            return
        with tls:
            self.handle(tls, address)

    def handle(self, sock: Any, address: Any) -> None:
        sock.settimeout(_PATIENCE)
        try:
            super().handle(sock, address)
        except (OSError, ValueError) as exc:  # it hung, or has gone
            self.error_log.write(f"a client has gone: {type(exc).__name__}")


class Server:
    """A running HTTP service; a context manager that closes it.

    A client that hangs costs a greenlet and times out; one too many waits to be accepted. From half
    of `clients` on, a connection ends with its answer, so that the others get their turn.

    Args:
        host: Address to listen on.
        port: Port. 0: a free one.
        application: The WSGI application.
        logger: Logs at DEBUG what clients do wrong.
        clients: How many at once.
        tls: For HTTPS. None: HTTP.
        on_close: Called when it is closed.

    Raises:
        OSError: It cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        application: Callable[[dict[str, Any], Any], Iterable[bytes]],
        *,
        logger: logging.Logger,
        clients: int,
        tls: ssl.SSLContext | None = None,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        options: dict[str, Any] = {} if tls is None else {"ssl_context": tls}
        self._server = _Listener(
            _listen(host, port),
            application,
            spawn=Pool(clients),
            log=None,
            error_log=LoggingLogAdapter(logger, logging.DEBUG),
            **options,
        )
        self._server.start()
        self._scheme = "http" if tls is None else "https"
        self._on_close = on_close
        self._is_closed = False

    @property
    def url(self) -> str:
        """Its address."""
        address: Any = self._server.address
        host, port = address[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    def close(self) -> None:
        """Stop serving."""
        if not self._is_closed:
            self._is_closed = True
            self._server.stop(timeout=0)
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


def _listen(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener: Any = green.socket(family=family)
    try:  # gevent's own function does not close it on an error
        if os.name == "posix":  # elsewhere, it lets others take an address that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "127.0.0.1:8080", "[::1]:8080" or ":8080", which is the loopback.

    Raises:
        InvalidArgumentError: It is not of that form.
    """
    host, colon, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    is_host = host.isprintable()  # lone surrogates are not
    if not (is_host and colon and port.isascii() and port.isdecimal() and int(port) < 65_536):  # noqa: PLR2004
        raise InvalidArgumentError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
