"""The hub's door for stations that must not hold a token of WATS: a WSGI application."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import gevent
from gevent.lock import Semaphore

from pywats_green.arguments import require_count, require_seconds
from pywats_green.exceptions import (
    InvalidArgumentError,
    QueueFolderError,
    QueueItemBusyError,
    QueueItemError,
    QueueOrderError,
    ReportTooLargeError,
    UnreadableReportError,
)
from pywats_green.fleet.intake.receipts import Receipts
from pywats_green.fleet.intake.stations import Stations
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import SMALL, Document, lasting_id, parse
from pywats_green.queue.folder.files import off_hub
from pywats_green.wsgi import JSON, TEXT, Reply

logger = logging.getLogger("pywats_green.fleet.intake")

REPORTS = "/reports"

_PATIENCE = 60.0  # seconds in which a report has to arrive
_MOST_IN_HAND = 268_435_456  # bytes of the bodies that are being read and stored
_AT_ONCE = 20  # reports that are being stored; more contend for the disk and get slower
_WEEK = 604_800.0

_TYPES = ("T", "R")  # a UUT report, a UUR report


class Queue(Protocol):
    """What takes the reports: a `FolderQueue`."""

    path: Any

    def put(self, report: object, *, item_id: str | None = None) -> str:
        """Store a report; when this returns, it is on disk."""


class RefusedError(Exception):
    """A request that is not granted."""

    def __init__(self, status: HTTPStatus, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Intake:
    """Takes reports from stations and puts them into a queue's folder: a WSGI application.

    `POST /reports` takes a report as WSJF, with the station's name and secret as Basic
    authorization, and answers 202 with `{"id": ...}` once it is on disk. Ids are each station's
    own. The same id and body again is the same report, and gets the same answer, even if the report
    has been sent to WATS meanwhile; the same id with another body is refused with 409. A report
    without an id gets one made of its content.

    | status | meaning |
    |---|---|
    | 202 | it is on disk |
    | 400 | no WSJF: not a JSON object, no `pn`, `sn` or `type`, an `id` that cannot name a file |
    | 401 | unknown station, or wrong secret |
    | 408 | the body did not arrive within 60 seconds |
    | 409 | another report of this station has this id |
    | 411, 415 | no Content-Length; compressed |
    | 413 | longer than `max_body`, or than the queue's `max_bytes` |
    | 503 | the queue or the disk is full, or too much arrives at once; see Retry-After |

    `GET /healthz` is 503 from a report that did not fit until one fits, or until `retry_after` is
    over. `GET /metrics` is Prometheus' text about this process. Neither needs a secret.

    Args:
        queue: Where the reports go: a `FolderQueue`, with `max_reports` or `max_bytes` as its
            backpressure.
        stations: Secrets by station, or the path of a JSON file with them; see `Stations`.
        max_body: Bytes that a report may have.
        keep_ids: Seconds for which the id of a report is remembered. As long as it is in the queue
            it is known in any case.
        retry_after: Seconds after which a station is to try again when the queue is full.
        clock: Seconds since the epoch.

    Raises:
        QueueFolderError: The queue's folder cannot be used.
        InvalidArgumentError: The stations cannot be read, or a limit is out of range.
    """

    def __init__(
        self,
        queue: Queue,
        stations: Mapping[str, str] | str | os.PathLike[str],
        *,
        max_body: int = 64_000_000,
        keep_ids: float = _WEEK,
        retry_after: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._stations = Stations(stations)
        self._max_body = require_count("max_body", max_body)
        self._retry_after = max(1, round(require_seconds("retry_after", retry_after)))
        self._clock = clock
        self._receipts = Receipts(
            queue.path / ".intake.sqlite3", require_seconds("keep_ids", keep_ids), clock
        )
        self._in_hand = 0
        self._storing = Semaphore(_AT_ONCE)
        self._full: tuple[str, float] | None = None  # why, and until when
        self.counts = Counter[str]()
        self.bytes = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request."""
        try:
            reply = self._reply(environ)
        except RefusedError as error:
            reply = _refusal(error)
        except Exception:
            logger.exception("a report could not be taken")
            self.counts["failed"] += 1
            reply = _refusal(
                RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "see the log of the hub")
            )
        return reply.send(environ, start_response)

    def close(self) -> None:
        """Close what it has open. The queue is the caller's."""
        self._receipts.close()

    def __repr__(self) -> str:
        return f"<Intake: {self._queue!r}, {self._stations!r}>"

    def _reply(self, environ: dict[str, Any]) -> Reply:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == REPORTS:
            if method != "POST":
                raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "POST it", ("Allow", "POST"))
            return self._take(environ)
        page = {"/healthz": self._health, "/metrics": self._metrics}.get(path)
        if page is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"reports go to {REPORTS}")
        if method not in ("GET", "HEAD"):
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "read only", ("Allow", "GET, HEAD"))
        return page()

    def _take(self, environ: dict[str, Any]) -> Reply:
        try:
            station = self._station(environ)
            size = self._size(environ)
            self._in_hand += size
            try:
                body = _body(environ, size)
                with self._storing:
                    report_id, outcome = self._store(station, body)
            finally:
                self._in_hand -= size
        except RefusedError as error:
            self.counts[_OUTCOMES.get(error.status, "refused")] += 1
            raise
        self.counts[outcome] += 1
        self.bytes += size
        return Reply("202 Accepted", JSON, json.dumps({"id": report_id}).encode())

    def _station(self, environ: dict[str, Any]) -> str:
        scheme, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        name = secret = ""
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
            except ValueError:
                name = ""
        if not self._stations.knows(name, secret):
            asks = ("WWW-Authenticate", 'Basic realm="pywats_green intake", charset="UTF-8"')
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "unknown station or wrong secret", asks)
        return name

    def _size(self, environ: dict[str, Any]) -> int:
        if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send it uncompressed")
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "send it with a Content-Length")
        size = int(length)
        if size > self._max_body:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the report has {size} bytes, and {self._max_body} are allowed",
            )
        if self._in_hand and self._in_hand + size > _MOST_IN_HAND:
            raise self._busy("too much arrives at once")
        return size

    def _store(self, station: str, body: bytes) -> tuple[str, str]:
        """Put a report into the queue; return its id, and whether it was there."""
        try:
            report = _parsed(body)
            report_id, stored = _identified(report, body, station)
        except (UnreadableReportError, InvalidArgumentError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from error
        digest = _digest(body)
        try:
            known = self._receipts.find(station, report_id)
            if known is None:
                self._queue.put(stored, item_id=f"{station}.{report_id}")
                self._receipts.note(station, report_id, digest)
                self._full = None
        except (QueueFolderError, QueueOrderError) as error:  # the hub's fault, not the report's
            if isinstance(error, ReportTooLargeError):
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
            if self._full is None:
                logger.warning("No report is taken: %s", error)
            self._full = str(error), self._clock() + self._retry_after
            raise self._busy("the hub cannot store it") from error
        except InvalidArgumentError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from error
        except QueueItemBusyError as error:
            raise self._busy(str(error)) from error
        except QueueItemError as error:
            raise _conflict() from error
        if known is None:
            return report_id, "accepted"
        if known != digest:
            raise _conflict()
        return report_id, "repeated"

    def _busy(self, reason: str) -> RefusedError:
        return RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE, reason, ("Retry-After", str(self._retry_after))
        )

    def _lack(self) -> str | None:
        """Return why no report fits; None: one may, as far as it is known."""
        # Whoever sends no more reports to a hub that is not healthy would never see it healthy.
        if self._full is None or self._clock() >= self._full[1]:
            return None
        return self._full[0]

    def _health(self) -> Reply:
        if (lack := self._lack()) is not None:
            return Reply("503 Service Unavailable", TEXT, f"{lack}\n".encode())
        return Reply("200 OK", TEXT, b"ok\n")

    def _metrics(self) -> Reply:
        try:
            from pywats_green.fleet.intake.metrics import exposition  # noqa: PLC0415
        except ImportError:
            advice = b"not installed: pip install 'pywats-green[metrics]'\n"
            return Reply("501 Not Implemented", TEXT, advice)
        kind, body = exposition(self.counts, self.bytes, is_full=self._lack() is not None)
        return Reply("200 OK", kind, body)


