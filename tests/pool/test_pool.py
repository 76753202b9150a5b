import contextvars
import gc
import itertools

import gevent
import pytest
from gevent.event import Event
from pywats.core.parallel import parallel_execute
from pywats.shared.result import Failure, Success
from typed import present
from waiting import turn

from pywats_green import ArgumentTypeError, InvalidArgumentError, Pool

variable = contextvars.ContextVar("variable", default="unset")


def _nap(item: int) -> int:
    for _ in range(item % 3):
        turn()
    return item


def _fail_on_three(item: int) -> int:
    turn()
    if item == 3:
        raise ValueError("three")
    return item


# --- gevent's behaviour, and what is added to it -----------------------------------------------


def test_is_a_gevent_pool() -> None:
    import gevent.pool

    assert issubclass(Pool, gevent.pool.Pool)
    assert Pool().size == 50


@pytest.mark.parametrize("size", [0, -1])
def test_a_bad_size_is_refused_at_once(size: int) -> None:
    with pytest.raises(InvalidArgumentError, match="integer of at least 1"):
        Pool(size)


@pytest.mark.parametrize("size", [2.5, None, True, "5"])
def test_a_size_of_the_wrong_type_is_refused_at_once(size: object) -> None:
    with pytest.raises(ArgumentTypeError, match="integer of at least 1") as caught:
        Pool(size)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)


