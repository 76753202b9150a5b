"""How many may be in flight after a gate has reopened."""

from __future__ import annotations

FIRST_WIDTH = 2
# Seconds. WATS counts requests by the minute, so by then it has forgotten what it counted.
REOPENING = 60.0
_RELOOK = 1.0  # seconds


class Reopening:
    """Allows two requests in flight, one more after each success, then any number.

    Attributes:
        width: How many may be in flight. None: any number.
        inside: How many are in flight, unless the width is None.
        since: When the gate reopened, in seconds on its clock.
        has_refused: Whether anyone has been refused since the last success.
        is_careful: Whether the width stays at two for the whole minute.
    """

    __slots__ = ("has_refused", "inside", "is_careful", "since", "width")

    def __init__(self) -> None:
        self.width: int | None = None
        self.inside = 0
        self.since = float("-inf")
        self.has_refused = self.is_careful = False

    def begin(self, now: float) -> None:
        """Begin: only two may be in flight."""
        self.width, self.inside, self.since = FIRST_WIDTH, 0, now
        self.has_refused = False

    def end(self) -> None:
        """End: any number may be in flight."""
        self.width = None
        self.is_careful = False
        self.since = float("-inf")

    def is_on(self, now: float) -> bool:
        """Return whether the gate reopened within the last minute."""
        return now < self.since + REOPENING

    def full_for(self, now: float) -> float:
        """Return the seconds for which nobody may enter unless somebody leaves, at most 1.

        Another native thread may close the gate meanwhile, but cannot wake those who wait.
        """
        if self.width is None or self.inside < self.width:
            return 0.0
        return min(max(self.since + REOPENING - now, 0.0), _RELOOK)

    def widen(self, *, is_waited_for: bool) -> None:
        """Allow one more in flight after a success, or any number if nobody has to wait."""
        if self.width is None:
            return
        if not (is_waited_for or self.has_refused or self.is_careful):
            self.width = None
            return
        self.has_refused = False
        if not self.is_careful:
            self.width += 1
