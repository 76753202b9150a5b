"""The batcher alone, with a source that the test controls."""

from collections.abc import Callable, Sequence
from typing import Any

import gevent
import pytest
from gevent.event import Event
from waiting import turn, until

from pywats_green.batching import Batcher, Learned, QueryRefusedError
from pywats_green.batching.learned import _REST


class Source:
    """Gives prepared answers, and counts queries."""

    room = 100

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []
        self.singles: list[Any] = []
        self.go = Event()
        self.go.set()
        self.answers: Callable[[Any], Any] = lambda key: key[0]
        self.error: Exception | None = None
        self.same: bool | None = True

    def size(self, key: Any) -> int:
        return len(key[0])

    def query(self, keys: Sequence[Any]) -> dict[Any, Any]:
        self.asked.append([key[0] for key in keys])
        self.go.wait()
        if self.error is not None:
            raise self.error
        return {key: self.answers(key) for key in keys if self.answers(key) is not None}

    def fullness(self, found: Any) -> int:
        return len(found)

    def compare(self, single: Any, found: Any) -> bool | None:
        return self.same

    def exists(self, single: Any) -> bool:
        return single is not None

    def answer(self, found: Any) -> Any:
        return f"query {found}"


class Bench:
    """A batcher whose route is proven unless stated otherwise."""

    def __init__(self, *, window: float = 0.0, is_proven: bool = True, limit: int = 4) -> None:
        self.now = 0.0
        self.source = Source()
        self.learned = Learned("GET /x", limit, clock=lambda: self.now)
        self.learned.is_proven = is_proven
        self.batcher = Batcher(self.source, self.learned, window, None)

    def get(self, name: str) -> Any:
        def single() -> Any:
            self.source.singles.append(name)
            return f"single {name}"

        return self.batcher.get((name,), single)

    def spawn(self, *names: str) -> list[Any]:
        calls = [gevent.spawn(self.get, name) for name in names]
        turn()
        return calls

    def wait_for_queries(self, count: int) -> None:
        until(lambda: len(self.source.asked) >= count)

    def map(self, *names: str) -> list[Any]:
        calls = self.spawn(*names)
        gevent.joinall(calls, timeout=10, raise_error=True)
        return [call.value for call in calls]


def test_keys_go_in_the_order_in_which_they_came() -> None:
    bench = Bench()
    assert bench.map("a", "b", "c", "d", "e", "f") == [f"query {name}" for name in "abcdef"]
    assert bench.source.asked == [["a", "b", "c", "d"], ["e", "f"]]


def test_the_one_left_over_makes_its_single_call() -> None:
    bench = Bench()
    assert bench.map("a", "b", "c", "d", "e")[-1] == "single e"
    assert bench.source.asked == [["a", "b", "c", "d"]]


def test_a_key_that_fills_the_room_sends_those_before_it() -> None:
    bench = Bench()
    long = "x" * 99
    assert bench.map("a", "b", long, "y" * 101) == [
        "query a",
        "query b",
        f"single {long}",
        f"single {'y' * 101}",
    ]
    assert bench.source.asked == [["a", "b"]]


def test_a_key_over_the_room_is_in_no_query_even_if_asked_for_twice() -> None:
    bench = Bench()
    long = "x" * 101
    assert bench.map(long, long, "a", "b") == [f"single {long}"] * 2 + ["query a", "query b"]


def test_two_of_one_key_are_a_query() -> None:
    bench = Bench()
    assert bench.map("a", "a") == ["query a", "query a"]
    assert bench.source.asked == [["a"]]


def test_a_lookup_does_not_join_a_query_that_is_under_way() -> None:
    bench = Bench()
    bench.source.go.clear()
    early = bench.spawn("a", "b")
    bench.wait_for_queries(1)
    late = bench.spawn("a", "b")  # what it asks for may have changed since
    bench.wait_for_queries(2)
    assert bench.source.asked == [["a", "b"]] * 2
    bench.source.go.set()
    gevent.joinall(early + late, raise_error=True)


def test_the_fullest_answer_is_compared_and_the_others_wait_for_it() -> None:
    bench = Bench(is_proven=False)
    bench.source.answers = lambda key: {"b": "bbb"}.get(key[0], key[0])
    bench.source.go.clear()
    calls = bench.spawn("a", "b", "c", "d", "e", "f", "g")
    bench.wait_for_queries(1)
    assert bench.source.asked == [["a", "b", "c", "d"]]
    assert bench.source.singles == []
    bench.source.go.set()
    gevent.joinall(calls, raise_error=True)
    assert bench.source.singles == ["b"]
    assert [call.value for call in calls][:2] == ["query a", "single b"]
    assert bench.source.asked[1:] == [["e", "f", "g"]]


