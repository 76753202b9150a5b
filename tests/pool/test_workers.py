"""How the items of a mapping share greenlets, and mappings share the slots of a pool."""

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.queue import SimpleQueue
from typed import private
from waiting import turn, until

import pywats_green
from pywats_green import Pool
from pywats_green.pool import mapping

MAPPINGS = ["map", "imap", "imap_unordered", "map_results"]


def _turn(item: Any) -> Any:
    turn()
    return item


def _run(how: str, pool: Pool, func: Callable[[Any], Any], items: Any) -> list[Any]:
    return list(getattr(pool, how)(func, items))


@pytest.fixture
def one_greenlet_each() -> Iterator[None]:
    pywats_green.configure(pool_reuse=False)
    yield
    pywats_green.configure(pool_reuse=True)


@pytest.fixture
def started() -> Iterator[Callable[..., Any]]:
    """Start greenlets that are killed at the end of the test."""
    greenlets: list[Any] = []

    def start(func: Callable[..., Any], *args: Any) -> Any:
        greenlets.append(gevent.spawn(func, *args))
        return greenlets[-1]

    with gevent.Timeout(20):
        yield start
    gevent.killall(greenlets)


# --- greenlets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", MAPPINGS)
def test_items_share_at_most_size_greenlets(how: str) -> None:
    seen: list[object] = []

    def work(item: int) -> int:
        seen.append(gevent.getcurrent())
        return _turn(item)  # type: ignore[no-any-return]

    _run(how, Pool(3), work, range(3) if how.startswith("imap") else range(100))
    assert len(set(seen)) <= 3


@pytest.mark.parametrize("how", MAPPINGS)
@pytest.mark.usefixtures("one_greenlet_each")
def test_each_item_has_a_greenlet_of_its_own_where_that_is_set(how: str) -> None:
    seen: list[object] = []

    def work(item: int) -> int:
        seen.append(gevent.getcurrent())
        return _turn(item)  # type: ignore[no-any-return]

    assert len(_run(how, Pool(3), work, range(20))) == 20
    assert len(set(seen)) == 20


def test_greenlet_locals_last_from_item_to_item() -> None:
    import threading

    here = threading.local()

    def work(item: int) -> int:
        here.seen = [*getattr(here, "seen", []), item]
        return len(here.seen)

    assert Pool(1).map(work, range(3)) == [1, 2, 3]


def test_len_and_free_count_tell_what_runs(started: Any) -> None:
    pool, gate = Pool(5), Event()
    running: SimpleQueue[Any] = SimpleQueue()

    def work(_: int) -> None:
        running.put(None)
        gate.wait()

    mapping_call = started(pool.map, work, range(3))
    for _ in range(3):
        running.get()
    assert (len(pool), pool.free_count()) == (3, 2)
    gate.set()
    mapping_call.get()
    assert (len(pool), pool.free_count()) == (0, 5)


# --- timers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 200])
def test_a_timer_that_an_item_left_armed_never_hits_the_next(count: int) -> None:
    timers: list[gevent.Timeout] = []

    def work(item: int) -> bool:
        if item == 0:
            timers.extend(gevent.Timeout.start_new(60, KeyError) for _ in range(count))
        return any(timer.pending for timer in timers)

    assert Pool(1).map(work, range(2)) == [True, False]


@pytest.mark.parametrize("is_installed", [True, False])
def test_nor_does_one_that_goes_off_where_the_package_is_uninstalled(is_installed: bool) -> None:
    timers: list[gevent.Timeout] = []

    def work(item: int) -> Any:
        if item == 0:
            timers.append(gevent.Timeout.start_new(0.001, KeyError))
        else:
            until(lambda: not timers[0].pending)
        return gevent.getcurrent()

    if not is_installed:
        pywats_green.uninstall()
    try:
        first, second = Pool(1).map(work, range(2))
    finally:
        pywats_green.install()
        timers[0].close()  # which libuv does not bear to be forgotten
    assert (first is second) is is_installed


def test_timers_started_and_closed_in_one_item_are_not_kept() -> None:
    def work(_: int) -> int:
        for _ in range(1_000):
            gevent.Timeout.start_new(60).close()
        return len(private(gevent.getcurrent()).armed)

    assert Pool(1).map(work, [0])[0] < 100


def test_a_timer_of_an_item_that_runs_hits_it() -> None:
    def work(item: int) -> int:
        with gevent.Timeout(0.001 if item == 0 else None):
            Event().wait(60 if item == 0 else 0)
        return item

    results = Pool(1).map_results(work, range(3))
    assert [result.error_code for result in results] == ["TIMEOUT", None, None]


# --- who gets a slot ----------------------------------------------------------------------------


