"""Kills and deadlines that strike calls on lent loops, beside loops of their own: a script.

    python tests/patching/kills.py SEED

Prints what is left afterwards, as a line for each finding; nothing: all is well.
"""

# ruff: noqa: T201, I001  # the patch comes first
import pywats_green  # noqa: F401

import asyncio
import random
import sys
from contextlib import suppress
from typing import Any

import gevent
import greenlet

from pywats_green import bridge
from pywats_green.bridge import MAY_BLOCK, drive
from pywats_green.patching.running_loops import LOOPING

CALLS = 300
chance = random.Random(int(sys.argv[1]))


async def blocks() -> None:
    await MAY_BLOCK
    gevent.sleep(chance.random() * 0.004)


async def tidies_up() -> None:
    try:
        await asyncio.sleep(0.003)
    finally:
        await asyncio.sleep(0.001)


async def times_out() -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(0.01), 0.002)


async def service() -> str:
    for _ in range(chance.randrange(1, 5)):
        step = chance.randrange(5)
        if step == 0:
            await asyncio.sleep(chance.random() * 0.004)
        elif step == 1:
            await asyncio.gather(blocks(), asyncio.sleep(0.001), return_exceptions=True)
        elif step == 2:
            await asyncio.to_thread(int)
        else:
            await chance.choice((blocks, tidies_up, times_out))()
    return "ok"


async def on_a_loop_of_its_own() -> str:
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await asyncio.sleep(chance.random() * 0.003)
        assert drive(service(), 5) == "ok"
        assert asyncio.get_running_loop() is loop
    return "ok"


def call(number: int) -> Any:
    try:
        if number % 3 == 0:
            return asyncio.run(on_a_loop_of_its_own())
        return drive(service(), chance.choice([None, 0.01, 0.003, 5.0]))
    except TimeoutError:
        return "late"


def main() -> None:
    calls = []
    for number in range(CALLS):
        calls.append(gevent.spawn(call, number))
        if chance.random() < 0.4:
            gevent.spawn_later(chance.random() * 0.02, calls[-1].kill, block=False)
        if number % 20 == 0:
            gevent.sleep(0.002)
    gevent.joinall(calls, timeout=60)
    for each in calls:
        if not each.dead:
            print("still runs")
        elif each.exception is not None:
            print("failed", repr(each.exception))
        elif not (each.value in ("ok", "late") or isinstance(each.value, greenlet.GreenletExit)):
            print("returned", repr(each.value))
    left = {
        "loans": len(bridge._loans),
        "loops": len(LOOPING),
        "tracer": greenlet.gettrace(),
        "running loop": asyncio._get_running_loop(),
        "hooks": [hook for hook in sys.get_asyncgen_hooks() if hook is not None],
    }
    for name, what in left.items():
        if what:
            print(name, what)


main()
