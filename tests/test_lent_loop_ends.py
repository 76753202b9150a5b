"""How a call on a lent loop waits and ends: deadlines, kills, cancellation."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from lending import (  # noqa: F401
    cooperative,
    forever,
    green,
    later,
    needs_loops,
    short_waits,
    since_3_11,
    taken_back,
)
from typed import present

from pywats_green.bridge import MAY_BLOCK, drive
from pywats_green.exceptions import EventLoopRequiredError

pytestmark = [needs_loops, short_waits]


def _cleaning_up(seen: list[str], reached: Event | None = None) -> Coroutine[Any, Any, None]:
    async def cleans_up() -> None:
        await later()
        try:
            if reached is not None:
                reached.set()
            await forever()
        except asyncio.CancelledError:
            seen.append("cancelled")
            await later()
            await green()
            seen.append("cleaned up")
            raise

    return cleans_up()


def test_a_deadline_cancels_and_waits_for_the_cleanup() -> None:
    seen: list[str] = []
    with pytest.raises(TimeoutError, match=r"^Operation timed out after 0\.05s$"):
        drive(_cleaning_up(seen), 0.05)
    assert seen == ["cancelled", "cleaned up"]


def test_a_kill_too() -> None:
    seen: list[str] = []
    reached = Event()
    killed: Any = gevent.spawn(drive, _cleaning_up(seen, reached))
    assert reached.wait(60)
    killed.kill()
    assert isinstance(killed.value, gevent.GreenletExit)
    assert seen == ["cancelled", "cleaned up"]


def test_a_foreign_timeout_passes_through() -> None:
    with gevent.Timeout(0.01) as outer, pytest.raises(gevent.Timeout) as caught:
        drive(forever_after_a_sleep(), 60)
    assert caught.value is outer


async def forever_after_a_sleep() -> None:
    await later()
    await forever()


@pytest.mark.parametrize("where", ["task", "callback"])
def test_no_task_and_no_callback_swallows_a_deadline(where: str) -> None:
    async def blocks() -> None:
        await MAY_BLOCK
        gevent.sleep(60)

    async def swallows() -> None:
        if where == "task":
            await asyncio.gather(blocks(), return_exceptions=True)
        else:
            await later()
            asyncio.get_running_loop().call_soon(gevent.sleep, 60)
            await forever()
        pytest.fail("swallowed")

    with pytest.raises(TimeoutError, match="^Operation timed out"):
        drive(swallows(), 0.02)


async def _fails_to_clean_up(reached: Event | None = None) -> None:
    await later()
    try:
        if reached is not None:
            reached.set()
        await forever()
    finally:
        raise ValueError("mine")


def test_after_a_deadline_the_cleanup_may_end_otherwise() -> None:
    """As with upstream, which uses `asyncio.wait_for`."""

    async def returns() -> str:
        await later()
        try:
            await forever()
        except asyncio.CancelledError:
            return str(await later("mine"))
        return "nothing"

    for call in (drive, _by_upstream):
        with pytest.raises(ValueError, match="^mine$"):
            call(_fails_to_clean_up(), 0.02)
        assert call(returns(), 0.02) == "mine"


def _by_upstream(coroutine: Coroutine[Any, Any, Any], timeout: float) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, timeout))


def test_a_kill_during_the_cleanup_closes_the_coroutine() -> None:
    seen: list[str] = []
    cleaning = Event()

    async def cleans_up_for_ever() -> None:
        await later()
        try:
            await forever()
        finally:
            cleaning.set()
            try:
                await forever()
            except GeneratorExit:
                seen.append("closed")
                raise

    killed: Any = gevent.spawn(drive, cleans_up_for_ever(), 0.02)
    assert cleaning.wait(60)
    killed.kill()
    assert isinstance(killed.value, gevent.GreenletExit)
    assert seen == ["closed"]


def test_a_cleanup_that_fails_after_a_kill_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    reached = Event()
    killed: Any = gevent.spawn(drive, _fails_to_clean_up(reached))
    assert reached.wait(60)
    with caplog.at_level(logging.ERROR):
        killed.kill()
    assert isinstance(killed.value, gevent.GreenletExit)
    assert "a cancelled call failed" in caplog.text


def test_cancelling_oneself() -> None:
    async def cancels() -> str:
        await later()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await forever()
        except asyncio.CancelledError:
            return str(await later("cancelled"))
        return "not cancelled"

    assert drive(cancels(), 60) == "cancelled"


def test_tasks_left_behind_are_cancelled() -> None:
    seen = []

    async def stays() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def leaves() -> None:
        tasks.append(asyncio.create_task(stays()))
        await later()

    tasks: list[asyncio.Task[None]] = []
    drive(leaves())
    assert seen == ["cancelled"]
    assert tasks[0].cancelled()


@pytest.mark.parametrize("how", ["deadline", "kill"])
def test_whatever_strikes_in_a_sleep_of_0_leaves_time_to_clean_up(how: str) -> None:
    seen: list[str] = []
    begun = Event()

    async def polls() -> None:
        try:
            while True:
                await asyncio.sleep(0)
                begun.set()
        finally:
            seen.append(await later("cleaned up"))

    if how == "deadline":
        with pytest.raises(TimeoutError, match="^Operation timed out"):
            drive(polls(), 0.02)
    else:
        killed: Any = gevent.spawn(drive, polls())
        assert begun.wait(60)
        killed.kill()
        assert isinstance(killed.value, gevent.GreenletExit)
    assert seen == ["cleaned up"]


def test_a_coroutine_that_is_refused_and_asks_for_a_loop_in_its_cleanup() -> None:
    class Foreign:
        def __await__(self) -> Generator[object, None, None]:
            yield self

    async def awaits() -> None:
        try:
            await Foreign()
        finally:
            await later()

    with pytest.raises(RuntimeError, match="^coroutine ignored GeneratorExit$") as caught:
        drive(awaits())
    assert isinstance(caught.value.__context__, EventLoopRequiredError)


async def _stubborn(ending: Event) -> None:
    try:
        await forever()
    finally:
        try:
            ending.set()
            await forever()
        finally:
            await forever()


async def _collected(ending: Event) -> AsyncGenerator[int, None]:
    try:
        yield 1
    finally:
        ending.set()
        await forever()


@pytest.mark.parametrize("left", ["task", "generator", "kept generator"])
def test_a_kill_at_the_end_goes_before_whatever_is_left(
    left: str, caplog: pytest.LogCaptureFixture
) -> None:
    ending = Event()
    kept: list[object] = []

    async def leaves() -> None:
        await later()
        if left == "task":
            kept.append(asyncio.create_task(_stubborn(ending)))
            await later()
            return
        generator = _collected(ending)
        await generator.__anext__()
        if left == "kept generator":
            kept.append(generator)

    killed: Any = gevent.spawn(drive, leaves())
    assert ending.wait(60)
    killed.kill()
    assert isinstance(killed.value, gevent.GreenletExit)
    kept.clear()
    gc.collect()
    assert "was destroyed" not in caplog.text


def test_a_lock_for_which_several_greenlets_wait() -> None:
    """asyncio binds a lock to the first loop that waits; a lent one lasts for one call."""
    lock = asyncio.Lock()
    inside: list[int] = []
    passed: list[int] = []

    async def locks(number: int) -> None:
        async with lock:
            inside.append(number)
            assert len(inside) == 1
            await green()
            inside.remove(number)
            passed.append(number)

    for _ in range(2):
        for done in [gevent.spawn(drive, locks(number), 60) for number in range(4)]:
            done.get(timeout=60)
    assert passed == [0, 1, 2, 3] * 2


def test_debug_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    test_a_lock_for_which_several_greenlets_wait()


def test_what_is_no_future_is_an_error_in_the_coroutine() -> None:
    class Foreign:
        def __await__(self) -> Generator[object, None, None]:
            yield self

    async def awaits() -> str:
        await later()
        try:
            await Foreign()
        except RuntimeError as exc:
            return str(exc)
        return "nothing"

    assert "bad yield" in drive(awaits())


def test_it_is_freed() -> None:
    loops: list[weakref.ref[Any]] = []

    async def fails() -> None:
        await later()
        loops.append(weakref.ref(asyncio._get_running_loop()))
        raise ValueError("mine")

    for _ in range(2):  # Python 3.10 keeps the frames of the last one
        with pytest.raises(ValueError, match="^mine$"):
            drive(fails())
    gc.collect()
    assert loops[0]() is None


def test_a_callback_that_the_coroutine_cancels_never_runs() -> None:
    """Not even one that is due at the same time as the coroutine."""
    ran: list[str] = []

    async def cancels() -> None:
        await later()
        loop = present(asyncio._get_running_loop())
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(future.set_result, None)
        loop.call_soon(lambda: handles.append(loop.call_soon(ran.append, "late")))
        await future
        handles[0].cancel()
        await later()

    handles: list[asyncio.Handle] = []
    drive(cancels(), 60)
    assert ran == []
