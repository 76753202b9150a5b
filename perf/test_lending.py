"""What a driven coroutine that never asks for an event loop pays because others may."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from recording import Records
from stage import EFFORT

from pywats_green.bridge import MAY_BLOCK, DeadlineExceeded, drive, set_deadline

CALLS = 20_000


async def never_asks() -> None:
    await MAY_BLOCK


async def asks() -> None:
    await asyncio.sleep(0)
    await asyncio.ensure_future(asyncio.sleep(0))


def drive_without(coroutine: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
    """Do what `drive` does, without lending."""
    deadline = None
    reply = None
    try:
        while True:
            awaited = coroutine.send(reply)
            if deadline is None and timeout is not None:
                deadline = set_deadline(timeout)
            reply = None if deadline is None else deadline.at
            if awaited is not MAY_BLOCK:
                raise AssertionError
    except StopIteration as stop:
        return stop.value
    except DeadlineExceeded as expired:
        if expired.deadline is not deadline:
            raise
        raise TimeoutError from None
    except RuntimeError as exc:
        if str(exc) != "no running event loop":
            raise
        raise
    finally:
        if deadline is not None:
            deadline.cancel()
        coroutine.close()


def seconds(run: Callable[..., Any], make: Callable[[], Any], calls: int = CALLS) -> float:
    start = time.process_time()
    for _ in range(calls):
        run(make(), 30.0)
    return (time.process_time() - start) / calls


def test_a_call_that_asks_for_no_loop(records: Records) -> None:
    rounds = EFFORT.rounds(15)
    ratios = [
        seconds(drive, never_asks) / seconds(drive_without, never_asks) for _ in range(rounds)
    ]
    records.figure("a call that asks for no loop: drive / drive without lending", ratios, "")


def test_a_call_that_asks_for_a_loop(records: Records) -> None:
    calls = CALLS // 100
    spent = [seconds(drive, asks, calls) * 1e6 for _ in range(EFFORT.rounds(9))]
    records.figure("CPU of a lent loop", spent, "us")


def test_a_switch_while_a_loop_runs(records: Records) -> None:
    """Other greenlets switch as before, but each switch looks whose loop asyncio holds."""
    import gevent

    def switches() -> float:
        start = time.process_time()
        for _ in range(CALLS):
            gevent.sleep(0)
        return (time.process_time() - start) / CALLS

    async def beside() -> float:
        return gevent.spawn(switches).get()

    ratios = [asyncio.run(beside()) / switches() for _ in range(EFFORT.rounds(9))]
    records.figure("a switch of greenlets while a loop runs / while none does", ratios, "")
