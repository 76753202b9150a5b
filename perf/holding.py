"""Plays that hold calls in flight and measure their memory.

For "same number of results kept", `keep` looks up as many products as will be in flight, a few at
a time, and keeps them. So their memory is part of both states that `hold` compares: idle, and with
all calls waiting for a server that has not answered any of them yet. Connections, stacks, requests
and whatever else a waiting call needs is only part of the second.

A process holds calls only once, because not all freed memory is returned to the system.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lookups import client, uncached
from play import Play, Setting, keys
from pywats import AsyncWATS

AT_A_TIME = 10
SETTLE = 2.5  # seconds until all calls have been sent; the server must take longer to answer
FIELDS = {"VmRSS": "rss", "VmSize": "address_space", "Threads": "threads"}
KEPT: list[Any] = []


def status() -> dict[str, int]:
    """Return resident memory and address space in bytes, and the number of native threads."""
    rows = (row.split() for row in Path("/proc/self/status").read_text("utf-8").splitlines())
    found = {row[0].rstrip(":"): row for row in rows if row}
    return {
        name: int(found[field][1]) * (1024 if found[field][-1] == "kB" else 1)
        for field, name in FIELDS.items()
    }


def compared(idle: dict[str, int], finished: int) -> dict[str, int]:
    full = status()
    return {**{name: full[name] - idle[name] for name in idle}, "finished": finished}


def settled_idle() -> dict[str, int]:
    gc.collect()
    return status()


def green_keep(setting: Setting) -> Play:
    import pywats_green

    api = uncached(setting)
    KEPT.append(api)

    def run(count: int) -> None:
        KEPT.append(pywats_green.Pool(AT_A_TIME).map(api.product.get_product, keys(count)))

    return Play(run)


def green_hold(_: Setting) -> Play:
    import pywats_green

    def run(count: int) -> dict[str, int]:
        read, idle = KEPT[0].product.get_product, settled_idle()
        pool = pywats_green.Pool(count)
        calls = [pool.spawn(read, key) for key in keys(count)]
        time.sleep(SETTLE)
        gc.collect()
        return compared(idle, sum(call.ready() for call in calls))

    return Play(run)


def threads_keep(setting: Setting) -> Play:
    api = uncached(setting)
    return Play(lambda count: KEPT.append([api.product.get_product(key) for key in keys(count)]))


def threads_hold(setting: Setting) -> Play:
    """Threads with a pyWATS each; a call in flight needs the whole client."""
    finished: list[object] = []

    def call(key: str) -> None:
        finished.append(client(setting, enable_cache=False).product.get_product(key))

    def run(count: int) -> dict[str, int]:
        idle = settled_idle()
        for key in keys(count):
            threading.Thread(target=call, args=(key,), daemon=True).start()
        time.sleep(3 * SETTLE)  # creating a client is slow
        gc.collect()
        return compared(idle, len(finished))

    return Play(run)


def async_keep(setting: Setting) -> Play:
    loop = asyncio.new_event_loop()
    api = AsyncWATS(base_url=setting.url, token=setting.token, enable_cache=False)
    KEPT.extend([loop, api])

    async def some(todo: Iterator[str]) -> list[Any]:
        return [await api.product.get_product(key) for key in todo]

    async def keep(count: int) -> None:
        todo = keys(count)
        KEPT.append(await asyncio.gather(*(some(todo) for _ in range(AT_A_TIME))))

    return Play(lambda count: loop.run_until_complete(keep(count)))


def async_hold(_: Setting) -> Play:
    """Upstream's client opens at most 100 connections; the other calls wait inside it."""

    async def hold(count: int) -> dict[str, int]:
        read, idle = KEPT[1].product.get_product, settled_idle()
        tasks = [asyncio.ensure_future(read(key)) for key in keys(count)]
        await asyncio.sleep(SETTLE)
        gc.collect()
        return compared(idle, sum(task.done() for task in tasks))

    return Play(lambda count: KEPT[0].run_until_complete(hold(count)))


PLAYS: dict[str, Callable[[Setting], Play]] = {
    "green keep": green_keep,
    "green hold": green_hold,
    "threads keep": threads_keep,
    "threads hold": threads_hold,
    "async keep": async_keep,
    "async hold": async_hold,
}
