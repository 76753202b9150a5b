"""What each answer and each error means, and how answers are read."""

import errno
import http.client
import socket
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import requests
from drain_fakes import Refused
from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import Response
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import PyWATSError, ServerError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError

from pywats_green.exceptions import (
    TransportDecodeError,
    TransportError,
    TransportSetupError,
    UnreadableReportError,
)
from pywats_green.queue.drain.answers import is_already_there, retry_after
from pywats_green.queue.drain.classification import Classifier, Kind
from pywats_green.upstream.features.queues.classification import WatsClassifier

REPORT_ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize("classifier", [Classifier(), WatsClassifier()])
@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (Kind.FAILED, [408, 425, 500, 501, 502, 503, 504, 507, 599]),
        (Kind.HELD_OFF, [429]),
        (Kind.REFUSED, [401, 403]),
        (Kind.MISDIRECTED, [302, 304, 402, 404, 405, 406, 407, 410, 411, 414, 418, 421, 426, 451]),
        (Kind.PERMANENT, [200, 204, 400, 409, 413, 415, 422]),
    ],
)
def test_the_status_decides_whatever_the_error_says(
    classifier: Classifier, kind: Kind, statuses: list[int]
) -> None:
    for status in statuses:
        for error in (Refused(status), _with(ServerError("x"), status), _with(OSError(), status)):
            disposition = classifier.classify(error)
            assert (disposition.kind, disposition.answered) == (kind, True), status
            assert f"HTTP {status}" in disposition.reason


def _with(error: Exception, status: int) -> Exception:
    error.response = Refused(status).response  # type: ignore[attr-defined]
    return error


def test_the_answer_is_found_below_a_wrapper() -> None:
    error = RuntimeError("could not")
    error.__cause__ = Refused(503)
    assert Classifier().classify(error).kind is Kind.FAILED


def test_answers_of_requests_are_read() -> None:
    response = requests.Response()
    response.status_code = 429
    response.headers["Retry-After"] = "3"
    response._content = b'{"Message": "slowly"}'
    disposition = Classifier().classify(requests.HTTPError("x", response=response))
    assert disposition == (Kind.HELD_OFF, "HTTP 429: slowly", True, 3.0)


def test_an_empty_answer_of_upstream_shows_none_of_its_headers() -> None:
    response = Response(status_code=429, data=None, headers={"set-cookie": "secret"}, raw=b"")
    error = _with(PyWATSError("x"), 429)
    error.response = response  # type: ignore[attr-defined]
    assert Classifier().classify(error).reason == "HTTP 429"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.UNREACHABLE, ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
        (Kind.UNREACHABLE, socket.gaierror(-2, "not known")),
        (Kind.UNREACHABLE, OSError(errno.EHOSTUNREACH, "no route")),
        (Kind.UNREACHABLE, OSError(errno.ENETUNREACH, "no network")),
        (Kind.SILENT, ConnectionResetError(errno.ECONNRESET, "reset")),
        (Kind.SILENT, BrokenPipeError()),
        (Kind.SILENT, TimeoutError("timed out")),
        (Kind.SILENT, OSError(errno.EIO, "disk")),
        (Kind.SILENT, http.client.RemoteDisconnected("gone")),
        (Kind.SILENT, http.client.IncompleteRead(b"")),
        (Kind.SILENT, TransportError("Server disconnected without sending a response.")),
        (Kind.UNPREPARED, OSError(errno.EMFILE, "Too many open files")),
        (Kind.UNPREPARED, FileNotFoundError(errno.ENOENT, "no such file", "client.pem")),
        (Kind.UNPREPARED, PermissionError(errno.EPERM, "Operation not permitted")),
        (Kind.UNPREPARED, TransportSetupError("CA bundle ca.pem: no such file")),
        (Kind.FOREIGN, TransportDecodeError("incorrect header check")),
        (Kind.PERMANENT, UnreadableReportError("torn")),
        (Kind.PERMANENT, TypeError("bug")),
        (Kind.PERMANENT, KeyError("pn")),
        (Kind.PERMANENT, ValueError("bad")),
        (Kind.PERMANENT, RuntimeError("bug")),
    ],
)
def test_errors_without_an_answer(kind: Kind, error: Exception) -> None:
    for classifier in (Classifier(), WatsClassifier()):
        disposition = classifier.classify(error)
        assert (disposition.kind, disposition.answered) == (kind, kind is Kind.FOREIGN)


def test_what_could_not_be_read_was_not_sent() -> None:
    for error in (PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "disk")):
        disposition = Classifier().classify(error, was_read=False)
        assert disposition.kind is Kind.UNREADABLE
        assert not disposition.blames_the_server
    error = OSError(errno.EMFILE, "Too many open files")
    assert Classifier().classify(error, was_read=False).kind is Kind.UNPREPARED


@pytest.mark.parametrize(
    "text",
    [
        "<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port",
        "You're speaking plain HTTP to an SSL-enabled server port.",
    ],
)
def test_http_to_an_https_port_is_not_the_fault_of_the_report(text: str) -> None:
    assert Classifier().classify(Refused(400, text)).kind is Kind.MISDIRECTED


def test_requests_hides_a_refused_connection_three_levels_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(requests.ConnectionError) as caught:
            requests.post(f"http://127.0.0.1:{taken.getsockname()[1]}/", timeout=5)
    assert Classifier().classify(caught.value).kind is Kind.UNREACHABLE


