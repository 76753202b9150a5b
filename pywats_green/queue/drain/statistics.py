"""Counts what the processors of this process do."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pywats_green.queue.drain.source import Source

_WINDOW = 10.0  # seconds over which the current rate is taken


class DrainSummary(NamedTuple):
    """What a drain did.

    Attributes:
        submitted: Reports that the server has now; those it had already count.
        retried: Attempts that failed and are, or were, made again.
        quarantined: Reports set aside.
        remaining: Reports still waiting when it ended.
        paused_reason: Why nothing was being sent at the end; None: that was not so.
        elapsed: Seconds from its start to its end.
        rate: Submitted reports per second.
    """

    submitted: int
    retried: int
    quarantined: int
    remaining: int
    paused_reason: str | None
    elapsed: float
    rate: float


class DrainCounts:
    """Counts since the processor was made.

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


class Counted(Protocol):
    """A processor as its statistics see it."""

    @property
    def source(self) -> Source:
        """The queue that is drained."""

    def stats(self) -> dict[str, Any]:
        """Return what goes on."""


_processors: weakref.WeakSet[Counted] = weakref.WeakSet()


def register(processor: Counted) -> None:
    """Count a processor in, for as long as it lives."""
    _processors.add(processor)


def queue_statistics() -> dict[str, Any]:
    """Return the statistics of all processors of this process, added up.

    Returns:
        "processors"; "depth" and "oldest_age" over their queues, each queue once (one that cannot
        be read is left out); "in_flight", "rate", "submitted", "retried", "quarantined" and
        "released"; "paused", how many are.
    """
    processors = list(_processors)
    total: dict[str, Any] = {"processors": len(processors), "depth": 0, "oldest_age": None}
    sums = ("in_flight", "rate", "submitted", "retried", "quarantined", "released")
    total.update(dict.fromkeys((*sums, "paused"), 0))
    seen: set[int] = set()
    for processor in processors:
        try:
            found = processor.stats()
        except OSError:
            continue
        for name in sums:
            total[name] += found[name]
        total["paused"] += found["paused"] is not None
        if id(processor.source) not in seen:
            seen.add(id(processor.source))
            total["depth"] += found["depth"]
            ages = [age for age in (total["oldest_age"], found["oldest_age"]) if age is not None]
            total["oldest_age"] = max(ages, default=None)
    return total
