"""Runs reads, writes, batches and a queue under faults, and checks that nothing grows.

    python perf/soak.py [--seconds 300]

Each wave goes through the same client: faults are planted, calls are made 50 at a time, some are
abandoned, reports are queued and drained. After each wave, when all calls have ended, memory, open
files, greenlets and objects are measured. They must not grow between the first third of the run,
after the warm-up, and the last, and no report may be lost. Exit status: 0 steady, 1 something grew
or was lost, 2 too short to tell.
"""

from __future__ import annotations

import pywats_green  # isort: split

import argparse
import gc
import itertools
import logging
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import greenlet
import objgraph
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

from pywats_green.testing import WatsServer

CALLS, AT_ONCE, REPORTS = 400, 50, 40
KEYS = 500  # fewer than the cache holds: it is full after the warm-up
IMPATIENCE = 0.05  # seconds after which some callers give up
SLOW = 0.2  # seconds of a late answer
WARM_UP = 0.25  # fraction of the waves that does not count
FEWEST = 12  # waves
FAULTS: tuple[dict[str, Any], ...] = (
    {"mode": "reset"},
    {"mode": "close"},
    {"mode": "cut"},
    {"mode": "close_after"},
    {"mode": "html"},
    {"status": 500},
    {"status": 503},
    {"status": 429, "retry_after": 0.05},
    {"mode": "delay", "delay": SLOW},
)


class Sample(NamedTuple):
    """Measurements of the process after a wave."""

    rss: float
    files: float
    greenlets: float
    objects: float


# Allowed difference between the medians of two thirds: a fraction, plus a number.
SLACK = Sample(rss=0.05, files=0.0, greenlets=0.0, objects=0.02)
BESIDES = Sample(rss=4e6, files=3, greenlets=3, objects=1000)


def look() -> Sample:
    gc.collect()
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    rss = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
    greenlets = sum(isinstance(item, greenlet.greenlet) for item in gc.get_objects())
    objects = sum(objgraph.typestats().values())
    return Sample(rss, len(list(Path("/proc/self/fd").iterdir())), greenlets, objects)


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return what has grown between the first third after the warm-up and the last.

    Args:
        samples: One per wave.
    """
    settled = samples[int(len(samples) * WARM_UP) :]
    third = len(settled) // 3
    found = []
    for name in Sample._fields:
        first, last = (
            statistics.median(getattr(sample, name) for sample in part)
            for part in (settled[:third], settled[-third:])
        )
        if last > first * (1 + getattr(SLACK, name)) + getattr(BESIDES, name):
            found.append(f"{name} grew from {first:,.0f} to {last:,.0f}")
    return found


class Soak:
    """One client, one queue, and the outcomes of the calls.

    Args:
        server: The embedded server.
        folder: Folder of the queue.
        seed: Seed of all random choices.
    """

    def __init__(self, server: WatsServer, folder: Path, seed: int = 0) -> None:
        self.server, self.folder, self.chance = server, folder, random.Random(seed)  # noqa: S311
        self.api = pyWATS(base_url=server.url, token=server.token, cache_ttl=1.0)
        self.queue = pywats_green.FolderQueue(folder)
        self.outcomes: Counter[str] = Counter()
        self.put: set[str] = set()
        self.numbers = itertools.count()

    def close(self) -> None:
        self.api.close()

    def wave(self) -> None:
        """Run a wave: faults, calls, reports. Nothing is in flight when it returns."""
        for fault in self.chance.sample(FAULTS, 3):
            self.server.fail("*", **fault)
        calls = [self.chance.choice(self.ways()) for _ in range(CALLS)]
        with pywats_green.Pool(AT_ONCE) as pool:
            self.outcomes.update(pool.map(self.outcome, calls))
        for _ in range(REPORTS):
            report = {"type": "T", "pn": "PN-00000", "sn": str(next(self.numbers))}
            self.put.add(self.queue.put(report).lower())
        self.drain()

    def ways(self) -> list[Callable[[], object]]:
        """Return the kinds of calls, with more reads than writes."""
        product, key = self.api.product, f"PN-{self.chance.randrange(KEYS):05d}"

        def impatient() -> object:
            with gevent.Timeout(IMPATIENCE):
                return product.get_product(key)

        def edited() -> object:
            found = product.get_product(key)
            return product.update_product(found) if found is not None else None

        def batched() -> object:
            with pywats_green.batching():
                return product.get_product(key)

        read = lambda: product.get_product(key)  # noqa: E731
        return [read, read, read, impatient, edited, batched]

    def outcome(self, call: Callable[[], object]) -> str:
        try:
            call()
        except (Exception, gevent.Timeout) as exc:  # noqa: BLE001  # all errors are counted
            return type(exc).__name__
        return "success"

    def drain(self) -> None:
        """Send what is queued; what a fault delayed is left for the next wave."""
        processor = pywats_green.QueueProcessor(
            self.queue, self.api, backoff=(0.05, 0.2), give_up_after=5.0
        )
        summary = processor.drain()
        self.outcomes["report sent"] += summary.submitted

    def lost(self) -> set[str]:
        """Return the reports that have neither arrived nor are queued, without faults."""
        self.server.clear_faults()
        self.drain()
        waiting = {path.name for path in self.folder.rglob("*") if path.is_file()}
        arrived = self.server.reports().keys()
        missing = self.put - arrived
        return {key for key in missing if not any(key in name.lower() for name in waiting)}


def soak(seconds: float, tell: Callable[[str], None]) -> int:
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="pywats-green-soak-") as folder, WatsServer() as server:
        run = Soak(server, Path(folder) / "queue")
        end = time.monotonic() + seconds
        while not samples or time.monotonic() < end:
            run.wave()
            samples.append(look())
            held = "{:,} bytes, {} files, {} greenlets, {:,} objects".format(*samples[-1])
            tell(f"wave {len(samples)}: {held}; {dict(run.outcomes.most_common())}")
        lost = run.lost()
        run.close()
    for key in sorted(lost):
        tell(f"lost: report {key}")
    if len(samples) < FEWEST and not lost:
        tell(f"{len(samples)} waves are too few to tell: {FEWEST}, or more --seconds")
        return 2
    found = grown(samples)
    for line in found:
        tell(line)
    tell("steady" if not found and not lost else "not steady")
    return 1 if found or lost else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (300)")
    seconds = parser.parse_args(arguments).seconds
    logging.disable(logging.CRITICAL)  # faults are expected
    configure_throttling(enabled=False)
    return soak(seconds, print)


if __name__ == "__main__":
    sys.exit(main())