def _broke_off(cause: Exception) -> PyWATSError:
    error = PyWATSError(f"HTTP request failed: {cause}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.UNREACHABLE, WatsConnectionError("Failed to connect")),
        (Kind.UNREACHABLE, CircuitBreakerOpenError()),
        (Kind.SILENT, WatsTimeoutError("Request timed out")),
        (Kind.SILENT, _broke_off(OSError("reset"))),
        (Kind.SILENT, _broke_off(TransportError("illegal status line"))),
        (Kind.FOREIGN, _broke_off(TransportDecodeError("incorrect header check"))),
        (Kind.FOREIGN, _broke_off(RecursionError("too deep while decoding a JSON array"))),
        (Kind.UNPREPARED, _broke_off(TransportSetupError("CA bundle ca.pem: no such file"))),
        (Kind.UNPREPARED, _broke_off(httpx.InvalidURL("Invalid port: ':1'"))),
        (Kind.UNPREPARED, _broke_off(ValueError("the token contains a line break: strip it"))),
        (Kind.PERMANENT, _broke_off(RecursionError("too deep while encoding a JSON object"))),
        (Kind.PERMANENT, _broke_off(TypeError("set is not JSON serializable"))),
        (Kind.PERMANENT, _broke_off(ValueError("Out of range float values"))),
        (Kind.PERMANENT, PyWATSError("something else")),
    ],
)
def test_errors_of_pywats_without_an_answer(kind: Kind, error: Exception) -> None:
    assert WatsClassifier().classify(error).kind is kind


def test_an_operator_reads_what_failed_and_not_its_details() -> None:
    details = {"url": "http://127.0.0.1:9"}
    error = WatsConnectionError("Failed to connect", operation="POST /api", details=details)
    assert WatsClassifier().classify(error).reason == "ConnectionError: Failed to connect"


def test_without_the_bridge_the_text_tells_the_status() -> None:
    """When the package is disabled, upstream's errors carry no answer."""
    classifier = WatsClassifier()
    assert (
        classifier.classify(ValueError("Report submission failed (503): busy")).kind is Kind.FAILED
    )
    assert (
        classifier.classify(ValueError("Report submission failed (401): no")).kind is Kind.REFUSED
    )
    assert (
        classifier.classify(ValueError("Report submission failed (400): bad")).kind
        is Kind.PERMANENT
    )


def test_a_bug_is_told_with_its_place_but_no_values() -> None:
    def submit(secret: str) -> None:
        raise TypeError("unsupported")

    with pytest.raises(TypeError) as caught:
        submit("s3cret")
    reason = Classifier().classify(caught.value).reason
    assert reason.startswith("TypeError: unsupported\n  at ")
    assert "in submit" in reason
    assert "s3cret" not in reason


# --- already there

ALREADY_THERE = [
    "already exists",
    "Already exists.",
    "The report already exists.",
    "A report with the same ID already exists",
    f"Report with id '{REPORT_ID}' already exists",
    f"{REPORT_ID} already exists",
    "Report 123 has already been submitted",
    "UUT report with this id already exists",
    "UUTReport already exists",
    "Conflict: report already exists",
    "Report was already received on 2024-01-01.",
    "The submission was already accepted",
    "Entity already exists",
    "Duplicate report",
    "duplicate id",
    "Duplicate",
    "DuplicateReport",
    "ReportAlreadyExists",
    "already_exists",
]
OF_ANOTHER_KIND = [
    "",
    "Conflict",
    "Report is locked",
    "The report does not already exist",
    "A product of this report already exists",
    "The report refers to a unit that already exists in product X",
    "Serial number SN-1 already exists",
    "SN-1 already exists",
    "Process 10 already exists",
    "Unit already has a parent",
    "A unit with the same id already exists",
    "Report id already exists with a different content",
    "duplicate step name in the report",
]


@pytest.mark.parametrize("text", ALREADY_THERE)
def test_already_there(text: str) -> None:
    for body in (text, {"Message": text}, {"error": {"code": text}}, [{"errors": [text]}]):
        assert is_already_there(SimpleNamespace(status_code=409, data=body))
    disposition = Classifier().classify(Refused(409, {"message": text}))
    assert disposition.kind is Kind.DELIVERED
    assert Classifier().classify(Refused(400, {"message": text})).kind is Kind.PERMANENT


@pytest.mark.parametrize("text", OF_ANOTHER_KIND)
def test_a_conflict_of_another_kind(text: str) -> None:
    assert Classifier().classify(Refused(409, {"Message": text})).kind is Kind.PERMANENT


@pytest.mark.parametrize("body", [None, 5, True, {}, [], {"a": {"b": {"c": {"d": "Duplicate"}}}}])
def test_a_conflict_that_says_nothing(body: Any) -> None:
    assert Classifier().classify(Refused(409, body)).kind is Kind.PERMANENT


# --- Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("86400000", 300.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 300.0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    for name in ("retry-after", "Retry-After"):
        response = SimpleNamespace(status_code=503, headers={name: value})
        assert retry_after(response, now=100.0) == seconds


def test_the_servers_own_clock_counts() -> None:
    headers = {
        "retry-after": "Mon, 01 Jan 2024 00:00:30 GMT",
        "date": "Mon, 01 Jan 2024 00:00:00 GMT",
    }
    assert retry_after(SimpleNamespace(status_code=503, headers=headers), now=5.0) == 30.0


def test_a_long_page_is_cut() -> None:
    reason = Classifier().classify(Refused(500, "<html>" + "x\n" * 9999)).reason
    assert len(reason) < 600
    assert "\n" not in reason
