"""Keeps back a few reports, to show whether another's failure is its own or the server's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Seconds after a report's first failure for which others are kept back for it.
_PATIENCE = 30.0
_IN_FLIGHT = float("inf")


@dataclass(slots=True)
class _Suspect:
    since: float
    due: float
    attempts: int


class Holdback:
    """Keeps a drain from running out of other reports while one is under suspicion.

    A failure is the report's own only if another report gets through afterwards. A drain would send
    all others during the back-off before its second attempt, and none would be left to show that.
    So once only as many are left as may be needed, they wait.

    Args:
        max_attempts: Attempts after which a report is quarantined. None: no limit, so none is
            kept back.
        clock: Seconds, monotonic.
    """

    def __init__(self, max_attempts: int | None, clock: Callable[[], float]) -> None:
        self._max_attempts = max_attempts
        self._clock = clock
        self._suspects: dict[str, _Suspect] = {}

    def suspect(self, item_id: str, attempts: int, delay: float) -> None:
        """Note a report that has failed and is put back, due in `delay` seconds."""
        now = self._clock()
        known = self._suspects.get(item_id)
        since = now if known is None else known.since
        self._suspects[item_id] = _Suspect(since, now + delay, attempts)

    def taken(self, item_id: str) -> None:
        """Note that a report is being sent."""
        if item_id in self._suspects:
            self._suspects[item_id].due = _IN_FLIGHT

    def clear(self, item_id: str | None = None) -> None:
        """Drop the suspicion against a report. None: against all."""
        if item_id is None:
            self._suspects.clear()
        else:
            self._suspects.pop(item_id, None)

    def kept_back_for(self, waiting: Callable[[], int]) -> float:
        """Return the seconds for which no report should be taken. 0: take one.

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