def _beside_a_mapping(started: Any, size: int, call: Callable[[Pool], Any]) -> None:
    """Make a call on a pool whose slots are held by a mapping that only ends after the call."""
    pool, is_under_way, is_over = Pool(size), Event(), Event()

    def work(item: int) -> int:
        is_under_way.set()
        return _turn(item)  # type: ignore[no-any-return]

    def items() -> Iterator[int]:
        number = 0
        while not is_over.is_set():
            yield number
            number += 1

    endless = started(pool.map, work, items())
    is_under_way.wait()
    call(pool)
    is_over.set()
    values = endless.get()
    assert values == list(range(len(values)))
    pool.join()
    assert pool.free_count() == size


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("how", ["spawn", "apply", *MAPPINGS])
def test_a_mapping_starves_nobody(started: Any, size: int, how: str) -> None:
    def call(pool: Pool) -> None:
        if how == "spawn":
            pool.spawn(_turn, 1).join()
        elif how == "apply":
            assert pool.apply(_turn, (1,)) == 1
        else:
            assert len(_run(how, pool, _turn, range(20))) == 20

    _beside_a_mapping(started, size, call)


def test_a_mapping_of_a_full_pool_waits_for_a_slot(started: Any) -> None:
    pool, gate = Pool(1), Event()
    pool.spawn(gate.wait)
    call = started(pool.map, _turn, range(3))
    gevent.idle()
    assert not call.ready()
    gate.set()
    assert call.get() == [0, 1, 2]


def test_a_mapping_takes_a_slot_that_becomes_free_while_its_items_wait(started: Any) -> None:
    pool, gate, second = Pool(2), Event(), Event()

    def work(item: int) -> int:
        if item == 1:
            second.set()
        second.wait()  # the first ends only beside the second
        return item

    pool.spawn(gate.wait)
    call = started(pool.map, work, range(2))
    gevent.idle()
    gate.set()
    assert call.get() == [0, 1]


def test_a_mapping_that_was_given_up_waits_for_no_slot(started: Any) -> None:
    pool, gate = Pool(1), Event()
    pool.spawn(gate.wait)
    call = started(pool.map, _turn, range(3))
    gevent.idle()
    call.kill()
    gate.set()
    pool.join()
    assert pool.map(_turn, [1]) == [1]
    assert pool.free_count() == 1


