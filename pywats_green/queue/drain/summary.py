"""Counts what a processor does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

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


class Tally:
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
