"""One revision at work, in a process of its own and with the Python of that revision's environment.

The gate starts it, also with old revisions: it may only use what was public from the start. It
reads commands, one a line, and answers each with a line of JSON:

    time CALLS     seconds of the clock on the wall and of the processor, for that many calls
    count CALLS    greenlet switches, for that many calls

    PYTHON perf/gate_workload.py METRIC URL TOKEN FOLDER
"""

from __future__ import annotations

import pywats_green  # isort: split

import gc
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import greenlet
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

METRIC, URL, TOKEN, FOLDER = sys.argv[1:5]
CONCURRENCY = 50
KEYS = [f"PN-{number:05d}" for number in range(1000)]
# Looked up around what is counted, so that the log of system calls shows where it begins and ends.
BEGIN, END = "/pywats-green-gate/begin", "/pywats-green-gate/end"

Run = Callable[[], object]
Prepare = Callable[[int], Run]


class MissingError(Exception):
    """This revision does not have what the metric measures."""


def keys(count: int) -> list[str]:
    return [KEYS[number % len(KEYS)] for number in range(count)]


def spend(values: Iterable[object]) -> None:
    """Use values up without keeping them: the garbage collector would walk what is kept."""
    deque(values, maxlen=0)


def client(*, cache: bool) -> pyWATS:
    api = pyWATS(base_url=URL, token=TOKEN, enable_cache=cache)
    product = api.product.get_product(KEYS[0])
    if product is None or product.part_number != KEYS[0]:
        raise RuntimeError(f"{KEYS[0]} was answered with {product!r}")
    return api


def sequential() -> Prepare:
    """One look-up after another, none from the cache."""
    api = client(cache=False)

    def prepare(calls: int) -> Run:
        wanted = keys(calls)
        return lambda: spend(api.product.get_product(key) for key in wanted)

    return prepare


def concurrent() -> Prepare:
    """Look-ups 50 at a time, none from the cache."""
    api, pool = client(cache=False), pywats_green.Pool(CONCURRENCY)

    def prepare(calls: int) -> Run:
        wanted = keys(calls)
        return lambda: pool.map(api.product.get_product, wanted)

    return prepare


def cached() -> Prepare:
    """The same look-up again and again, from the cache."""
    api = client(cache=True)
    return lambda calls: lambda: spend(api.product.get_product(KEYS[0]) for _ in range(calls))


def drain() -> Prepare:
    """Reports out of a folder to the server, 20 at a time."""
    processor = getattr(pywats_green, "QueueProcessor", None)
    if processor is None:
        raise MissingError("no QueueProcessor")
    api, rounds = client(cache=False), iter(range(sys.maxsize))
    root = Path(FOLDER)

    def prepare(reports: int) -> Run:
        number = next(rounds)
        folder = root / str(number)
        folder.mkdir()
        for index in range(reports):
            report = {
                "id": f"{os.getpid():08x}-{number:04x}-4000-8000-{index:012x}",
                "type": "T",
                "pn": KEYS[0],
                "sn": str(index),
            }
            (folder / f"{index:06d}.queued").write_text(json.dumps(report), encoding="utf-8")

        def run() -> None:
            summary = processor(folder, api, concurrency=20).drain()
            if summary.submitted != reports:
                raise RuntimeError(f"{reports} reports were drained with {summary}")

        return run

    return prepare


METRICS: dict[str, Callable[[], Prepare]] = {
    "sequential": sequential,
    "concurrent": concurrent,
    "cached": cached,
    "drain": drain,
}


def timed(run: Run) -> dict[str, float]:
    gc.collect()  # what the round before left behind is not this round's
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def counted(run: Run) -> dict[str, float]:
    switches = 0

    def trace(_: str, __: object) -> None:
        nonlocal switches
        switches += 1

    before: Any = greenlet.gettrace()
    os.path.exists(BEGIN)  # noqa: PTH110  # one system call, whatever pathlib makes of it
    greenlet.settrace(trace)
    try:
        run()
    finally:
        greenlet.settrace(before)
        os.path.exists(END)  # noqa: PTH110
    return {"switches": switches}


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    configure_throttling(enabled=False)  # the limiter would be what is measured
    try:
        prepare = METRICS[METRIC]()
    except MissingError as exc:
        say({"missing": str(exc)})
        return
    prepare(4 * CONCURRENCY)()  # connections, and the interpreter's own caches
    gc.collect()
    gc.freeze()  # or every collection walks all modules, which takes longer than a round
    say({})
    measure = {"time": timed, "count": counted}
    for line in sys.stdin:
        command, calls = line.split()
        say(measure[command](prepare(int(calls))))


if __name__ == "__main__":
    main()
