import _asyncio
import asyncio
import time

import gevent
import pytest
from waiting import turn

from pywats_green.bridge import MAY_BLOCK, drive
from pywats_green.exceptions import EventLoopRequiredError


async def _blocking(seconds: float) -> str:
    await MAY_BLOCK
    gevent.sleep(seconds)
    return "done"


def test_returns_what_the_coroutine_returns() -> None:
    async def value() -> int:
        return 7

    assert drive(value()) == 7


def test_raises_what_the_coroutine_raises() -> None:
    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        drive(fails())


def test_deadline_is_total_and_raises_upstreams_builtin_error() -> None:
    async def waits_three_times() -> None:
        for _ in range(3):
            await _blocking(0.05)

    with pytest.raises(TimeoutError, match=r"^Operation timed out after 0\.1s$"):
        drive(waits_three_times(), timeout=0.1)


def test_deadline_runs_the_finally_blocks_of_the_coroutine() -> None:
    closed = []

    async def holds() -> None:
        try:
            await _blocking(60)
        finally:
            closed.append(True)

    with pytest.raises(TimeoutError):
        drive(holds(), timeout=0.01)
    assert closed == [True]


def test_a_deadline_that_has_passed_before_the_first_wait_counts() -> None:
    async def thinks_first() -> None:
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            pass
        await _blocking(60)

    with pytest.raises(TimeoutError):
        drive(thinks_first(), timeout=0.01)


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all_ends_at_the_first_wait(timeout: float) -> None:
    with pytest.raises(TimeoutError):
        drive(_blocking(60), timeout=timeout)


def test_a_call_that_never_blocks_arms_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gevent.Timeout, "start_new", lambda *_: pytest.fail("a timer was armed"))

    async def hit() -> str:
        return "cached"

    assert drive(hit(), timeout=1) == "cached"


def test_a_foreign_timeout_passes_through() -> None:
    with gevent.Timeout(0.01) as outer, pytest.raises(gevent.Timeout) as caught:
        drive(_blocking(60), timeout=30)
    assert caught.value is outer


def test_a_kill_passes_through_and_closes_the_coroutine() -> None:
    ended = []

    async def holds() -> None:
        try:
            await _blocking(60)
        except BaseException as exc:
            ended.append(type(exc))
            raise

    greenlet = gevent.spawn(drive, holds(), 30)
    turn()
    greenlet.kill()
    assert ended == [gevent.GreenletExit]


def test_sleep_zero_lets_others_run() -> None:
    order = []

    async def polite() -> None:
        order.append("before")
        await asyncio.sleep(0)
        order.append("after")

    gevent.spawn(order.append, "other")
    drive(polite())
    assert order == ["before", "other", "after"]


def test_an_awaited_future_is_named_and_never_hangs() -> None:
    class Foreign:
        def __await__(self):
            yield self

    async def innermost() -> None:
        await Foreign()

    async def outer() -> None:
        await innermost()

    with pytest.raises(EventLoopRequiredError, match=r"innermost.*test_bridge\.py.*Foreign"):
        drive(outer())


def test_who_asks_past_asyncio_is_named() -> None:
    async def asks() -> None:
        _asyncio.get_running_loop()

    with pytest.raises(EventLoopRequiredError, match=r"asks.*test_bridge\.py"):
        drive(asks())


def test_other_runtime_errors_are_not_translated() -> None:
    async def fails() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="^mine$") as caught:
        drive(fails())
    assert type(caught.value) is RuntimeError
