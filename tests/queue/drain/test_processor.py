"""The logic of the processor, with a queue in memory and time turned by hand."""

import contextlib
import gc
import logging
from collections import Counter
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from drain_fakes import FakeSource, FakeTiming, Refused, script
from gevent.event import Event
from typed import present
from waiting import turn, until

from pywats_green.exceptions import (
    ArgumentTypeError,
    EventLoopRequiredError,
    InvalidArgumentError,
    NativeThreadError,
    QueueBusyError,
    UnreadableReportError,
)
from pywats_green.queue.drain.statistics import queue_statistics
from pywats_green.upstream.features.queues.processor import QueueProcessor


def _processor(source: FakeSource, submit: Any, timing: Any = None, **options: Any) -> Any:
    return QueueProcessor(source, submit, timing=timing, **options)


# --- the plain way


def test_each_report_is_submitted_once_in_order() -> None:
    source = FakeSource(range(100))
    sent: list[object] = []
    summary = _processor(source, sent.append, concurrency=1).drain()
    assert sent == list(range(100))
    assert (summary.submitted, summary.remaining, summary.paused_reason) == (100, 0, None)
    assert summary.rate == pytest.approx(100 / summary.elapsed)
    assert [end[1] for end in source.ends] == ["delivered"] * 100


def test_any_return_means_accepted() -> None:
    for value in (None, False, 0, "", {"error": "no"}):
        source = FakeSource([1])
        assert _processor(source, script(value)).drain().submitted == 1