def test_map_keeps_the_order_and_the_bound() -> None:
    running = peak = 0

    def work(item: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        _nap(item)
        running -= 1
        return item

    assert Pool(4).map(work, range(20)) == list(range(20))
    assert peak == 4


@pytest.mark.parametrize("how", ["map", "imap", "imap_unordered"])
def test_equals_gevents_own(how: str) -> None:
    ours = list(getattr(Pool(3), how)(_nap, range(10)))
    theirs = list(getattr(gevent.pool.Pool(3), how)(_nap, range(10)))
    assert sorted(ours) == sorted(theirs)
    if how != "imap_unordered":
        assert ours == theirs


def test_an_error_that_reaches_the_caller_prints_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = Pool(2)
    with pytest.raises(ValueError, match="three"):
        pool.map(_fail_on_three, range(5))
    with pytest.raises(ValueError, match="three"):
        list(pool.imap(_fail_on_three, range(5)))
    with pytest.raises(ValueError, match="three"):
        pool.apply(_fail_on_three, (3,))
    pool.map_results(_fail_on_three, range(5))
    assert capsys.readouterr().err == ""


def test_an_error_of_a_spawned_greenlet_is_printed_as_gevent_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    greenlet = Pool(2).spawn(_fail_on_three, 3)
    greenlet.join()
    assert "ValueError: three" in capsys.readouterr().err
    with pytest.raises(ValueError, match="three"):
        greenlet.get()


def test_the_pool_stays_usable_after_errors() -> None:
    pool = Pool(2)
    for _ in range(5):
        with pytest.raises(ValueError, match="three"):
            pool.map(_fail_on_three, [3, 3, 3])
    pool.join()
    assert pool.free_count() == 2
    assert pool.map(_nap, range(4)) == [0, 1, 2, 3]


def test_imap_gives_the_values_behind_an_error() -> None:
    results = Pool(2).imap(_fail_on_three, range(5))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == [4]


@pytest.mark.parametrize(
    ("options", "most"), [({}, 10), ({"maxsize": 3}, 3), ({"maxsize": 30}, 30)]
)
@pytest.mark.parametrize("how", ["imap", "imap_unordered"])
def test_imap_prefetches_at_most_size_unless_told_otherwise(
    how: str, options: dict[str, int], most: int
) -> None:
    read = handed = furthest = 0

    def source():
        nonlocal read, furthest
        for item in range(200):
            read += 1
            furthest = max(furthest, read - handed)
            yield item

    results = getattr(Pool(10), how)(_nap, source(), **options)
    for _ in results:
        handed += 1
    assert furthest == most


def test_imap_refuses_a_bad_maxsize() -> None:
    with pytest.raises(InvalidArgumentError, match="maxsize"):
        Pool(1).imap(_nap, [1], maxsize=0)
    with pytest.raises(ArgumentTypeError, match="maxsize"):
        Pool(1).imap(_nap, [1], maxsize="5")  # type: ignore[call-overload]


def test_imap_without_a_bound_reads_as_the_slots_allow() -> None:
    assert list(Pool(2).imap(_nap, range(9), maxsize=None)) == list(range(9))


def test_imap_takes_several_iterables() -> None:
    assert list(Pool(2).imap(lambda a, b: a + b, [1, 2, 3], [10, 20])) == [11, 22]


@pytest.mark.parametrize("how", ["imap", "imap_unordered"])
def test_an_iterable_that_raises_half_way_raises_behind_its_values(how: str) -> None:
    def source():
        yield from range(3)
        raise LookupError("source")

    pool = Pool(2)
    results = getattr(pool, how)(_nap, source())
    assert sorted(itertools.islice(results, 3)) == [0, 1, 2]
    with pytest.raises(LookupError, match="source"):
        next(results)
    assert pool.free_count() == 2
    with pytest.raises(LookupError, match="source"):
        pool.map(_nap, source())
    with pytest.raises(LookupError, match="source"):
        pool.map_results(_nap, source())


def test_a_dropped_imap_leaves_nothing_behind() -> None:
    pool = Pool(5)
    before = sum(isinstance(o, gevent.Greenlet) for o in gc.get_objects())
    for _ in range(20):
        next(pool.imap(_nap, itertools.count()))
    pool.join()
    gc.collect()
    assert pool.free_count() == 5
    assert sum(isinstance(o, gevent.Greenlet) for o in gc.get_objects()) <= before


def test_a_timeout_of_the_reader_loses_no_value() -> None:
    gate = Event()

    def work(item: int) -> int:
        gate.wait()
        return item

    results = Pool(2).imap(work, range(3))
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        next(results)  # nothing can be there yet
    gate.set()
    assert list(results) == [0, 1, 2]


@pytest.mark.parametrize("how", ["imap", "imap_unordered"])
def test_a_source_that_waits_for_what_the_reader_does_is_no_deadlock(how: str) -> None:
    answers: gevent.queue.SimpleQueue[int] = gevent.queue.SimpleQueue()

    def source():
        yield 0
        while (last := answers.get()) < 5:
            yield last + 1

    with gevent.Timeout(20):
        seen = []
        for value in getattr(Pool(10), how)(_nap, source()):
            seen.append(value)
            answers.put(value)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_slow_source_holds_up_neither_the_call_nor_what_is_there() -> None:
    gate = Event()

    def source():
        yield 1
        gate.wait()
        yield 2

    with gevent.Timeout(20):
        results = Pool(10).imap(_nap, source())
        assert next(results) == 1
        gate.set()
        assert list(results) == [2]


def test_a_full_pool_does_not_block_the_call_of_imap() -> None:
    pool, gate = Pool(1), Event()
    pool.spawn(gate.wait)
    results = pool.imap(_nap, [1])
    gate.set()
    assert list(results) == [1]


def test_apply_inside_the_pool_runs_at_once() -> None:
    pool = Pool(1)
    assert pool.apply(lambda: pool.apply(_nap, (1,))) == 1


# --- context ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["map", "imap", "imap_unordered", "map_results", "spawn", "apply"])
def test_the_context_of_the_call_reaches_every_greenlet_and_no_change_comes_back(how: str) -> None:
    def read(_: int) -> str:
        value = variable.get()
        variable.set("changed in the greenlet")
        return value

    pool = Pool(2)
    token = variable.set("of the caller")
    try:
        if how == "spawn":
            values = [pool.spawn(read, i).get() for i in range(3)]
        elif how == "apply":
            values = [pool.apply(read, (i,)) for i in range(3)]
        elif how == "map_results":
            values = [present(result.value) for result in pool.map_results(read, range(3))]
        else:
            values = list(getattr(pool, how)(read, range(3)))
        assert variable.get() == "of the caller"
    finally:
        variable.reset(token)
    assert values == ["of the caller"] * 3


def test_imap_captures_the_context_at_the_call() -> None:
    token = variable.set("at the call")
    results = Pool(1).imap(lambda _: variable.get(), range(3))
    variable.reset(token)
    assert list(results) == ["at the call"] * 3


# --- the context manager ------------------------------------------------------------------------


def test_leaving_joins() -> None:
    done = []
    with Pool(2) as pool:
        pool.spawn(lambda: done.append(_nap(1)))
    assert done == [1]


def test_leaving_by_an_exception_kills() -> None:
    with pytest.raises(KeyError), Pool(2) as pool:
        greenlet = pool.spawn(gevent.sleep, 60)
        raise KeyError
    assert greenlet.dead
    assert pool.free_count() == 2


def test_a_timeout_while_joining_kills() -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01), Pool(2) as pool:
        greenlet = pool.spawn(gevent.sleep, 60)
    greenlet.join(1)
    assert greenlet.dead


# --- map_results --------------------------------------------------------------------------------


def test_map_results_never_raises_for_an_item() -> None:
    results = Pool(2).map_results(_fail_on_three, range(5))
    assert [result.is_success for result in results] == [True, True, True, False, True]
    assert isinstance(results[0], Success)
    assert isinstance(results[3], Failure)


