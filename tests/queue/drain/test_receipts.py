"""What counts as delivered: a receipt of WATS, and nothing that merely comes with 2xx."""

import base64
import functools
import html
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import pytest
from drain_fakes import FakeSource, FakeTiming, SocketTiming, script
from gevent.pywsgi import WSGIServer
from pywats import pyWATS
from pywats.queue import MemoryQueue

from pywats_green import ArgumentTypeError, ForeignAnswerError, InvalidArgumentError, SettingsError
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.upstream.features.queues.processor import QueueProcessor

ACCEPT = "PYWATS_GREEN_ACCEPT"
HTML, JSON, XML, TEXT = "text/html", "application/json", "application/xml", "text/plain"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head>" + b"<p>again</p>" * 40
BRISK: dict[str, Any] = {"backoff": (0.001, 0.002), "give_up_after": 0.02}


class Answer(NamedTuple):
    body: bytes = b""
    kind: str = JSON
    status: str = "200 OK"
    location: str = ""
    encoding: str = ""


class Front:
    """Stands where WATS should: keeps the ids that are posted, answers as told."""

    def __init__(self) -> None:
        self.answer = Answer(b'{"id": "x"}')
        self.posted: Counter[str] = Counter()
        self.pages = 0
        self._server = WSGIServer(("127.0.0.1", 0), self._serve, log=None)

    def _serve(self, environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        answer = self.answer
        if environ["REQUEST_METHOD"] == "POST":
            body = environ["wsgi.input"].read().decode()
            self.posted[json.loads(body)["id"] if body.startswith("{") else body] += 1
        else:
            self.pages += 1
            answer = Answer(PAGE, HTML)
        headers = [("Content-Type", answer.kind)]
        if answer.encoding:
            headers.append(("Content-Encoding", answer.encoding))
        if answer.location:
            headers.append(("Location", answer.location))
        start(answer.status, headers)
        return [answer.body]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        self._server.start()
        try:
            yield
        finally:
            self._server.stop(timeout=0)


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    with front.running():
        yield front


@pytest.fixture
def client(front: Front) -> Iterator[pyWATS]:
    with pyWATS(base_url=front.url, token="c2VjcmV0", enable_cache=False) as client:
        yield client


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    queue = FolderQueue(tmp_path / "queue")
    for number in range(5):
        queue.put({"id": f"id-{number}", "pn": "P", "sn": "S"})
    return queue


FOREIGN = {
    "login page": Answer(PAGE, HTML),
    "not successful": Answer(b'{"success": false}'),
    "empty": Answer(),
    "no content": Answer(status="204 No Content"),
    "redirect to a page": Answer(status="302 Found", location="/login"),
    "empty string": Answer(b'""'),
    "empty list": Answer(b"[]"),
    "list of nothing": Answer(b"[{}]"),
    "empty id": Answer(b'{"id": ""}'),
    "plain text": Answer(b"some-id", TEXT),
    "word": Answer(b"success", TEXT),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_answer_spends_nothing(
    front: Front, client: pyWATS, queue: FolderQueue, name: str
) -> None:
    front.answer, results = FOREIGN[name], []
    listen = lambda *result: results.append(result)  # noqa: E731
    gate = QueueProcessor(queue, client, on_result=listen, **BRISK)
    summary = gate.drain()
    assert summary[:4] == (0, 0, 0, 5)
    assert [item.attempts for item in queue.list("waiting")] == [0] * 5
    reason = summary.paused_reason
    assert reason is not None
    assert reason == gate.paused_reason
    assert "\n" not in reason
    shown = (PAGE if front.pages else front.answer.body).decode()[:81].replace("\n", " ")[:80]
    assert f" {front.answer.status[:3] if not front.pages else 200}: {shown}" in reason
    for way in ("accept=", "--accept any-2xx", "PYWATS_GREEN_ACCEPT=any-2xx"):
        assert way in reason
    assert {result[1] for result in results} == {"released"}
    assert all(isinstance(result[2], ForeignAnswerError) for result in results)
    front.answer = Answer(b'[{"ID": "x"}]')
    assert gate.drain()[:5] == (5, 0, 0, 0, None)


@pytest.mark.parametrize(
    "answer",
    [Answer(b"no gzip", encoding="gzip"), Answer(b"[" * 100_000 + b"]" * 100_000)],
    ids=["bad gzip", "nested too deeply"],
)
def test_an_answer_that_cannot_be_read_is_foreign(
    front: Front, client: pyWATS, queue: FolderQueue, answer: Answer
) -> None:
    front.answer = answer
    summary = QueueProcessor(queue, client, max_attempts=1, **BRISK).drain()
    assert summary[:4] == (0, 0, 0, 5)
    assert "the answer was no receipt of WATS (PyWATSError: " in str(summary.paused_reason)
    assert [item.attempts for item in queue.list("waiting")] == [0] * 5
    front.answer = Answer(b'[{"ID": "x"}]')
    assert QueueProcessor(queue, client).drain()[:5] == (5, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("token", "variables", "told"),
    [
        ("x", {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, "CA bundle /nowhere/ca.pem"),
        ("a\nb", {}, "the token contains a line break"),
    ],
)
def test_what_is_wrong_here_is_held_against_no_report(
    queue: FolderQueue,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    variables: dict[str, str],
    told: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pyWATS(base_url="https://127.0.0.1:9", token=token, enable_cache=False) as client:
        summary = QueueProcessor(queue, client, max_attempts=1, **BRISK).drain()
    assert summary[:4] == (0, 0, 0, 5)
    assert str(summary.paused_reason).startswith("nothing can be sent from here (")
    assert told in str(summary.paused_reason)


@pytest.mark.parametrize("body", [b'[{"ID": "x"}]', b'{"uuid": "x"}', b'"some-id"'])
def test_a_receipt_delivers(front: Front, client: pyWATS, queue: FolderQueue, body: bytes) -> None:
    front.answer = Answer(body, status="201 Created")
    assert QueueProcessor(queue, client).drain()[:5] == (5, 0, 0, 0, None)
    assert set(front.posted.values()) == {1}


def test_the_token_is_not_told(front: Front, client: pyWATS, queue: FolderQueue) -> None:
    front.answer = Answer(b"You sent: Basic c2VjcmV0", TEXT)
    reason = QueueProcessor(queue, client, **BRISK).drain().paused_reason
    assert "You sent: Basic ***" in str(reason)
    assert "c2VjcmV0" not in str(reason)


# --- whose answers are judged


def _named(client: pyWATS, name: str) -> Callable[[Any], object]:
    return getattr(client.report, name)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["submit", "submit_report"])
def test_a_bound_method_is_judged(
    front: Front, client: pyWATS, queue: FolderQueue, name: str
) -> None:
    front.answer = Answer(PAGE, HTML)
    assert QueueProcessor(queue, _named(client, name), **BRISK).drain()[:4] == (0, 0, 0, 5)
    front.answer = Answer(b'"x"')
    assert QueueProcessor(queue, _named(client, name)).drain().submitted == 5


def test_a_bound_method_of_wsxf_takes_xml(front: Front, client: pyWATS) -> None:
    queue = MemoryQueue()
    queue.add("<Reports/>")
    processor = QueueProcessor(queue, _named(client, "submit_report_xml"), **BRISK)
    front.answer = Answer(b'<html id="x"><body>Sign in</body></html>', XML)
    assert processor.drain()[:4] == (0, 0, 0, 1)
    front.answer = Answer(b"<string>some-id</string>", XML)
    assert processor.drain()[:4] == (1, 0, 0, 0)


def test_a_lenient_client_that_returns_from_a_404(front: Front, client: pyWATS) -> None:
    from pywats.core.exceptions import ErrorMode

    with pyWATS(base_url=front.url, token="x", error_mode=ErrorMode.LENIENT) as lenient:
        queue = MemoryQueue()
        queue.add("<Reports/>")
        front.answer = Answer(b"<string>some-id</string>", XML, "404 Not Found")
        processor = QueueProcessor(queue, _named(lenient, "submit_report_xml"), **BRISK)
        assert processor.drain()[:4] == (0, 0, 0, 1)


def test_of_any_other_callable_each_return_means_accepted(
    front: Front, client: pyWATS, tmp_path: Path
) -> None:
    @functools.wraps(_named(client, "submit_report"))
    def wrapped(report: Any) -> object:
        return client.report.submit_report(report)

    front.answer = Answer()
    others: list[Callable[[Any], object]] = [wrapped, lambda report: None, str, [].append]
    for number, submit in enumerate(others):
        queue = FolderQueue(tmp_path / str(number))
        queue.put({"id": "x"})
        assert QueueProcessor(queue, submit).drain().submitted == 1
    for submit in (*others, client.report.query_uut_headers):
        with pytest.raises(InvalidArgumentError, match="raise an exception"):
            QueueProcessor(MemoryQueue(), submit, accept=bool)


def test_a_callable_may_find_it_out_itself() -> None:
    source, timing = FakeSource([1, 2]), FakeTiming()
    submit = script(ForeignAnswerError("a page\nof a proxy", None))
    gate = QueueProcessor(source, submit, concurrency=1, timing=timing, give_up_after=0.0)
    assert "no receipt of WATS (a page of a proxy)" in str(gate.drain().paused_reason)
    assert gate.drain()[:4] == (2, 0, 0, 0)
    assert set(source.attempts.values()) == {0}


def test_upstreams_own_queue_is_judged(front: Front, client: pyWATS) -> None:
    queue = MemoryQueue()
    for number in range(5):
        queue.add({"id": f"id-{number}"})
    front.answer = Answer(b'{"success": false}')
    assert QueueProcessor(queue, client, **BRISK).drain()[:4] == (0, 0, 0, 5)
    assert [item.attempts for item in queue.list_pending()] == [0] * 5
    front.answer = Answer(b'{"id": "x"}')
    assert QueueProcessor(queue, client).drain()[:4] == (5, 0, 0, 0)


DISABLED = """
import sys
import pywats_green
from pywats import pyWATS
from pywats.queue import MemoryQueue
queue = MemoryQueue()
queue.add({"id": "x"})
api = pyWATS(base_url=sys.argv[1], token="x")
for submit in (api, api.report.submit_report):
    processor = pywats_green.QueueProcessor(
        queue, submit, concurrency=1, give_up_after=0.02, backoff=(0.001, 0.002)
    )
    print(tuple(processor.drain()[:4]))
"""


@pytest.mark.parametrize(
    "name",
    [
        "login page",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("not successful", "no content", "empty string", "word")
        ),
    ],
)
def test_disabled_the_return_is_judged(
    front: Front, run_python: Callable[..., Any], name: str
) -> None:
    front.answer = FOREIGN[name]
    done = run_python(DISABLED, front.url, env={"PYWATS_GREEN_DISABLE": "1"}, warnings="default")
    assert done.stdout == "(0, 0, 0, 1)\n" * 2, done.stderr


# --- overruled


def test_accept_takes_the_place_of_the_rule(
    front: Front, client: pyWATS, queue: FolderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACCEPT, "any-2xx")  # which accept= overrules
    front.answer, seen = Answer(b'{"id": "x"}'), []

    def accept(answer: Any) -> bool:
        seen.append((answer.status_code, answer.data))
        return False

    assert QueueProcessor(queue, client, accept=accept, **BRISK).drain()[:4] == (0, 0, 0, 5)
    assert set(map(str, seen)) == {"(200, {'id': 'x'})"}
    front.answer = Answer(b"stored", TEXT)
    drain = QueueProcessor(queue, client, accept=lambda answer: answer.data == "stored").drain
    assert drain()[:5] == (5, 0, 0, 0, None)


def _broken(_: object) -> bool:
    raise KeyError("bug")


def test_an_error_in_accept_sets_no_report_aside(client: pyWATS, queue: FolderQueue) -> None:
    summary = QueueProcessor(
        queue, client, accept=lambda _: dict[str, bool]()["bug"], **BRISK
    ).drain()
    assert summary[:4] == (0, 0, 0, 5)
    assert "accept failed with KeyError for HTTP 200" in str(summary.paused_reason)


def test_accept_that_cannot_be_called(client: pyWATS, queue: FolderQueue) -> None:
    with pytest.raises(ArgumentTypeError, match="accept must be a callable, not 'any-2xx'"):
        QueueProcessor(queue, client, accept="any-2xx")  # type: ignore[arg-type]


def test_an_asynchronous_accept_is_refused(client: pyWATS, queue: FolderQueue) -> None:
    async def accept(_: Any) -> bool:
        return False

    class Accept:
        async def __call__(self, _: Any) -> bool:
            return False

    for given in (accept, Accept()):
        with pytest.raises(ArgumentTypeError, match="accept must block"):
            QueueProcessor(queue, client, accept=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [str, quote_plus, html.escape, lambda text: text[:-1] + "&#61;"])
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized"])
def test_a_token_that_comes_back_is_shown_nowhere(
    front: Front,
    queue: FolderQueue,
    caplog: pytest.LogCaptureFixture,
    status: str,
    form: Callable[[str], str],
) -> None:
    token = base64.b64encode(b"operator:s3cr3t-of-this-test+").decode()
    assert token.endswith("=")
    body = json.dumps({"message": f"{' ' * 4080}who is {form(token)}?"}).encode()
    front.answer = Answer(body, status=status)
    client = pyWATS(base_url=front.url, token=token, enable_cache=False)
    summary = QueueProcessor(queue, client, **BRISK).drain()
    shown = [str(summary.paused_reason), caplog.text]
    shown += [str(queue.show(item.item_id)) for item in queue.list("quarantined")]
    assert "who is ***" in "".join(shown)
    for each in shown:
        assert form(token)[:8] not in each


def test_the_variable_accepts_any_2xx(
    front: Front, client: pyWATS, queue: FolderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.answer = Answer(status="204 No Content")
    monkeypatch.setenv(ACCEPT, " ")
    assert QueueProcessor(queue, client, **BRISK).drain()[:4] == (0, 0, 0, 5)
    monkeypatch.setenv(ACCEPT, "any-2xx")
    assert QueueProcessor(queue, client).drain()[:4] == (5, 0, 0, 0)


def test_a_variable_that_does_not_fit(
    client: pyWATS, queue: FolderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACCEPT, "yes")
    with pytest.raises(SettingsError, match="^PYWATS_GREEN_ACCEPT='yes' does not fit: choose"):
        QueueProcessor(queue, client)


# --- how often it is sent


@pytest.mark.parametrize("answer", [Answer(status="204 No Content"), Answer(PAGE, HTML)])
def test_a_server_that_stores_and_says_nothing_sees_few_posts(
    front: Front, client: pyWATS, answer: Answer
) -> None:
    front.answer, timing = answer, SocketTiming()
    source = FakeSource([], timing)
    for number in range(100):
        source.put({"id": f"id-{number:02}"}, f"item-{number}")

    def drain(accept: Any, **options: Any) -> Any:
        sender = QueueProcessor(source, client, accept=accept, timing=timing, **options)
        return timing.serve(sender).drain()

    summary = drain(None, concurrency=10, give_up_after=3600.0)
    assert 3600 <= summary.elapsed < 3700
    assert summary[:4] == (0, 0, 0, 100)
    # Ten were in flight; then one a pause: 1, 2, 4 ... 256, 300, 300 seconds.
    assert sum(front.posted.values()) <= 10 + 20
    assert set(source.attempts.values()) == {0}
    assert drain(lambda answer: answer.is_success)[:4] == (100, 0, 0, 0)
