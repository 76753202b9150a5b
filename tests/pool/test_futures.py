"""`Pool.submit`: tasks with the futures of `concurrent.futures`."""

import contextvars
import gc
import weakref
from concurrent.futures import CancelledError, Future, as_completed, wait

import gevent
import pytest
from gevent.event import Event

from pywats_green import Pool, configure

variable = contextvars.ContextVar("variable", default="unset")


def double(number: int, *, plus: int = 0) -> int:
    gevent.sleep(0)
    return 2 * number + plus


def fail(error: BaseException) -> None:
    gevent.sleep(0)
    raise error


@pytest.fixture(params=[True, False], ids=["reused greenlets", "a greenlet each"])
def pool(request):
    configure(pool_reuse=request.param)
    yield Pool(2)
    configure(pool_reuse=True)


def test_values_and_errors(pool):
    with pool:
        futures = [pool.submit(double, number, plus=1) for number in range(7)]
        failed = pool.submit(fail, ValueError("three"))
        timed_out = pool.submit(fail, gevent.Timeout())
    assert all(future.done() for future in futures)  # the block waits for all of them
    assert [future.result() for future in futures] == [1, 3, 5, 7, 9, 11, 13]
    assert isinstance(futures[0], Future)
    with pytest.raises(ValueError, match="three"):
        failed.result()
    assert type(timed_out.exception()) is gevent.Timeout


def test_submit_does_not_wait_for_a_slot(pool):
    go = Event()
    futures = [pool.submit(go.wait) for _ in range(5)]
    assert len(pool) <= 2
    assert not any(future.done() for future in futures)
    go.set()
    assert [future.result(timeout=30) for future in futures] == [True] * 5
    pool.join()
    assert pool.submit(double, 4).result(timeout=30) == 8  # after it had run out of tasks


def test_in_the_order_of_completion(pool):
    go = Event()
    late, early = pool.submit(go.wait), pool.submit(double, 1)
    done = as_completed([late, early], timeout=30)
    assert next(done) is early
    go.set()
    assert next(done) is late
    assert wait([late, early], timeout=30).not_done == set()


def test_never_more_than_its_size_and_beside_a_map(pool):
    running, most = [], []

    def work(item):
        running.append(item)
        most.append(len(running))
        gevent.sleep(0)
        running.remove(item)
        return item

    futures = [pool.submit(work, -number) for number in range(1, 20)]
    assert pool.map(work, range(20)) == list(range(20))
    assert [future.result(timeout=30) for future in futures] == [-n for n in range(1, 20)]
    assert max(most) == 2


def test_the_context_is_that_of_each_call(pool):
    futures = []
    for value in ("one", "two"):
        variable.set(value)
        futures.append(pool.submit(variable.get))
    variable.set("later")
    assert [future.result(timeout=30) for future in futures] == ["one", "two"]


def test_one_that_waits_can_be_cancelled(pool):
    go = Event()
    running = [pool.submit(go.wait) for _ in range(2)]
    gevent.sleep(0)
    waiting = pool.submit(fail, AssertionError("started"))
    assert waiting.cancel()
    assert not running[0].cancel()
    go.set()
    with pool:
        pass
    with pytest.raises(CancelledError):
        waiting.result()
    assert running[0].result() is True


def test_kill_ends_what_runs_and_cancels_what_waits(pool):
    futures = [pool.submit(Event().wait) for _ in range(5)]
    gevent.sleep(0)
    pool.kill()
    assert wait(futures, timeout=30).not_done == set()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()
    assert pool.submit(double, 1).result(timeout=30) == 2


def test_an_error_in_the_block_cancels(pool):
    with pytest.raises(KeyError), pool:
        futures = [pool.submit(Event().wait) for _ in range(5)]
        gevent.sleep(0)
        raise KeyError
    assert all(future.done() for future in futures)


def test_a_killed_task_costs_nothing_but_itself(pool):
    stuck = [pool.submit(Event().wait) for _ in range(2)]
    others = [pool.submit(double, number) for number in range(3)]
    gevent.sleep(0)
    for greenlet in list(pool):
        greenlet.kill()
    assert [future.result(timeout=30) for future in others] == [0, 2, 4]
    for future in stuck:
        with pytest.raises(CancelledError):
            future.result()


def test_a_task_may_submit_and_wait(pool):
    def outer():
        return pool.submit(double, 21).result(timeout=30)

    assert pool.submit(outer).result(timeout=30) == 42


def test_values_are_not_kept(pool):
    class Value:
        pass

    value = pool.submit(Value).result(timeout=30)
    found = weakref.ref(value)
    pool.join()
    del value
    gc.collect()
    assert found() is None


INTERRUPTED = """
import gevent
import pywats_green

def fail():
    raise {error}

pool = pywats_green.Pool(2)
future = pool.submit(fail)
waiting = [pool.submit(gevent.sleep, 0) for _ in range(5)]
try:
    pool.join()
except {error}:
    print("reached", type(future.exception()).__name__)
    print(all(future.done() for future in waiting))
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_an_interrupt_reaches_the_main_greenlet_too(run_python, error):
    """As gevent does with one in any greenlet; an executor would keep it in the future."""
    result = run_python(INTERRUPTED.format(error=error))
    assert result.stdout.split() == ["reached", error, "True"]


SWITCHED_OFF = """
import pywats_green

pool = pywats_green.Pool(2)
print(pool.submit(pow, 2, 10).result())
print(repr(pool.submit(int, "x").exception()))
"""


def test_switched_off_a_call_runs_at_once(run_python):
    result = run_python(SWITCHED_OFF, env={"PYWATS_GREEN_DISABLE": "1"})
    assert result.stdout.splitlines()[0] == "1024"
    assert result.stdout.splitlines()[1].startswith("ValueError")
