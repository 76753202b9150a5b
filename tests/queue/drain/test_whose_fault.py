"""What every report would meet is the server's fault, not the report's; time turned by hand."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from drain_fakes import FakeSource, FakeTiming, Refused
from gevent.event import Event

from pywats_green.cli.drain import _ADVICE
from pywats_green.exceptions import ForeignAnswerError
from pywats_green.queue.drain.settling import _CAUSES
from pywats_green.queue.drain.statistics import queue_statistics
from pywats_green.queue.source import DrainState
from pywats_green.throttle import BY_HAND
from pywats_green.upstream.features.queues.processor import QueueProcessor

OUTAGE = 1200.0  # seconds


class Server:
    """Fails in its own way while it is away, and with 500 at what it cannot take."""

    def __init__(
        self,
        timing: FakeTiming,
        away: Callable[[], Exception] | None = None,
        bad: tuple[Any, ...] = (),
    ) -> None:
        self.timing = timing
        self.away = away
        self.bad = bad
        self.back_at = timing.now + OUTAGE
        self.log: list[tuple[float, Any]] = []
        self.accepted: list[Any] = []
        self.running = self.most_at_once = 0

    def __call__(self, report: Any) -> None:
        self.log.append((self.timing.now, report))
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            gevent.sleep(0)
            if self.away is not None and self.timing.now < self.back_at:
                raise self.away()
            if report in self.bad:
                raise Refused(500, "cannot store this")
        finally:
            self.running -= 1
        self.accepted.append(report)


def _drain(source: FakeSource, server: Server, **options: Any) -> Any:
    return QueueProcessor(source, server, timing=server.timing, **options).drain()


FAULTS: dict[str, Callable[[], Exception]] = {
    **{
        str(status): lambda status=status: Refused(status)  # type: ignore[misc]
        for status in (302, 401, 403, 404, 405, 407, 408, 410, 411, 418, 421, 425, 429, 431, 451)
    },
    **{str(status): lambda status=status: Refused(status) for status in (500, 501, 502, 503, 504)},  # type: ignore[misc]
    "503 in a while": lambda: Refused(503, retry_after="5"),
    "accepts and closes": lambda: ConnectionResetError(104, "reset"),
    "never answers": lambda: TimeoutError("timed out"),
    "refused": lambda: ConnectionRefusedError(111, "refused"),
    "foreign": lambda: ForeignAnswerError("HTTP 200: <html>", None),
    "too many files": lambda: OSError(24, "Too many open files"),
    "http to https": lambda: Refused(
        400, "<html>400 The plain HTTP request was sent to HTTPS port"
    ),
}


@pytest.mark.parametrize("concurrency", [1, 20])
@pytest.mark.parametrize("name", FAULTS)
def test_after_an_outage_of_20_minutes_all_is_sent_and_nothing_spent(
    name: str, concurrency: int
) -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(450), timing), Server(timing, FAULTS[name])
    summary = _drain(source, server, concurrency=concurrency, give_up_after=None)
    assert summary[:5] == (450, 0, 0, 0, None)
    assert set(source.attempts.values()) == {0}
    assert len(server.log) - 450 <= concurrency + 10 + OUTAGE / 4  # one probe at a time
    assert source.state is None


@pytest.mark.parametrize("name", FAULTS)
def test_a_drain_gives_up_and_spends_nothing(name: str) -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(30), timing), Server(timing, FAULTS[name])
    summary = _drain(source, server, max_attempts=1)
    assert summary[:4] == (0, 0, 0, 30)
    assert summary.paused_reason
    assert summary.elapsed == pytest.approx(60, abs=1)
    assert set(source.attempts.values()) == {0}


@pytest.mark.parametrize("bad", [(0,), (25,), (0, 1), (0, 10, 20), (49,)])
@pytest.mark.parametrize("concurrency", [1, 20])
def test_a_report_that_always_fails_is_set_aside_alone(
    bad: tuple[int, ...], concurrency: int
) -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(50), timing), Server(timing, bad=bad)
    summary = _drain(source, server, concurrency=concurrency)
    assert sorted(server.accepted) == sorted(set(range(50)) - set(bad))
    if bad == (49,):  # nobody was left to tell whose fault it was
        assert summary[:4] == (49, 0, 0, 1)
        assert summary.paused_reason == "the server failed (HTTP 500: cannot store this)"
        return
    assert summary[:5] == (50 - len(bad), 4 * len(bad), len(bad), 0, None)
    assert set(source.quarantined) == set(map(str, bad))
    for reason in source.quarantined.values():
        assert reason == "given up after 5 attempts; the last: HTTP 500: cannot store this"
    # Once more where the probe happened to be a bad one, too, so that the server was blamed.
    assert [report for _, report in server.log].count(bad[0]) in (5, 6)
    assert summary.elapsed < 30


def test_a_lone_report_remains() -> None:
    timing = FakeTiming()
    source, server = FakeSource([0], timing), Server(timing, bad=(0,))
    for _ in range(10):
        summary = _drain(source, server)
        assert summary[:4] == (0, 0, 0, 1)
        assert summary.paused_reason
        assert source.attempts == {"0": 0}


def test_a_lone_report_is_judged_by_those_that_come_later() -> None:
    """With a station that makes a report now and then: each that gets through counts an attempt."""
    timing = FakeTiming()
    source, server = FakeSource([0], timing), Server(timing, bad=(0,))
    for number in range(1, 6):
        assert _drain(source, server).quarantined == 0
        source.put(number)
    assert _drain(source, server)[:5] == (1, 0, 1, 0, None)
    assert server.accepted == [1, 2, 3, 4, 5]


def test_a_lone_report_delays_nobody_who_comes_later() -> None:
    timing = FakeTiming()
    source, server = FakeSource([0], timing), Server(timing, bad=(0,))
    processor = QueueProcessor(source, server, timing=timing)
    runner = gevent.spawn(processor.run)
    came: dict[int, float] = {}
    for number in range(1, 5):
        while timing.now < 1000 + 200 * number:
            gevent.sleep(0)
        assert processor.paused_reason
        came[number] = timing.now
        source.put(number)
    while len(server.accepted) < 4:
        gevent.sleep(0)
    processor.stop()
    runner.get(timeout=30)
    sent = {report: when for when, report in server.log if report}
    assert all(sent[number] - came[number] <= 1.0 for number in came)
    assert source.attempts["0"] >= 3


def test_whoever_comes_later_waits_as_the_server_asked() -> None:
    timing = FakeTiming()
    source = FakeSource([0], timing)
    server = Server(timing, lambda: Refused(503, retry_after="250"))
    runner = gevent.spawn(QueueProcessor(source, server, timing=timing).run)
    while timing.now < 1100:
        gevent.sleep(0)
    source.put(1)
    while timing.now < 1240:
        gevent.sleep(0)
    assert [report for _, report in server.log] == [0]
    runner.kill()


def test_the_probe_is_never_the_report_that_failed_last() -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(3), timing), Server(timing, FAULTS["503"])
    _drain(source, server, concurrency=1, give_up_after=100.0)
    sent = [report for _, report in server.log]
    assert sent == [0, 1, 2] * (len(sent) // 3) + [0, 1, 2][: len(sent) % 3]
    _drain(source, server, concurrency=1, give_up_after=0.0)  # nor after a restart
    assert [report for _, report in server.log[len(sent) :]] == [(sent[-1] + 1) % 3]


@pytest.mark.parametrize("name", ["foreign", "never answers", "503", "401"])
def test_the_next_drain_begins_with_one_probe(name: str) -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(30), timing), Server(timing, FAULTS[name])
    _drain(source, server, concurrency=20, give_up_after=0.0)
    before = len(server.log)
    for number in range(1, 6):
        summary = _drain(source, server, concurrency=20, give_up_after=0.0)
        assert summary.paused_reason
        assert len(server.log) - before <= number
    object.__setattr__(timing, "now", timing.now + OUTAGE)
    assert _drain(source, server)[:5] == (30, 0, 0, 0, None)
    assert source.state is None


def test_a_restart_changes_nothing_in_what_counts() -> None:
    """The failure is noted before the restart, the receipt that makes it count comes after it."""
    timing = FakeTiming()
    source, server = FakeSource([0, 1], timing), Server(timing, bad=(0,))
    source.state = DrainState(
        receipts=7, pardoned=3, failures=9, cause="the server failed (HTTP 500)"
    )
    source.marks["0"] = 7
    source.attempts["0"] = 4
    source.errors["0"] = "HTTP 500: before"
    assert _drain(source, server)[:5] == (1, 0, 1, 0, None)
    assert source.quarantined["0"] == "given up after 5 attempts; the last: HTTP 500: before"
    assert server.accepted == [1]
    assert [report for _, report in server.log] == [1]


def test_a_pardon_outlasts_a_restart() -> None:
    timing = FakeTiming()
    source, server = FakeSource([0, 1], timing), Server(timing, bad=(0,))
    source.state = DrainState(receipts=7, pardoned=8, failures=9, cause=None)
    source.marks["0"] = 7
    source.attempts["0"] = 4
    _drain(source, server, give_up_after=1.0)
    assert source.quarantined == {}
    assert source.attempts["0"] == 4


def test_a_failure_from_before_the_outage_was_noticed_is_the_servers() -> None:
    """It was sent during the outage, and fails only when the server is back."""
    timing = FakeTiming()
    source, late, calls = FakeSource(range(6), timing), Event(), []

    def submit(report: int) -> None:
        calls.append(report)
        if report == 0 and len(calls) == 1:
            late.wait()
            raise TimeoutError
        if len(calls) < 4:
            raise Refused(503)
        if len(calls) == 6:
            late.set()

    summary = QueueProcessor(source, submit, concurrency=2, timing=timing).drain()
    assert summary[:5] == (6, 0, 0, 0, None)
    assert set(source.attempts.values()) == {0}


def test_a_flapping_server_spends_nothing_on_good_reports() -> None:
    timing = FakeTiming()
    source = FakeSource(range(300), timing)
    sent = 0

    def submit(_: int) -> None:
        nonlocal sent
        sent += 1
        if sent // 20 % 2:  # twenty well, twenty badly
            raise Refused(502)

    summary = QueueProcessor(source, submit, timing=timing, give_up_after=None).drain()
    assert summary.submitted == 300
    assert summary.quarantined == 0


def test_no_limit_of_attempts_keeps_nobody_back() -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(50), timing), Server(timing, bad=(0,))
    summary = _drain(source, server, max_attempts=None)
    assert (summary.submitted, summary.quarantined, summary.remaining) == (49, 0, 1)
    assert max(when for when, report in server.log if report) - 1000 < 2


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_concerns_the_report(status: int) -> None:
    timing = FakeTiming()
    source = FakeSource(range(5), timing)

    def submit(report: int) -> None:
        if report == 2:
            raise Refused(status)

    assert QueueProcessor(source, submit, timing=timing).drain()[:5] == (4, 0, 1, 0, None)


def test_a_hold_of_a_day_is_not_waited_for() -> None:
    for status in (429, 503):
        timing = FakeTiming()
        source = FakeSource(range(30), timing)
        server = Server(timing, lambda status=status: Refused(status, retry_after="86400"))  # type: ignore[misc]
        summary = _drain(source, server)
        assert summary[:4] == (0, 0, 0, 30)
        assert summary.elapsed == pytest.approx(60, abs=1)
        assert f"HTTP {status}" in str(summary.paused_reason)
        assert len(server.log) <= 20


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_no_time_is_not_hammered(status: int) -> None:
    timing = FakeTiming()
    source = FakeSource(range(30), timing)
    server = Server(timing, lambda: Refused(status, retry_after="0"))
    assert _drain(source, server)[:4] == (0, 0, 0, 30)
    assert len(server.log) <= 20 + 8


def test_a_hold_is_kept_then_probed() -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(30), timing), Server(timing)
    asked: list[int] = []

    def submit(report: int) -> None:
        if not asked:
            asked.append(report)
            raise Refused(429, retry_after="17")
        server(report)

    summary = QueueProcessor(source, submit, concurrency=1, timing=timing).drain()
    assert summary[:5] == (30, 0, 0, 0, None)
    assert min(when for when, _ in server.log) == pytest.approx(1017, abs=0.6)


def test_it_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="pywats_green.queue")
    timing = FakeTiming()
    source, server = FakeSource(range(30), timing), Server(timing, FAULTS["503"])
    server.back_at = timing.now + 1.0
    _drain(source, server)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split("; ")[0].split(" after")[0].split(" for")[0] for line in lines] == [
        "submissions gate of the queue: closes",
        "submissions gate of the queue: a probe goes",
        "submissions gate of the queue: a probe goes",
        "submissions gate of the queue: reopens",
    ]
    assert "the server failed (HTTP 503" in lines[0]


def test_closings_probes_and_reopenings_are_counted() -> None:
    gc.collect()
    before = queue_statistics()
    timing = FakeTiming()
    source, server = FakeSource(range(30), timing), Server(timing, FAULTS["503"])
    server.back_at = timing.now + 1.0
    processor = QueueProcessor(source, server, timing=timing)
    processor.drain()
    found, counted = queue_statistics(), ("closings", "probes", "reopenings")
    assert [processor.stats()[name] for name in counted] == [1, 2, 1]  # type: ignore[literal-required]
    assert [found[name] - before[name] for name in counted] == [1, 2, 1]  # type: ignore[literal-required]


def test_operators_find_each_reason_in_the_guide() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "queue.md"
    rows = [
        line for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    told = {row.split("`")[1] for row in rows}
    reasons = {text.partition(" ({}")[0] for text in _CAUSES.values()}
    assert reasons | {BY_HAND, "all requests to the server wait"} <= told
    assert set(_ADVICE) <= told


def test_nobody_is_kept_back_for_longer_than_30_seconds() -> None:
    timing = FakeTiming()
    source, server = FakeSource(range(50), timing), Server(timing, bad=(0,))
    summary = _drain(source, server, backoff=(100.0, 300.0))
    assert sorted(server.accepted) == list(range(1, 50))
    assert max(when for when, report in server.log if report) == pytest.approx(1030, abs=1)
    assert summary.remaining + summary.quarantined == 1
