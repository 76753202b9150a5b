"""How many may be in flight after a gate has reopened."""

from __future__ import annotations

FIRST_WIDTH = 2
# Seconds. WATS counts requests by the minute: then what it had counted is forgotten.
REOPENING = 60.0
_RELOOK = 1.0  # seconds


class Reopening:
    """Two at first, one more after each success, and any number once nobody has to wait.

    Attributes:
        width: How many may be in flight. None: any number.
        inside: How many are, while the width is a number.
        since: When the gate reopened, by the clock of the gate.
        has_refused: Whether somebody was refused since the last success.
        is_careful: Whether it stays at two until the time is over.
    """

    __slots__ = ("has_refused", "inside", "is_careful", "since", "width")

    def __init__(self) -> None:
        self.width: int | None = None
        self.inside = 0
        self.since = float("-inf")
        self.has_refused = self.is_careful = False

    def begin(self, now: float) -> None:
        """Let few be in flight from now on."""
        self.width, self.inside, self.since = FIRST_WIDTH, 0, now
        self.has_refused = False

    def end(self) -> None:
        """Let any number be in flight, and forget that it reopened."""
        self.width = None
        self.is_careful = False
        self.since = float("-inf")

    def is_on(self, now: float) -> bool:
        """Tell whether the gate reopened within the last minute."""
        return now < self.since + REOPENING

    def full_for(self, now: float) -> float:
        """Return for how many seconds nobody may enter unless somebody leaves; 1 at most.

        Another native thread may close the gate meanwhile, and cannot wake those who wait.
        """
        if self.width is None or self.inside < self.width:
            return 0.0
        return min(max(self.since + REOPENING - now, 0.0), _RELOOK)

    def widen(self, *, is_waited_for: bool) -> None:
        """Let one more be in flight after a success, or any number if nobody has to wait."""
        if self.width is None:
            return
        if not (is_waited_for or self.has_refused or self.is_careful):
            self.width = None
            return
        self.has_refused = False
        if not self.is_careful:
            self.width += 1