def test_map_results_needs_no_text_of_an_item_or_error() -> None:
    class Mute(Exception):  # noqa: N818  # an item and an error
        def __str__(self) -> str:
            raise RuntimeError

    def work(item: Mute | None) -> int:
        if item is not None:
            raise item
        return 1

    first, second = Pool(2).map_results(work, [Mute(), None])
    assert second.is_success
    assert isinstance(first, Failure)
    assert first.error_code == "OPERATION_FAILED"
    assert "Mute" in first.message
    assert "Mute" in first.details["key"]


def test_map_results_equals_upstreams_parallel_execute() -> None:
    def work(item: str) -> str | None:
        turn()
        if item == "none":
            return None
        if item.startswith("!"):
            raise {"!value": ValueError, "!key": KeyError, "!os": OSError, "!time": TimeoutError}[
                item
            ](item)
        return item.upper()

    items = ["a", "none", "!value", "!key", "!os", "!time", "b"]
    ours = Pool(3).map_results(work, items)
    theirs = parallel_execute(items, work, max_workers=3)
    assert [result.model_dump() for result in ours] == [result.model_dump() for result in theirs]


def test_an_item_over_its_timeout_fails_with_timeout() -> None:
    results = Pool(1).map_results(lambda s: Event().wait(s) or s, [0, 60, 0], timeout=0.02)
    assert [result.error_code for result in results] == [None, "TIMEOUT", None]
    assert results[1].message == "Operation timed out after 0.02s"
    assert isinstance(results[1], Failure)
    assert results[1].details == {"key": "60", "index": 1, "exception_type": "TimeoutError"}


def test_the_wait_for_a_slot_does_not_count_in_a_timeout() -> None:
    pool = Pool(1)
    pool.spawn(Event().wait, 0.05)
    assert pool.map_results(abs, [1], timeout=0.001)[0].is_success


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_bad_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidArgumentError, match="more than 0"):
        Pool(1).map_results(_nap, [1], timeout=timeout)


def test_fail_fast_cancels_the_rest_and_keeps_what_had_finished() -> None:
    started, done, fourth = [], [], Event()

    def work(item: int) -> int:
        started.append(item)
        if item == 4:
            fourth.set()
        if item == 2:
            fourth.wait()  # the first two have ended by then
            raise ValueError("two")
        if item > 2:
            Event().wait(60)
        done.append(item)
        return item

    pool = Pool(4)
    results = pool.map_results(work, range(10), fail_fast=True)
    assert [result.error_code for result in results] == [None, None, "INVALID_INPUT"] + [
        "CANCELLED"
    ] * 7
    assert pool.join(timeout=1)  # nothing is left running
    assert done == [0, 1]
    assert 9 not in started


def test_a_killed_item_is_cancelled_and_the_others_go_on() -> None:
    def work(item: int) -> int:
        turn()
        if item == 1:
            raise gevent.GreenletExit
        return item

    assert [r.error_code for r in Pool(2).map_results(work, range(3))] == [None, "CANCELLED", None]


def test_an_item_that_raises_a_base_exception_of_its_own_reaches_the_caller_of_map() -> None:
    class Strange(BaseException):
        pass

    def work(item: int) -> int:
        raise Strange

    pool = Pool(2)
    with pytest.raises(Strange):
        pool.map(work, [1])
    assert pool.map_results(work, [1])[0].error_code == "OPERATION_FAILED"
    assert pool.free_count() == 2


def test_keyboard_interrupt_in_an_item_ends_the_map_and_leaves_nothing_running(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(item: int) -> None:
        if item == 2:
            raise KeyboardInterrupt
        Event().wait(60)

    pool = Pool(3)
    with pytest.raises(KeyboardInterrupt):
        pool.map_results(work, range(3))
    assert pool.join(timeout=1)
    capsys.readouterr()  # gevent prints it before it hands it to the main greenlet


def test_progress_is_called_with_completed_and_total() -> None:
    seen: list[tuple[int, int]] = []
    Pool(2).map_results(_nap, range(3), progress=lambda *args: seen.append(args))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_progress_true_reports_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Pool(2).map_results(_nap, range(3), progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "3/3\n"  # where there is no terminal


def test_progress_that_raises_leaves_nothing_running() -> None:
    pool = Pool(2)

    def broken(completed: int, total: int) -> None:
        raise RuntimeError("bar")

    with pytest.raises(RuntimeError, match="bar"):
        pool.map_results(gevent.sleep, [0, 60], progress=broken)
    assert pool.join(timeout=1)


def test_no_items() -> None:
    assert Pool(2).map_results(_nap, []) == []
    assert Pool(2).map(_nap, []) == []
    assert list(Pool(2).imap(_nap, [])) == []
