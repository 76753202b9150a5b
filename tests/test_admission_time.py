"""Time that does not count, on the real hub: who is hit, and who is not, never when.

A deadline of the same length that was set later has struck: then the earlier one was put off.
"""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from throttle.clock import run_all
from waiting import BOUND

from pywats_green import CacheManager, Pool
from pywats_green.admission_time import AdmissionTime, affecting, own, seconds_of, waiting
from pywats_green.bridge import DeadlineExceeded, set_deadline

SHORT = 0.03


def _limited(work: Callable[[], object]) -> str:
    """Do something with a short limit; say if it held."""
    deadline = set_deadline(SHORT)
    try:
        work()
    except DeadlineExceeded as struck:
        if struck.deadline is not deadline:
            raise
        return "struck"
    finally:
        deadline.cancel()
    return "held"


def _one_strikes() -> None:
    """Wait until a limit that is set now has struck."""
    assert gevent.spawn(_limited, Event().wait).get(timeout=BOUND) == "struck"


def _admitted_after(event: Event) -> None:
    with waiting():
        event.wait()


def test_a_limit_stands_still_while_its_greenlet_waits_to_be_admitted() -> None:
    go = Event()
    held = gevent.spawn(_limited, lambda: _admitted_after(go))
    run_all()
    for _ in range(3):  # it is put off again and again
        _one_strikes()
    assert not held.dead
    go.set()
    assert held.get(timeout=BOUND) == "held"


def test_it_runs_again_when_the_wait_is_over() -> None:
    go = Event()

    def wait_and_work() -> None:
        _admitted_after(go)
        Event().wait()

    job = gevent.spawn(_limited, wait_and_work)
    run_all()
    _one_strikes()
    go.set()
    assert job.get(timeout=BOUND) == "struck"


def test_what_was_waited_before_it_was_set_changes_nothing() -> None:
    def twice() -> str:
        _limited(lambda: _admitted_after(go))
        return _limited(Event().wait)

    go = Event()
    job = gevent.spawn(twice)
    run_all()
    _one_strikes()
    go.set()
    assert job.get(timeout=BOUND) == "struck"


def test_all_limits_of_a_greenlet_stand_still() -> None:
    go = Event()
    held = gevent.spawn(_limited, lambda: _limited(lambda: _admitted_after(go)))
    run_all()
    _one_strikes()
    assert not held.dead
    go.set()
    assert held.get(timeout=BOUND) == "held"


def test_a_kill_while_it_waits_ends_the_wait() -> None:
    times: list[AdmissionTime] = []

    def wait() -> None:
        times.append(own())
        with waiting():
            Event().wait()

    job = gevent.spawn(wait)
    run_all()
    assert times[0].waits == 1
    job.kill()
    assert times[0].waits == 0
    assert seconds_of(job) == times[0].total > 0


def test_readers_of_one_load_stand_still_with_it() -> None:
    cache = CacheManager()
    go = Event()

    def load() -> str:
        _admitted_after(go)
        return "value"

    jobs = [
        gevent.spawn(_limited, lambda: cache.get_or_load("key", load)),
        gevent.spawn(_limited, lambda: cache.get_or_load("key", load)),
    ]
    run_all()
    _one_strikes()
    late = gevent.spawn(_limited, lambda: cache.get_or_load("key", load))  # it waits already
    run_all()
    _one_strikes()
    assert not any(job.dead for job in [*jobs, late])
    go.set()
    assert [job.get(timeout=BOUND) for job in [*jobs, late]] == ["held"] * 3
    assert cache.get_stats()["coalesced"] == 2


def test_a_reader_of_a_load_that_works_is_struck() -> None:
    cache = CacheManager()
    leader = gevent.spawn(cache.get_or_load, "key", Event().wait)
    run_all()
    reader = gevent.spawn(_limited, lambda: cache.get_or_load("key", Event().wait))
    assert reader.get(timeout=BOUND) == "struck"
    leader.kill()


def test_a_load_that_waits_for_another_load_passes_it_on() -> None:
    cache = CacheManager()
    go = Event()

    def outer() -> object:
        return cache.get_or_load("inner", lambda: _admitted_after(go))

    leader = gevent.spawn(cache.get_or_load, "inner", lambda: _admitted_after(go))
    run_all()
    middle = gevent.spawn(cache.get_or_load, "outer", outer)
    run_all()
    reader = gevent.spawn(_limited, lambda: cache.get_or_load("outer", outer))
    run_all()
    _one_strikes()
    assert not reader.dead
    go.set()
    assert reader.get(timeout=BOUND) == "held"
    both: list[gevent.Greenlet[..., Any]] = [leader, middle]
    gevent.joinall(both, timeout=BOUND, raise_error=True)


def test_an_item_stands_still_while_its_own_pool_waits() -> None:
    go = Event()

    def item(_: int) -> list[None]:
        with Pool(3) as inner:
            return inner.map(lambda _: _admitted_after(go), range(3))

    with Pool(1) as pool:
        batch = gevent.spawn(pool.map_results, item, [0], timeout=SHORT)
        run_all()
        _one_strikes()
        _one_strikes()
        assert not batch.dead
        go.set()
        (result,) = batch.get(timeout=BOUND)
    assert result.is_success


def test_an_item_stands_still_while_it_waits_for_a_slot_of_another_pool() -> None:
    go = Event()
    other = Pool(1)
    busy = other.spawn(go.wait)

    def item(_: int) -> object:
        return other.apply(int)

    with Pool(1) as pool:
        batch = gevent.spawn(pool.map_results, item, [0], timeout=SHORT)
        run_all()
        _one_strikes()
        assert not batch.dead
        go.set()
        (result,) = batch.get(timeout=BOUND)
    assert result.is_success
    busy.join()


def test_waits_at_the_same_time_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    from pywats_green import admission_time

    now = 0.0
    monkeypatch.setattr(admission_time, "time", types.SimpleNamespace(monotonic=lambda: now))
    leader, follower = AdmissionTime(), Event()
    found: list[float] = []

    def follow() -> None:
        with leader.followed(), affecting(own()), leader.followed():  # twice is once
            follower.wait()
        found.append(own().seconds())

    job = gevent.spawn(follow)
    run_all()
    leader.began()
    now = 2.0
    leader.began()
    now = 5.0
    leader.ended()
    now = 7.0
    assert leader.seconds() == 7.0
    follower.set()
    job.join()
    assert found == [7.0]
    now = 9.0
    leader.ended()
    assert leader.seconds() == 9.0
    assert seconds_of(job) == 7.0