def test_items_that_never_wait_let_others_run(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.001
        return now

    monkeypatch.setattr(mapping, "monotonic", clock)
    turns = 0

    def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            turn()

    started(other)
    assert Pool(2).map(abs, range(1_000)) == list(range(1_000))
    assert turns > 10


# --- kills --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", MAPPINGS)
@pytest.mark.parametrize("exception", [gevent.GreenletExit, ValueError])
def test_the_worker_of_a_killed_item_is_replaced(started: Any, how: str, exception: Any) -> None:
    pool = Pool(1)
    running: SimpleQueue[Any] = SimpleQueue()

    def work(item: int) -> int:
        if item == 1:
            running.put(gevent.getcurrent())
            Event().wait(60)
        return item

    call = started(_run, how, pool, work, range(4))
    worker = running.get()
    pool.killone(worker, exception)
    assert worker.dead
    if exception is ValueError and how != "map_results":
        with pytest.raises(ValueError):  # noqa: PT011  # as it was thrown, without a text
            call.get()
        return
    values = call.get()
    if how == "map_results":
        assert [result.is_success for result in values] == [True, False, True, True]
    else:
        assert [value for value in values if isinstance(value, int)] == [0, 2, 3]
        assert len(values) == 4


def test_a_worker_whose_item_swallows_a_kill_ends_with_it(started: Any) -> None:
    pool = Pool(1)
    running: SimpleQueue[Any] = SimpleQueue()

    def work(item: int) -> int:
        if item == 0:
            running.put(gevent.getcurrent())
            try:
                Event().wait(60)
            except gevent.GreenletExit:
                return -1
        return item

    call = started(pool.map, work, range(3))
    worker = running.get()
    worker.kill()
    assert worker.dead
    assert call.get() == [-1, 1, 2]


def _numbers(is_list: bool) -> Any:
    return list(range(10)) if is_list else iter(range(10))


@pytest.mark.parametrize("how", MAPPINGS)
@pytest.mark.parametrize("is_list", [True, False])
def test_nothing_starts_after_a_kill_of_the_pool(started: Any, how: str, is_list: bool) -> None:
    pool = Pool(2)
    running: SimpleQueue[Any] = SimpleQueue()
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        running.put(None)
        Event().wait(60)

    call = started(_run, how, pool, work, _numbers(is_list))
    for _ in range(2):
        running.get()
    pool.kill()
    values = call.get()
    assert begun == [0, 1]
    assert len(values) == 10
    if how == "map_results":
        assert {result.error_code for result in values} == {"CANCELLED"}
    else:
        assert all(isinstance(value, gevent.GreenletExit) for value in values)
    assert pool.free_count() == 2


def test_nothing_starts_after_a_block_left_on_an_error(started: Any) -> None:
    running: SimpleQueue[Any] = SimpleQueue()
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        running.put(None)
        Event().wait(60)

    with pytest.raises(KeyError), Pool(2) as pool:
        started(pool.map, work, range(10))
        for _ in range(2):
            running.get()
        raise KeyError
    gevent.idle()
    assert begun == [0, 1]


def test_a_killed_pool_can_be_used_again(started: Any) -> None:
    pool = Pool(2)
    call = started(pool.map, lambda _: Event().wait(60), range(10))
    gevent.idle()
    pool.kill()
    call.get()
    assert pool.map(_turn, range(4)) == [0, 1, 2, 3]


def test_a_time_limit_around_a_map_starts_nothing_more(started: Any) -> None:
    gate, begun = Event(), []

    def work(item: int) -> None:
        begun.append(item)
        gate.wait()

    pool = Pool(2)
    call = started(pool.map, work, range(10))
    gevent.idle()
    call.kill(gevent.Timeout())
    gate.set()
    pool.join()
    assert begun == [0, 1]  # these go on, as with gevent's


@pytest.mark.parametrize("how", MAPPINGS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_the_mapping(
    how: str, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise error
        return _turn(item)  # type: ignore[no-any-return]

    pool = Pool(1)
    with pytest.raises(error):
        _run(how, pool, work, range(10))
    pool.join()
    assert begun == [0, 1, 2]
    capsys.readouterr()  # gevent prints it before it hands it to the main greenlet


# --- errors and sources -------------------------------------------------------------------------


def test_map_raises_an_error_while_others_still_run(started: Any) -> None:
    gate, pool = Event(), Pool(2)

    def work(item: int) -> None:
        if item == 0:
            raise LookupError("first")
        gate.wait()

    with pytest.raises(LookupError, match="first"):
        pool.map(work, range(2))
    assert len(pool) > 0
    gate.set()
    pool.join()


def test_map_raises_the_first_error_in_order() -> None:
    late = Event()

    def work(item: int) -> None:
        if item == 0:
            late.wait()
            raise LookupError("first")
        late.set()
        raise KeyError("second")

    with pytest.raises(LookupError, match="first"):
        Pool(2).map(work, range(2))


def test_map_reads_a_generator_in_its_own_greenlet_and_not_far_ahead() -> None:
    readers, read, done = set(), 0, 0

    def source() -> Iterator[int]:
        nonlocal read
        for number in range(100):
            readers.add(gevent.getcurrent())
            read += 1
            assert read - done <= 2 * 5 + 1  # those that wait, and those that run
            yield number

    def work(item: int) -> int:
        nonlocal done
        _turn(item)
        done += 1
        return item

    assert Pool(5).map(work, source()) == list(range(100))
    assert readers == {gevent.getcurrent()}


def test_a_source_of_map_may_wait_for_what_its_items_do() -> None:
    answers: SimpleQueue[int] = SimpleQueue()

    def source() -> Iterator[int]:
        yield 0
        while (last := answers.get()) < 5:
            yield last + 1

    with gevent.Timeout(20):
        Pool(10).map(answers.put, source())


def test_items_read_before_a_source_of_map_raised_go_on() -> None:
    gate, done = Event(), []

    def source() -> Iterator[int]:
        yield from range(3)
        turn()
        raise LookupError("source")

    def work(item: int) -> None:
        gate.wait()
        done.append(item)

    pool = Pool(2)
    with pytest.raises(LookupError, match="source"):
        pool.map(work, source())
    gate.set()
    pool.join()
    assert done == [0, 1, 2]


def test_a_list_that_changes_meanwhile_changes_nothing() -> None:
    items = [1, 2, 3]

    def work(item: int) -> int:
        items.clear()
        return item

    assert Pool(1).map(work, items) == [1, 2, 3]


@pytest.mark.parametrize("how", MAPPINGS)
def test_nothing_is_kept_in_a_cycle(how: str) -> None:
    class Item:
        pass

    def work(item: Item) -> None:
        raise LookupError(type(item))

    pool, item = Pool(2), Item()
    kept = weakref.ref(item)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(LookupError):
            _run(how, pool, work, [item])
        del item
        pool.join()
        gevent.idle()
        assert kept() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("timeout", ["5", True, [1]])
def test_a_timeout_of_the_wrong_type_is_refused(timeout: Any) -> None:
    with pytest.raises(pywats_green.ArgumentTypeError, match="timeout"):
        Pool(1).map_results(_turn, [1], timeout=timeout)