def test_no_more_in_flight_or_claimed_than_told() -> None:
    source, running, most, all_at_work = FakeSource(range(60)), 0, 0, Event()

    def submit(_: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 7:
            all_at_work.set()
        all_at_work.wait()
        turn()
        running -= 1

    _processor(source, submit, concurrency=7).drain()
    assert most == 7
    assert source.most_claimed == 7


def test_an_empty_queue_ends_at_once() -> None:
    assert _processor(FakeSource([]), print).drain()[:4] == (0, 0, 0, 0)


def test_items_put_in_during_a_drain_are_sent_too() -> None:
    source = FakeSource([1])

    def submit(report: int) -> None:
        if report < 5:
            source.put(report + 1)

    assert _processor(source, submit).drain().submitted == 5


def test_progress_ends_at_all_of_all() -> None:
    seen: list[tuple[int, int]] = []
    source = FakeSource(range(10))
    source.reports["3"] = UnreadableReportError("torn")
    _processor(source, print).drain(progress=lambda *state: seen.append(state))
    assert seen[-1] == (10, 10)
    assert len(seen) == len(set(seen))


def test_an_error_of_progress_leaves_nothing_in_flight() -> None:
    source = FakeSource(range(10))

    def submit(report: int) -> None:
        if report > 0:
            Event().wait()

    def progress(completed: int, total: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        _processor(source, submit, concurrency=2).drain(progress=progress)
    assert not source.claimed


# --- attempts


def test_attempts_are_spaced_and_end_in_quarantine() -> None:
    timing = FakeTiming()
    source, sent = FakeSource(range(40), timing), []

    def submit(report: int) -> None:
        if report == 0:
            sent.append(timing.now - 1000)
            raise Refused(503)

    summary = _processor(source, submit, timing, concurrency=1, backoff=(1.0, 5.0)).drain()
    ends = source.of("0")
    assert [end[0] for end in ends] == ["postpone"] * 5 + ["quarantine"]
    # Full jitter, at its most; once the last was sent there is nothing to wait for.
    assert [end[2] for end in ends[:5]] == [1, 2, 4, 5, 0]
    assert sent == [0, 1, 3, 7, 12]
    assert [end[3] for end in ends[:5]] == [0, 1, 2, 3, 4]
    assert ends[5][1] == "given up after 5 attempts; the last: HTTP 503"
    assert summary[:4] == (39, 4, 1, 0)


def test_a_lone_report_is_tried_for_as_long_as_told() -> None:
    timing = FakeTiming()
    source = FakeSource([1], timing)
    steps = [Refused(500), TimeoutError("slow"), ConnectionResetError(104, "reset")] * 9
    processor = _processor(source, script(*steps), timing, give_up_after=None)
    assert processor.drain()[:3] == (1, 0, 0)
    assert source.attempts["1"] == 0


def test_retry_after_is_honoured_and_holds_all() -> None:
    timing = FakeTiming()
    source, sent = FakeSource(range(5), timing), []

    def submit(report: int) -> None:
        sent.append((report, timing.now))
        if len(sent) == 1:
            raise Refused(429, retry_after="17")

    _processor(source, submit, timing, concurrency=1).drain()
    assert sent[0] == (0, 1000.0)
    assert all(when >= 1017 for _, when in sent[1:])
    assert sent[1][1] == pytest.approx(1017, abs=0.6)
    assert set(source.attempts.values()) == {0}


def test_a_timeout_is_a_failure() -> None:
    source, calls = FakeSource([1]), []

    def submit(_: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            Event().wait()

    processor = _processor(source, submit, timeout=0.01, backoff=(0.001, 0.001))
    assert processor.drain()[:2] == (1, 0)
    assert source.of("1")[0][1] == "TimeoutError: not submitted within 0.01 s"


def test_a_swallowed_timeout_is_no_acceptance() -> None:
    source, calls = FakeSource([1]), []

    def submit(_: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            with contextlib.suppress(BaseException):  # what a bad callable does
                Event().wait()

    processor = _processor(source, submit, timeout=0.01, backoff=(0.001, 0.001))
    assert processor.drain()[:2] == (1, 0)
    assert [end[0] for end in source.of("1")] == ["postpone", "delivered"]


def test_a_time_limit_of_the_callable_itself_is_no_bug() -> None:
    source, calls = FakeSource([1]), []

    def submit(_: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            with gevent.Timeout(0.001):
                Event().wait()

    assert _processor(source, submit, backoff=(0.001, 0.001)).drain()[:2] == (1, 0)


# --- poison


def test_poison_is_quarantined_at_once_and_the_rest_goes_out() -> None:
    source = FakeSource(range(10))
    source.reports["3"] = UnreadableReportError("line 1: torn")

    def submit(report: Any) -> None:
        if report == 5:
            raise Refused(400, {"Message": "pn is missing"})
        if report == 7:
            raise KeyError("bug")

    assert _processor(source, submit).drain()[:4] == (7, 0, 3, 0)
    assert source.quarantined["3"] == "line 1: torn"
    assert source.quarantined["5"] == "HTTP 400: pn is missing"
    assert source.quarantined["7"].startswith("KeyError: 'bug'\n  at ")
    assert f"{__file__}:" in source.quarantined["7"]


def test_a_coroutine_is_no_acceptance() -> None:
    async def post(_: Any) -> None: ...

    source = FakeSource([1])
    assert _processor(source, lambda report: post(report)).drain().quarantined == 1  # noqa: PLW0108
    assert "asynchronous" in source.quarantined["1"]


def test_an_unreadable_disk_is_transient() -> None:
    timing = FakeTiming()
    source = FakeSource([1], timing)
    source.reports["1"] = PermissionError(13, "denied")
    assert _processor(source, print, timing, max_attempts=2).drain()[:3] == (0, 1, 1)


# --- pauses


def test_a_server_that_is_away_costs_no_attempt_and_one_probe_resumes() -> None:
    timing = FakeTiming()
    source, running, log = FakeSource(range(30), timing), 0, []

    def submit(_: Any) -> None:
        nonlocal running
        running += 1
        log.append((timing.now, running))
        try:
            turn()
            if timing.now < 1010:
                raise ConnectionRefusedError(111, "refused")
        finally:
            running -= 1

    summary = _processor(source, submit, timing, concurrency=10).drain()
    assert summary[:3] == (30, 0, 0)
    assert set(source.attempts.values()) == {0}
    probes = [at_once for when, at_once in log if 1000 < when < 1010]
    assert 2 <= len(probes) <= 6
    assert set(probes) == {1}
    assert max(at_once for when, at_once in log if when > 1010) > 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "no"), "the server is unreachable (ConnectionRefusedError"),
        (Refused(401), "the server refused the token (HTTP 401"),
        (Refused(403, "no"), "the server refused the token (HTTP 403: no"),
        (Refused(503, "busy"), "the server failed (HTTP 503: busy)"),
        (Refused(404), "no reports are taken at this address (HTTP 404)"),
        (Refused(429), "the server asked to be left alone (HTTP 429)"),
        (TimeoutError("slow"), "the server did not answer (TimeoutError: slow)"),
        (OSError(24, "Too many"), "nothing can be sent from here (OSError: [Errno 24] Too many)"),
    ],
)
def test_it_says_why_nothing_is_sent(error: Exception, reason: str) -> None:
    timing = FakeTiming()
    source = FakeSource(range(30), timing)
    processor = _processor(source, script(*[error] * 99), timing, give_up_after=60.0)
    summary = processor.drain()
    assert str(summary.paused_reason).startswith(reason)
    assert summary[:4] == (0, 0, 0, 30)
    assert processor.stats()["paused"] == summary.paused_reason
    assert queue_statistics()["paused_reason"] == summary.paused_reason
    assert {end[1] for end in source.ends} == {"postpone"}


def test_give_up_at_once_and_never() -> None:
    timing = FakeTiming()
    away = [ConnectionRefusedError()] * 50
    source = FakeSource([1], timing)
    assert _processor(source, script(*away), timing, give_up_after=0).drain().elapsed < 1
    assert _processor(source, script(*away), timing, give_up_after=None).drain().submitted == 1


def test_the_next_drain_begins_anew() -> None:
    timing = FakeTiming()
    source = FakeSource([1], timing)
    processor = _processor(source, script(ConnectionRefusedError()), timing, give_up_after=0)
    assert processor.drain().paused_reason
    assert processor.drain()[:5] == (1, 0, 0, 0, None)


def test_poison_does_not_stand_for_the_server() -> None:
    """A probe that never leaves the house is quarantined, and the next follows at once."""
    timing = FakeTiming()
    source = FakeSource([0, 1, 2], timing)
    steps = [ConnectionRefusedError()] * 3 + [KeyError("bug")]
    assert _processor(source, script(*steps), timing).drain()[:3] == (2, 0, 1)


def test_a_probe_without_an_answer_does_not_resume() -> None:
    timing = FakeTiming()
    source, calls = FakeSource(range(8), timing), []

    def submit(report: Any) -> None:
        calls.append(timing.now)
        if len(calls) <= 4:
            raise ConnectionRefusedError
        if len(calls) == 5:
            raise TimeoutError

    assert _processor(source, submit, timing, concurrency=4).drain()[:3] == (8, 0, 0)
    assert calls[5] > calls[4]


def test_what_was_in_flight_does_not_close_the_gate_again() -> None:
    timing = FakeTiming()
    source, late, calls = FakeSource(range(6), timing), Event(), []

    def submit(report: Any) -> None:
        calls.append(report)
        if len(calls) == 1:
            late.wait()
            raise ConnectionRefusedError
        if len(calls) == 2:
            raise ConnectionRefusedError
        if len(calls) == 5:
            late.set()

    processor = _processor(source, submit, timing, concurrency=2, give_up_after=5)
    assert processor.drain()[:2] == (6, 0)


def test_pause_and_resume_by_hand() -> None:
    source = FakeSource(range(5))
    processor = _processor(source, print)
    processor.pause()
    assert processor.drain(timeout=0.05)[:5] == (0, 0, 0, 5, "paused by pause()")
    assert processor.stats()["paused"] == "paused by pause()"
    processor.resume()
    assert processor.drain().submitted == 5


# --- ends


def test_the_timeout_is_kept_and_what_was_in_flight_is_given_back() -> None:
    timing = FakeTiming()
    source = FakeSource(range(5), timing)
    processor = _processor(source, lambda _: Event().wait(), timing, concurrency=2)
    summary = processor.drain(timeout=5.0)
    assert summary.elapsed == pytest.approx(5.0)
    assert (summary.submitted, summary.remaining) == (0, 5)
    assert source.attempts["0"] == 0
    assert not source.claimed


def test_a_killed_drain_gives_back_what_was_in_flight() -> None:
    source, started = FakeSource(range(9)), Event()

    def submit(report: Any) -> None:
        if report == 3:
            started.set()
        Event().wait()

    processor = _processor(source, submit, concurrency=4)
    drainer = gevent.spawn(processor.drain)
    started.wait()
    drainer.kill()
    assert not source.claimed
    assert source.counts()["waiting"] == 9
    assert {end[1] for end in source.ends} == {"release"}
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        processor.drain()
    assert not source.claimed


def test_a_callable_that_swallows_the_kill_is_not_believed() -> None:
    source, started = FakeSource([1]), Event()

    def submit(_: Any) -> str:
        started.set()
        with contextlib.suppress(BaseException):
            Event().wait()
        return "accepted"

    drainer = gevent.spawn(_processor(source, submit).drain)
    started.wait()
    drainer.kill()
    assert source.of("1") == [("release",)]


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt, SystemExit, gevent.GreenletExit, NativeThreadError, EventLoopRequiredError],
)
def test_what_is_no_fault_of_a_report_ends_the_drain(error: type[BaseException]) -> None:
    source = FakeSource(range(9))

    def submit(report: Any) -> None:
        if report == 2:
            raise error
        with contextlib.suppress(Exception):
            Event().wait()

    with pytest.raises(error):
        _processor(source, submit, concurrency=4).drain()
    assert not source.claimed
    assert source.counts()["waiting"] == 9