_OUTCOMES = {
    HTTPStatus.CONFLICT: "conflicts",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.SERVICE_UNAVAILABLE: "no room",
}


def _refusal(error: RefusedError) -> Reply:
    status = f"{error.status.value} {error.status.phrase}"
    body = json.dumps({"error": str(error)}).encode()
    return Reply(status, JSON, body, (*error.headers, ("Connection", "close")))


def _conflict() -> RefusedError:
    # Without the id: a station that reads "already exists" takes its report for delivered.
    return RefusedError(
        HTTPStatus.CONFLICT, "this station has handed in a different report under this id"
    )


def _digest(body: bytes) -> bytes:
    if len(body) <= SMALL:
        return hashlib.sha256(body).digest()
    return off_hub(lambda: hashlib.sha256(body).digest())


def _body(environ: dict[str, Any], size: int) -> bytes:
    limit = gevent.Timeout(_PATIENCE)
    try:
        with limit:
            body: bytes = environ["wsgi.input"].read(size)
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT, f"it took more than {_PATIENCE:g} s"
        ) from None
    except TimeoutError:  # the server's own
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "nothing came for too long") from None
    except OSError:
        body = b""
    if len(body) < size:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "it ends too early")
    return body


def _parsed(body: bytes) -> Document:
    if len(body) <= SMALL:
        return parse(body, strict=True)
    return off_hub(lambda: parse(body, large=True, strict=True))


def _identified(report: Document, body: bytes, station: str) -> tuple[str, bytes | Document]:
    """Check a report as far as every server would; return its id, and what to store.

    Raises:
        InvalidArgumentError: It is not WSJF.
    """
    for name in ("pn", "sn"):
        if not (isinstance(report.get(name), str) and report[name]):
            raise InvalidArgumentError(f"the report has no {name}")
    if report.get("type") not in _TYPES:
        raise InvalidArgumentError('the type of a report is "T" or "R"')
    report_id = report.get("id")
    if report_id in (None, ""):
        report["id"] = lasting_id(station, 0, report)
        return report["id"], report
    if not isinstance(report_id, str):
        raise InvalidArgumentError("the id of a report is a string")
    names.check_id(f"{station}.{report_id}")
    return report_id, body
