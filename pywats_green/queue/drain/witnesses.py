"""Keeps a few reports back that can tell whether it was the report or the server that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Seconds for which others are kept back for a report, from its first failure on.
_PATIENCE = 30.0
_IN_FLIGHT = float("inf")


@dataclass(slots=True)
class _Suspect:
    since: float
    due: float
    attempts: int


class Witnesses:
    """Sees to it that a drain does not run out of reports while one is under suspicion.

    What fails is the report's fault only if another one gets through afterwards. A drain sends all
    others within the pause before the second attempt, and nobody would be left to tell: so where
    only as many are left as may be needed, they wait for it.

    Args:
        max_attempts: Attempts after which a report is quarantined. None: no limit, so nothing
            depends on witnesses.
        clock: Seconds, monotonic.
    """

    def __init__(self, max_attempts: int | None, clock: Callable[[], float]) -> None:
        self._max_attempts = max_attempts
        self._clock = clock
        self._suspects: dict[str, _Suspect] = {}

    def suspect(self, item_id: str, attempts: int, delay: float) -> None:
        """Note a report that failed and was put back, due in `delay` seconds."""
        now = self._clock()
        known = self._suspects.get(item_id)
        since = now if known is None else known.since
        self._suspects[item_id] = _Suspect(since, now + delay, attempts)

    def taken(self, item_id: str) -> None:
        """Note that a report is being sent."""
        if item_id in self._suspects:
            self._suspects[item_id].due = _IN_FLIGHT

    def clear(self, item_id: str | None = None) -> None:
        """Drop the suspicion against a report, because it has gone; None: against all."""
        if item_id is None:
            self._suspects.clear()
        else:
            self._suspects.pop(item_id, None)

    def kept_back_for(self, waiting: Callable[[], int]) -> float:
        """Return the seconds for which no report should be taken; 0: take one.

        Args:
            waiting: Returns how many reports are waiting, suspects included.
        """
        if self._max_attempts is None or not self._suspects:
            return 0.0
        now = self._clock()
        suspects = [each for each in self._suspects.values() if now < each.since + _PATIENCE]
        dues = [each.due for each in suspects if each.due < _IN_FLIGHT]
        needed = sum(self._max_attempts - each.attempts for each in suspects)
        if not suspects or not (count := waiting()) or count - len(dues) > needed:
            return 0.0
        until = min([*dues, *(each.since + _PATIENCE for each in suspects)])
        return max(until - now, 0.0)
