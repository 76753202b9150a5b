"""Mixed calls of one client, some of them under faults, some of them killed, in waves."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from pywats import pyWATS
from pywats.core.retry import RetryConfig
from soak.measuring import Sample, look

import pywats_green
from pywats_green.testing import WatsServer

CALLS, KILLS, REPORTS = 4_000, 220, 40  # a wave
AT_ONCE = 50
FAULTY = 0.05  # of the calls
KEYS = 500  # fewer than the cache holds: it is full after the warm-up
IMPATIENCE = 0.05  # seconds after which some callers give up
LONGEST_LIFE = 0.005  # seconds after which a call is killed, at most
SLOW = 0.2  # seconds of a late answer
QUICKLY = RetryConfig(base_delay=0.02, max_delay=0.2)  # seconds
FAULTS: tuple[dict[str, Any], ...] = (
    {"mode": "reset"},
    {"mode": "close"},
    {"mode": "cut"},
    {"mode": "close_after"},
    {"mode": "html"},
    {"status": 500},
    {"status": 503},
    {"mode": "delay", "delay": SLOW},
)
# Rare, because after each the server is spared for a while.
LIMIT: dict[str, Any] = {"status": 429, "retry_after": 0.05}
LIMITED = 0.005  # of the faults


class WrongAnswerError(Exception):
    """A call got the answer to another one."""


class Mixed(NamedTuple):
    """The outcome of the phase of mixed calls."""

    samples: list[Sample]
    outcomes: Counter[str]
    lost: set[str]
    reports: int


class Calls:
    """One client, one queue, and the outcomes of the calls.

    Args:
        server: The embedded server.
        folder: Folder of the queue.
        seed: Seed of all random choices.
    """

    def __init__(self, server: WatsServer, folder: Path, seed: int = 0) -> None:
        self.server, self.folder, self.chance = server, folder, random.Random(seed)  # noqa: S311
        self.api = pyWATS(
            base_url=server.url, token=server.token, cache_ttl=1.0, retry_config=QUICKLY
        )
        self.queue = pywats_green.FolderQueue(folder)
        self.outcomes: Counter[str] = Counter()
        self.put: set[str] = set()
        self.numbers = itertools.count()

    def close(self) -> None:
        self.api.close()

    def wave(self, calls: int = CALLS, kills: int = KILLS) -> None:
        """Run a wave: calls, kills, reports. Nothing is in flight when it returns."""
        doomed = set(self.chance.sample(range(calls), kills))
        with pywats_green.Pool(AT_ONCE) as pool:
            tasks = [self.doomed if each in doomed else self.outcome for each in range(calls)]
            self.outcomes.update(pool.imap_unordered(lambda task: task(self.call()), tasks))
        self.server.clear_faults()
        for _ in range(REPORTS):
            report = {"type": "T", "pn": "PN-00000", "sn": str(next(self.numbers))}
            self.put.add(self.queue.put(report).lower())
        self.drain()

    def call(self) -> Callable[[], object]:
        """Choose a call, with more reads than writes; plant a fault before some."""
        product, key = self.api.product, f"PN-{self.chance.randrange(KEYS):05d}"
        is_faulty = self.chance.random() < FAULTY
        fault = LIMIT if self.chance.random() < LIMITED else self.chance.choice(FAULTS)

        def read() -> object:
            found = product.get_product(key)
            if found is not None and found.part_number != key:
                raise WrongAnswerError(f"{found.part_number} instead of {key}")
            return found

        def impatient() -> object:
            with gevent.Timeout(IMPATIENCE):
                return read()

        def edited() -> object:
            found = product.get_product(key)
            return product.update_product(found) if found is not None else None

        def batched() -> object:
            with pywats_green.batching():
                return read()

        chosen = self.chance.choice([read, read, read, impatient, edited, batched])

        def run() -> object:
            if is_faulty:
                self.server.fail("*", **fault)
            return chosen()

        return run

    def outcome(self, call: Callable[[], object]) -> str:
        try:
            call()
        except (Exception, gevent.Timeout) as exc:  # noqa: BLE001  # all errors are counted
            return type(exc).__name__
        return "success"

    def doomed(self, call: Callable[[], object]) -> str:
        """Make a call in a greenlet that is killed soon, unless it has ended before."""
        greenlet = gevent.spawn(self.outcome, call)
        gevent.sleep(self.chance.uniform(0, LONGEST_LIFE))
        was_alive = not greenlet.dead
        greenlet.kill()
        return "killed" if was_alive else str(greenlet.value)

    def drain(self) -> None:
        """Send what is queued; what a fault delayed is left for the next wave."""
        processor = pywats_green.QueueProcessor(
            self.queue, self.api, backoff=(0.05, 0.2), give_up_after=5.0
        )
        self.outcomes["report sent"] += processor.drain().submitted

    def lost(self) -> set[str]:
        """Return the reports that have neither arrived nor are queued, without faults."""
        self.server.clear_faults()
        self.drain()
        waiting = {path.name for path in self.folder.rglob("*") if path.is_file()}
        missing = self.put - self.server.reports().keys()
        return {key for key in missing if not any(key in name.lower() for name in waiting)}


def soaked(waves: int, folder: Path, tell: Callable[[str], None]) -> Mixed:
    """Run the phase: a number of waves, and a sample after each."""
    samples: list[Sample] = []
    with WatsServer() as server:
        run = Calls(server, folder / "queue")
        began = time.monotonic()
        for number in range(1, waves + 1):
            run.wave()
            samples.append(look(began))
            held = "{:.0f} s, {:,} bytes, {} files, {} greenlets, {:,} objects".format(*samples[-1])
            tell(f"wave {number} of {waves}: {held}; {dict(run.outcomes.most_common())}")
        lost = run.lost()
        run.close()
    return Mixed(samples, run.outcomes, lost, len(run.put))
