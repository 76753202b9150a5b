"""Counts what the processors of this process do."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypedDict

from pywats_green.queue.source import Source

_WINDOW = 10.0  # seconds over which the current rate is taken


class DrainSummary(NamedTuple):
    """What a drain did.

    Attributes:
        submitted: Reports that the server has now, including those it already had.
        retried: Failed attempts that counted, and were or will be repeated.
        quarantined: Reports put into quarantine.
        remaining: Reports still there when it ended, waiting or claimed by whomever.
        paused_reason: Why nothing was being sent at the end; None: sending was not paused.
        elapsed: Seconds from start to end.
        rate: Reports submitted per second.
    """

    submitted: int
    retried: int
    quarantined: int
    remaining: int
    paused_reason: str | None
    elapsed: float
    rate: float


class DrainCounts:
    """Counts what a processor has done since it was made.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.submitted = 0
        self.retried = 0
        self.quarantined = 0
        self.released = 0
        self._recent: deque[tuple[int, int]] = deque()  # (second, submitted in it)
        self._first_at: float | None = None

    def count_submitted(self) -> None:
        """Count a report that the server has."""
        self.submitted += 1
        now = self._clock()
        if self._first_at is None:
            self._first_at = now
        second = int(now)
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1] = (second, self._recent[-1][1] + 1)
        else:
            self._recent.append((second, 1))
            self._forget()

    def rate(self) -> float:
        """Return the submitted reports per second over the last ten seconds."""
        if self._first_at is None:
            return 0.0
        self._forget()
        span = min(max(self._clock() - self._first_at, 1.0), _WINDOW)
        return sum(count for _, count in self._recent) / span

    def marks(self) -> tuple[int, int, int]:
        """Return submitted, retried and quarantined as they are now."""
        return self.submitted, self.retried, self.quarantined

    def _forget(self) -> None:
        oldest = self._clock() - _WINDOW
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()


class ProcessorStats(TypedDict):
    """What a processor is doing, and what it has done since it was made.

    Attributes:
        depth: Waiting reports.
        oldest_age: Seconds for which the oldest has been waiting; None: none is waiting.
        in_flight: Reports being sent.
        rate: Reports submitted per second, over the last ten seconds.
        paused: Why nothing is being sent; None: sending is not paused.
        submitted: Reports that the server has.
        retried: Failed attempts that counted, and were or will be repeated.
        quarantined: Reports put into quarantine.
        released: Reports put back without counting the attempt.
        closings: How often the submissions gate closed.
        probes: Reports that probed the server.
        reopenings: How often the gate opened again.
    """

    depth: int
    oldest_age: float | None
    in_flight: int
    rate: float
    paused: str | None
    submitted: int
    retried: int
    quarantined: int
    released: int
    closings: int
    probes: int
    reopenings: int


class Counted(Protocol):
    """A processor as its statistics see it."""

    @property
    def source(self) -> Source:
        """The queue that is drained."""

    def stats(self) -> ProcessorStats:
        """Return what is going on."""


_processors: weakref.WeakSet[Counted] = weakref.WeakSet()


def register(processor: Counted) -> None:
    """Include a processor in `queue_statistics` for as long as it lives."""
    _processors.add(processor)


def live_processors() -> list[Counted]:
    """Return the processors of this process."""
    return list(_processors)


class QueueStats(TypedDict):
    """The queue processors of this process, added up; see `ProcessorStats`.

    Attributes:
        processors: How many live.
        unreadable: How many of them have a queue that cannot be read, and are left out below.
        depth: Waiting reports, each queue counted once.
        oldest_age: Seconds for which the oldest of them has been waiting; None: none is waiting.
        in_flight: Reports being sent.
        rate: Reports submitted per second, over the last ten seconds.
        submitted: Reports that the server has.
        retried: Failed attempts that counted, and were or will be repeated.
        quarantined: Reports put into quarantine.
        released: Reports put back without counting the attempt.
        closings: How often a submissions gate closed.
        probes: Reports that probed a server.
        reopenings: How often a gate opened again.
        paused: How many processors are paused.
        paused_reason: Why one of them is; None: none is.
    """

    processors: int
    unreadable: int
    depth: int
    oldest_age: float | None
    in_flight: int
    rate: float
    submitted: int
    retried: int
    quarantined: int
    released: int
    closings: int
    probes: int
    reopenings: int
    paused: int
    paused_reason: str | None


def queue_statistics() -> QueueStats:
    """Return the statistics of all processors of this process."""
    found: list[ProcessorStats] = []
    by_queue: dict[int, ProcessorStats] = {}
    processors = live_processors()
    for processor in processors:
        try:
            stats = processor.stats()
        except OSError:
            continue
        found.append(stats)
        by_queue.setdefault(id(processor.source), stats)
    ages = [stats["oldest_age"] for stats in by_queue.values() if stats["oldest_age"] is not None]
    return {
        "processors": len(processors),
        "unreadable": len(processors) - len(found),
        "depth": sum(stats["depth"] for stats in by_queue.values()),
        "oldest_age": max(ages, default=None),
        "in_flight": sum(stats["in_flight"] for stats in found),
        "rate": sum(stats["rate"] for stats in found),
        "submitted": sum(stats["submitted"] for stats in found),
        "retried": sum(stats["retried"] for stats in found),
        "quarantined": sum(stats["quarantined"] for stats in found),
        "released": sum(stats["released"] for stats in found),
        "closings": sum(stats["closings"] for stats in found),
        "probes": sum(stats["probes"] for stats in found),
        "reopenings": sum(stats["reopenings"] for stats in found),
        "paused": sum(stats["paused"] is not None for stats in found),
        "paused_reason": next(filter(None, (stats["paused"] for stats in found)), None),
    }
