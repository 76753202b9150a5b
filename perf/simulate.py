"""How long reports wait, and how many pile up, for so many stations under one limit: a simulation.

    python perf/simulate.py --stations 100 1000 10000 --reports 20 --hubs 2
    python perf/simulate.py --stations 1000 --shift-end 0.5
    python perf/simulate.py --stations 1000 --outage 3600 --limit 500 --window 60 --latency 0.3

Reports arrive at random (Poisson), `--reports` an hour from each station, and with `--shift-end` so
large a part of them within the last minute of each eight hours. They are sent first come, first
served, as a fleet that shares its limit does: never more than `--limit` in any `--window` seconds,
counted until the answer, as this package does. `perf/test_simulation.py` compares it with a real
run.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_HOUR = 3600.0
_SHIFT = 8 * _HOUR
_LAST_MINUTE = 60.0


class Load(NamedTuple):
    """What arrives.

    Attributes:
        stations: How many.
        reports: Of each, an hour.
        hours: How long.
        shift_end: The part that arrives in the last minute of a shift, 0 to 1.
        seed: Of the random numbers.
    """

    stations: int
    reports: float
    hours: float
    shift_end: float = 0.0
    seed: int = 0

    def arrivals(self) -> list[float]:
        """Return the times in seconds, in order."""
        chance = random.Random(self.seed)  # noqa: S311
        total = round(self.stations * self.reports * self.hours)
        end = self.hours * _HOUR
        found = []
        for _ in range(total):
            at = chance.uniform(0.0, end)
            if chance.random() < self.shift_end:
                shift = at // _SHIFT
                at = min(end, (shift + 1) * _SHIFT) - chance.uniform(0.0, _LAST_MINUTE)
            found.append(at)
        found.sort()
        return found


class Server(NamedTuple):
    """What answers.

    Attributes:
        limit: Requests within the window.
        window: Seconds.
        latency: Seconds of a request.
        concurrency: Requests at once, of all hubs together.
        outage: Seconds for which nothing is answered, from the middle on.
    """

    limit: int = 500
    window: float = 60.0
    latency: float = 0.3
    concurrency: int = 40
    outage: float = 0.0


class Outcome(NamedTuple):
    """What became of it.

    Attributes:
        waits: Seconds of each report from its arrival to its answer.
        backlog: The most reports that waited at once.
        finished: Seconds until the last answer.
        busy: The part of the limit that was used while reports arrived.
    """

    waits: list[float]
    backlog: int
    finished: float
    busy: float

    def quantile(self, part: float) -> float:
        """Return the wait that so large a part does not exceed."""
        return self.waits[min(len(self.waits) - 1, int(part * len(self.waits)))]


def simulate(arrivals: Iterable[float], server: Server) -> Outcome:
    """Send reports in their order, as soon as a slot and a worker are free."""
    arrived = list(arrivals)
    middle = arrived[-1] / 2 if arrived else 0.0
    free = [0.0] * server.concurrency  # when each worker is
    answers: deque[float] = deque(maxlen=server.limit)
    waits, waiting, backlog = [], deque[float](), 0
    answered = 0.0
    for at in arrived:
        start = max(at, heapq.heappop(free))
        if len(answers) == server.limit:
            start = max(start, answers[0] + server.window)
        if middle <= start < middle + server.outage:
            start = middle + server.outage
        answered = start + server.latency
        answers.append(answered)
        heapq.heappush(free, answered)
        waits.append(answered - at)
        while waiting and waiting[0] <= at:
            waiting.popleft()
        waiting.append(start)
        backlog = max(backlog, len(waiting))
    waits.sort()
    possible = server.limit / server.window * max(arrived[-1], server.window) if arrived else 1.0
    return Outcome(waits, backlog, answered, min(1.0, len(arrived) / possible))


def _row(load: Load, server: Server, hubs: int) -> Iterator[str]:
    outcome = simulate(load.arrivals(), server)
    yield f"{load.stations:,}"
    yield f"{load.stations * load.reports / 3600:.2f}"
    yield f"{outcome.busy:.0%}"
    for part in (0.5, 0.99, 1.0):
        yield _time(outcome.quantile(part))
    yield f"{outcome.backlog:,}"
    yield f"{-(-outcome.backlog // hubs):,}"
    after = outcome.finished - load.hours * _HOUR
    yield "at once" if after < server.window else _time(after)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"


_TITLES = (
    "stations", "reports/s", "limit used", "wait p50", "p99", "longest", "backlog", "a hub",
    "empty after",
)  # fmt: skip


def main(arguments: list[str]) -> None:
    """Print a table, a row for each number of stations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, nargs="+", default=[100, 300, 1000, 1500, 10_000])
    parser.add_argument("--reports", type=float, default=20.0, help="of a station, an hour")
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--shift-end", type=float, default=0.0, help="part in the last minute")
    parser.add_argument("--hubs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--window", type=float, default=60.0)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--concurrency", type=int, default=20, help="of a hub")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds, from the middle on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    server = Server(
        given.limit, given.window, given.latency, given.concurrency * given.hubs, given.outage
    )
    print("| " + " | ".join(_TITLES) + " |")
    print("|" + "---|" * len(_TITLES))
    for stations in given.stations:
        load = Load(stations, given.reports, given.hours, given.shift_end, given.seed)
        print("| " + " | ".join(_row(load, server, given.hubs)) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
