"""Serves the status page, on a greenlet of its own for each reader.

A reader that hangs costs a greenlet and times out; one too many waits. Neither touches the calls
of the program.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from gevent import socket as green
from gevent.pool import Pool
from gevent.pywsgi import LoggingLogAdapter, WSGIServer

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.observe.page import CONTENT_POLICY, PAGE

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

logger = logging.getLogger("pywats_green.observe")

_READERS = 20  # at once
_PATIENCE = 30.0  # seconds that a reader may take to send or to receive
_FRESH = 1.0  # seconds for which all readers get the same document

_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", CONTENT_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]


class Reply(NamedTuple):
    """An answer to a reader."""

    status: str
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Sources(NamedTuple):
    """What there is to serve.

    Attributes:
        document: Returns what the page shows.
        complaints: Returns what is wrong; nothing: all is well.
        metrics: Returns the metrics in Prometheus' text format. None: that is not installed.
    """

    document: Callable[[], Any]
    complaints: Callable[[], list[str]]
    metrics: Callable[[], bytes] | None


class Site:
    """The WSGI application.

    Args:
        sources: What there is to serve.
        password: What a reader must know, under any user name. None: nothing.
        hosts: Names by which this machine may be called, besides its own and its addresses. A page
            of another site that has its own name resolve to this machine learns nothing.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        sources: Sources,
        password: str | None,
        hosts: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._password = None if password is None else password.encode()
        self._hosts = {name.lower() for name in (*hosts, "localhost", socket.gethostname())}
        self._clock = clock
        self._made_at = float("-inf")
        self._document = b""
        self._pages = {
            "/": self._page,
            "/status.json": self._status,
            "/metrics": self._metrics,
            "/healthz": self._health,
        }
        self._listed = f"there are {', '.join(self._pages)}\n".encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request."""
        try:
            reply = self._reply(environ)
        except Exception:
            logger.exception("the status page could not be made")
            reply = Reply(
                "500 Internal Server Error", _TEXT, b"it could not be made; see the log\n"
            )
        length = ("Content-Length", str(len(reply.body)))
        start_response(
            reply.status, [("Content-Type", reply.kind), length, *_HEADERS, *reply.headers]
        )
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body]

    def _reply(self, environ: dict[str, Any]) -> Reply:
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return Reply("405 Method Not Allowed", _TEXT, b"read only\n", (("Allow", "GET, HEAD"),))
        if not self._is_called_by_name(environ.get("HTTP_HOST", "")):
            return Reply("421 Misdirected Request", _TEXT, b"not a name of this machine\n")
        is_open = self._password is None or path == "/healthz"  # which has no secrets
        if not (is_open or self._is_known(environ)):
            asks = (("WWW-Authenticate", 'Basic realm="pywats_green", charset="UTF-8"'),)
            return Reply("401 Unauthorized", _TEXT, b"a password is needed\n", asks)
        page = self._pages.get(path)
        return Reply("404 Not Found", _TEXT, self._listed) if page is None else page()

    def _page(self) -> Reply:
        return Reply("200 OK", _HTML, PAGE)

    def _metrics(self) -> Reply:
        if self._sources.metrics is None:
            advice = b"not installed: pip install 'pywats-green[metrics]'\n"
            return Reply("501 Not Implemented", _TEXT, advice)
        return Reply("200 OK", _PROMETHEUS, self._sources.metrics())

    def _health(self) -> Reply:
        complaints = self._sources.complaints()
        if complaints:
            body = "".join(f"{text}\n" for text in complaints).encode()
            return Reply("503 Service Unavailable", _TEXT, body)
        return Reply("200 OK", _TEXT, b"ok\n")

    def _status(self) -> Reply:
        now = self._clock()
        if now - self._made_at >= _FRESH:
            self._document = json.dumps(self._sources.document(), allow_nan=False).encode()
            self._made_at = now
        return Reply("200 OK", _JSON, self._document)

    def _is_called_by_name(self, host: str) -> bool:
        name = host.lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] if ":" in name else name
        name = name.strip("[]").rstrip(".")
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_known(self, environ: dict[str, Any]) -> bool:
        scheme, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(coded, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(given.partition(b":")[2], self._password or b"")


class _Server(WSGIServer):
    def handle(self, sock: Any, address: Any) -> None:
        sock.settimeout(_PATIENCE)
        try:
            super().handle(sock, address)
        except (OSError, ValueError) as exc:  # it hung, or has gone
            logger.debug("a reader has gone: %s", type(exc).__name__)


class StatusServer:
    """A running status page; a context manager that closes it.

    Args:
        host: Address to listen on.
        port: Port. 0: a free one.
        site: What it serves.
        on_close: Called when it is closed.

    Raises:
        OSError: It cannot listen there.
    """

    def __init__(
        self, host: str, port: int, site: Site, on_close: Callable[[], object] = lambda: None
    ) -> None:
        self._server = _Server(
            _listen(host, port),
            site,
            spawn=Pool(_READERS),
            log=None,
            error_log=LoggingLogAdapter(logger, logging.DEBUG),  # what readers do wrong
        )
        self._server.start()
        self._on_close = on_close
        self._is_closed = False

    @property
    def url(self) -> str:
        """The address of the page."""
        address: Any = self._server.address
        host, port = address[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

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
        return f"StatusServer({self.url!r})"


def _listen(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener: Any = green.socket(family=family)
    try:  # gevent's own function does not close it on an error
        if os.name == "posix":  # elsewhere, it lets others take an address that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
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
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 65_536):  # noqa: PLR2004
        raise InvalidArgumentError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