def test_stop_lets_what_is_in_flight_finish() -> None:
    source, started, go_on = FakeSource(range(9)), Event(), Event()

    def submit(report: Any) -> None:
        if report == 2:
            started.set()
        go_on.wait()

    processor = _processor(source, submit, concurrency=3)
    runner = gevent.spawn(processor.run)
    started.wait()
    stopper = gevent.spawn(processor.stop, 10)
    gevent.idle()
    go_on.set()
    stopper.get(timeout=30)
    runner.get(timeout=30)
    assert [end[:2] for end in source.ends] == [(item, "delivered") for item in "012"]


def test_stop_kills_after_its_timeout() -> None:
    source, started = FakeSource(range(9)), Event()

    def submit(report: Any) -> None:
        if report == 2:
            started.set()
        Event().wait()

    processor = _processor(source, submit, concurrency=3)
    runner = gevent.spawn(processor.run)
    started.wait()
    processor.stop(0.02)
    runner.get(timeout=30)
    assert source.counts() == {"waiting": 9, "in_flight": 0, "quarantined": 0}
    processor.stop()  # nothing runs: nothing happens


def test_stop_out_of_a_callable_does_not_wait_for_itself() -> None:
    source = FakeSource(range(9))
    processor: Any = None
    processor = _processor(source, print, concurrency=1, on_result=lambda *_: processor.stop())
    processor.run()
    assert processor.stats()["submitted"] == 1