def test_an_unequal_answer_ends_it_for_good(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(is_proven=False)
    bench.source.same = False
    assert bench.map(*"abcdef") == [f"single {name}" for name in "abcdef"]
    bench.now = 1e9
    assert bench.map("a", "b") == ["single a", "single b"]
    assert bench.source.asked == [["a", "b", "c", "d"]]
    assert len(caplog.records) == 1


def test_a_comparison_that_says_nothing_hands_nothing_out() -> None:
    bench = Bench(is_proven=False)
    bench.source.same = None
    assert bench.map("a", "b") == ["single a", "single b"]
    bench.source.same = True
    assert bench.map("a", "b") == ["single a", "query b"]


def test_waiting_for_a_proof_that_fails_goes_on() -> None:
    bench = Bench(is_proven=False)
    bench.source.error = ValueError()
    assert bench.map(*"abcdefgh") == [f"single {name}" for name in "abcdefgh"]
    assert len(bench.source.asked) == 2


def test_useless_queries_make_the_route_rest(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.source.answers = lambda key: key[0] if key[0] == "a" else None
    for _ in range(2):
        assert bench.map("a", "b", "c") == ["query a", "single b", "single c"]
    assert bench.map("a", "b", "c") == ["single a", "single b", "single c"]
    bench.now = _REST
    bench.source.answers = lambda key: key[0]
    assert bench.map("a", "b") == ["query a", "query b"]
    assert len(caplog.records) == 1


def test_a_useful_query_between_keeps_it_awake() -> None:
    bench = Bench()
    for is_useful in (False, True, False, True):
        bench.source.answers = (lambda key: key[0]) if is_useful else (lambda key: None)
        bench.map("a", "b")
    assert len(bench.source.asked) == 4


def test_a_refused_query_is_not_called_useless() -> None:
    bench = Bench(limit=16)
    bench.source.error = QueryRefusedError()
    for _ in range(3):
        bench.map(*"abcdefghijklmnop"[: bench.learned.limit])
    assert bench.learned.limit == 2
    assert bench.learned.allows(None) == 2
    assert bench.learned.allows(1) == 1


def test_two_keys_that_are_refused_do_not_end_it_for_good() -> None:
    bench = Bench(limit=16)
    bench.source.error = QueryRefusedError()
    bench.map("a", "b")
    bench.source.error = None
    assert bench.map("a", "b", "c") == ["single a", "single b", "single c"]
    bench.now = _REST
    assert bench.map("a", "b", "c") == ["query a", "query b", "query c"]


def test_a_comparison_that_fails_hands_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(is_proven=False)

    def fail(*_: Any) -> bool:
        raise RecursionError

    bench.source.compare = fail  # type: ignore[method-assign, assignment]
    assert bench.map("a", "b", "c") == ["single a", "single b", "single c"]
    assert not bench.learned.is_proven
    assert "RecursionError" in capsys.readouterr().err  # it is no secret


def test_the_last_to_leave_takes_the_query_along() -> None:
    bench = Bench()
    bench.source.go.clear()
    calls = bench.spawn("a", "b")
    bench.wait_for_queries(1)
    query = _running(bench)
    assert len(query) == 1
    calls[0].kill()
    assert not query[0].dead
    calls[1].kill()
    turn()
    assert query[0].dead


def test_a_query_killed_before_it_starts_frees_those_who_wait_for_its_proof() -> None:
    bench = Bench(is_proven=False)
    calls = bench.spawn("a", "b", "c", "d", "e", "f")  # the query of four is about to start
    assert bench.source.asked == []
    gevent.killall(calls[:4], block=False)
    gevent.joinall(calls, timeout=10)
    assert [call.value for call in calls[4:]] == ["single e", "query f"]


def test_waiters_that_leave_before_the_window_ends_leave_nothing() -> None:
    bench = Bench(window=60.0)
    calls = bench.spawn("a", "b", "b")
    timer = bench.batcher._timer
    gevent.killall(calls)
    assert bench.batcher._timer is None
    assert not bench.batcher._waiting
    turn()
    assert timer is not None
    assert timer.dead
    assert bench.source.asked == []


def test_closing_sends_what_waits_and_gathers_nothing_more() -> None:
    bench = Bench(window=60.0)
    calls = bench.spawn("a", "b")
    bench.batcher.close()
    gevent.joinall(calls, timeout=10, raise_error=True)
    assert [call.value for call in calls] == ["query a", "query b"]
    assert bench.map("a", "b") == ["single a", "single b"]


def test_closing_while_a_proof_is_on_its_way() -> None:
    bench = Bench(window=60.0, is_proven=False)
    bench.source.go.clear()
    calls = bench.spawn("a", "b", "c", "d", "e", "f")
    bench.batcher.close()
    bench.source.go.set()
    gevent.joinall(calls, timeout=10, raise_error=True)
    assert bench.source.asked == [["a", "b", "c", "d"], ["e", "f"]]


def test_kills_pass_through_the_single_call() -> None:
    bench = Bench()
    bench.source.answers = lambda key: None

    def single() -> Any:
        raise gevent.GreenletExit

    call = gevent.spawn(bench.batcher.get, ("a",), single)
    others = bench.spawn("b", "c")
    gevent.joinall([call, *others], timeout=10)
    assert isinstance(call.value, gevent.GreenletExit)
    assert [other.value for other in others] == ["single b", "single c"]


def _running(bench: Bench) -> list[Any]:
    import gc

    return [
        item
        for item in gc.get_objects()
        if isinstance(item, gevent.Greenlet)
        and not item.dead
        and getattr(getattr(item, "_run", None), "__name__", "") == "_run"
        and item._run.__self__._source is bench.source  # type: ignore[attr-defined]
    ]
