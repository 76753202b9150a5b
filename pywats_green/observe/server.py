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
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pywats_green.observe.page import CONTENT_POLICY, PAGE
from pywats_green.wsgi import JSON, TEXT, Reply, Server

logger = logging.getLogger("pywats_green.observe")

_READERS = 20  # at once
_FRESH = 1.0  # seconds for which all readers get the same answer

_HTML = "text/html; charset=utf-8"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", CONTENT_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


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


class _Kept:
    """Makes an answer once for all readers of a second, however many ask.

    Args:
        make: Makes it.
        clock: Seconds, monotonic.
    """

    def __init__(self, make: Callable[[], Reply], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._made_at = float("-inf")
        self._reply: Reply

    def __call__(self) -> Reply:
        now = self._clock()
        if now - self._made_at >= _FRESH:
            self._reply = self._make()
            self._made_at = now
        return self._reply


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
        # Bytes that are no text are compared as the environment has them.
        coded = None if password is None else password.encode(errors="surrogateescape")
        self._password = coded
        self._hosts = {name.lower() for name in (*hosts, "localhost", socket.gethostname())}
        self._pages: dict[str, Callable[[], Reply]] = {
            "/": self._page,
            "/status.json": _Kept(self._status, clock),
            "/metrics": _Kept(self._metrics, clock),
            "/healthz": _Kept(self._health, clock),
        }
        self._listed = f"there are {', '.join(self._pages)}\n".encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request."""
        try:
            reply = self._reply(environ)
        except Exception:
            logger.exception("the status page could not be made")
            reply = Reply("500 Internal Server Error", TEXT, b"it could not be made; see the log\n")
        return reply._replace(headers=(*_HEADERS, *reply.headers)).send(environ, start_response)

    def _reply(self, environ: dict[str, Any]) -> Reply:
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return Reply("405 Method Not Allowed", TEXT, b"read only\n", (("Allow", "GET, HEAD"),))
        host = environ.get("HTTP_HOST")
        # Every browser says whom it calls; a load balancer's check over HTTP/1.0 does not.
        if host is not None and not self._is_called_by_name(host):
            advice = b"not a name of this machine: use its address, or serve_status(hosts=...)\n"
            return Reply("421 Misdirected Request", TEXT, advice)
        is_open = self._password is None or path == "/healthz"  # which has no secrets
        if not (is_open or self._is_known(environ)):
            asks = (("WWW-Authenticate", 'Basic realm="pywats_green", charset="UTF-8"'),)
            return Reply("401 Unauthorized", TEXT, b"a password is needed\n", asks)
        page = self._pages.get(path)
        return Reply("404 Not Found", TEXT, self._listed) if page is None else page()

    def _page(self) -> Reply:
        return Reply("200 OK", _HTML, PAGE)

    def _metrics(self) -> Reply:
        if self._sources.metrics is None:
            advice = b"not installed: pip install 'pywats-green[metrics]'\n"
            return Reply("501 Not Implemented", TEXT, advice)
        return Reply("200 OK", _PROMETHEUS, self._sources.metrics())

    def _health(self) -> Reply:
        complaints = self._sources.complaints()
        if complaints:
            body = "".join(f"{text}\n" for text in complaints).encode()
            return Reply("503 Service Unavailable", TEXT, body)
        return Reply("200 OK", TEXT, b"ok\n")

    def _status(self) -> Reply:
        document = json.dumps(self._sources.document(), allow_nan=False)
        return Reply("200 OK", JSON, document.encode())

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


class StatusServer(Server):
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
        super().__init__(host, port, site, logger=logger, clients=_READERS, on_close=on_close)