def test_run_finds_what_comes_within_a_second() -> None:
    timing = FakeTiming()
    source, sent = FakeSource([], timing), []
    processor = _processor(source, lambda _: sent.append(timing.now), timing)
    runner = gevent.spawn(processor.run)
    until(lambda: timing.now >= 1003, every=0)
    source.put(1)
    put_at = timing.now
    until(lambda: sent, every=0)
    assert sent[0] - put_at <= 1.0
    processor.stop()
    runner.get(timeout=30)


def test_only_one_run_at_a_time() -> None:
    processor = _processor(FakeSource([]), print)
    runner = gevent.spawn(processor.run)
    gevent.idle()
    with pytest.raises(QueueBusyError):
        processor.drain()
    processor.stop()
    runner.get(timeout=30)
    processor.drain()


# --- trouble


def test_a_queue_that_cannot_be_read_ends_a_drain_after_what_is_in_flight() -> None:
    source = FakeSource(range(5))

    def submit(report: int) -> None:
        if report == 0:
            source.fails["claim"] = PermissionError(13, "denied")
        else:
            source.failed.wait()

    with pytest.raises(PermissionError):
        _processor(source, submit, concurrency=2).drain()
    assert not source.claimed
    assert {end[1] for end in source.ends} == {"delivered"}


def test_a_run_tolerates_it(caplog: pytest.LogCaptureFixture) -> None:
    timing = FakeTiming()
    source, sent = FakeSource([1], timing), Event()
    source.fails["claim"] = PermissionError(13, "denied")
    processor = _processor(source, lambda _: sent.set(), timing)
    runner = gevent.spawn(processor.run)
    until(lambda: timing.now >= 1010, every=0)
    assert [record.message for record in caplog.records if "trying again" in record.message] == [
        "the queue cannot be read, trying again: [Errno 13] denied"
    ]
    del source.fails["claim"]
    assert sent.wait(30)
    processor.stop()
    runner.get(timeout=30)


def test_an_end_that_cannot_be_recorded_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    timing = FakeTiming()
    source, sent = FakeSource(range(4), timing), []

    def submit(report: Any) -> None:
        sent.append(report)
        source.fails = {"delivered": OSError(28, "full")} if report == 1 else {}

    summary = _processor(source, submit, timing, concurrency=1).drain()
    assert sent == [0, 1, 2, 3]
    assert summary.submitted == 4
    assert summary.remaining == 1  # still claimed, until the source is closed
    assert "could not be recorded" in caplog.text


def test_on_result_hears_of_every_end_and_its_errors_change_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timing = FakeTiming()
    source, heard = FakeSource(range(4), timing), []
    source.reports["2"] = UnreadableReportError("torn")

    def on_result(item_id: str, outcome: str, error: BaseException | None) -> None:
        heard.append((item_id, outcome, type(error)))
        raise KeyError("mine")

    steps = [ConnectionRefusedError(), Refused(500)]
    processor = _processor(source, script(*steps), timing, concurrency=1, on_result=on_result)
    assert processor.drain()[:3] == (3, 0, 1)
    assert Counter((outcome, kind) for _, outcome, kind in heard) == {
        ("released", ConnectionRefusedError): 1,
        ("released", Refused): 1,
        ("quarantined", UnreadableReportError): 1,
        ("submitted", type(None)): 3,
    }
    assert caplog.text.count("on_result failed") == 1


def test_the_callers_context_is_there() -> None:
    from contextvars import ContextVar

    shift: ContextVar[str] = ContextVar("shift", default="none")
    shift.set("night")
    seen = []
    _processor(FakeSource(range(2)), lambda _: seen.append(shift.get())).drain()
    assert seen == ["night", "night"]


# --- statistics and arguments


def test_statistics_are_added_up() -> None:
    gc.collect()
    before = queue_statistics()
    source = FakeSource(range(4))
    first, second = _processor(source, print), _processor(source, print)
    first.drain(timeout=None)
    source.put(9)
    found = queue_statistics()
    assert found["processors"] - before["processors"] == 2
    assert found["depth"] - before["depth"] == 1  # one queue, counted once
    assert present(found["oldest_age"]) >= 7.0
    assert found["submitted"] - before["submitted"] == 4
    assert first.stats()["rate"] > 0
    assert second.stats()["rate"] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"max_attempts": 0},
        {"backoff": (0, 1)},
        {"backoff": (2, 1)},
        {"timeout": 0},
        {"give_up_after": -1},
    ],
)
def test_arguments_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        _processor(FakeSource([]), print, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 1.5},
        {"concurrency": True},
        {"max_attempts": "5"},
        {"backoff": 5},
        {"backoff": (1.0,)},
        {"timeout": "60"},
        {"give_up_after": True},
        {"on_result": 1},
    ],
)
def test_arguments_of_the_wrong_type(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError, match=next(iter(options))):
        _processor(FakeSource([]), print, **options)


def test_arguments_of_no_use() -> None:
    async def post(_: Any) -> None: ...

    with pytest.raises(ArgumentTypeError, match="asynchronous"):
        _processor(FakeSource([]), post)
    with pytest.raises(ArgumentTypeError, match="callable"):
        _processor(FakeSource([]), 5)
    with pytest.raises(ArgumentTypeError, match="no claim"):
        QueueProcessor([], print)  # type: ignore[arg-type]
    methods = ("claim", "due_in", "has_untried", "refusal", "counts", "elsewhere", "oldest_age")
    half = SimpleNamespace(**dict.fromkeys(methods, 1))
    with pytest.raises(ArgumentTypeError, match="no recall"):
        QueueProcessor(half, print)


def test_times_out_of_range() -> None:
    processor = _processor(FakeSource([]), print)
    for timeout in (0, -1):
        with pytest.raises(InvalidArgumentError, match="timeout"):
            processor.drain(timeout=timeout)
    with pytest.raises(ArgumentTypeError, match="timeout"):
        processor.drain(timeout="1")
    with pytest.raises(InvalidArgumentError, match="stop_timeout"):
        processor.run(stop_timeout=-1)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        processor.stop(-1)
    assert processor.drain().submitted == 0  # nothing of it is running


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
