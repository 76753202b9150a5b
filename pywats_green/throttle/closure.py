"""A gate's closure: why, since when, and when the next probe may go."""

from __future__ import annotations

from typing import TypedDict

from pywats_green.retry_after import LONGEST
from pywats_green.throttle.permit import Permit


class GateState(TypedDict):
    """A gate that is not open.

    Attributes:
        cause: Why it is closed. None: it has reopened, but still admits only a few at a time.
        closed_for: Seconds since it closed. 0: it is not closed.
        opens_in: Seconds until the next probe may go, or until the one in flight counts as lost.
            0: a probe may go now, or it is not closed.
        probing: Whether a probe is in flight.
    """

    cause: str | None
    closed_for: float
    opens_in: float
    probing: bool


class Closure:
    """A gate's state while it is closed other than by hand.

    Args:
        now: When it begins, in seconds on the gate's clock, as all times here.
        lapse: Seconds without a new reason after which it ends by itself.

    Attributes:
        cause: Why the gate is closed, for people.
        since: When it began.
        failures: How many probes have failed in a row.
        longest: Upper bound in seconds of the pause between two probes.
        probe: The permit of the probe in flight. None: there is none.
        lapses_at: When it ends by itself.
    """

    __slots__ = (
        "_lapse", "_probe_at", "cause", "failures", "lapses_at", "longest", "probe", "since",
    )  # fmt: skip

    def __init__(self, now: float, lapse: float) -> None:
        self._lapse = lapse
        self.since = now
        self.cause = ""
        self.failures = 0
        self.longest = 0.0
        self.probe: Permit | None = None
        self._probe_at = now
        self.lapses_at = now + self._lapse

    def renew(self, now: float, pause: float) -> None:
        """Note a new reason: the next probe may go in `pause` seconds."""
        self._probe_at = now + min(pause, LONGEST)
        self.lapses_at = now + self._lapse

    def put_off(self, now: float, seconds: float) -> None:
        """Let no probe go within the next `seconds`."""
        self._probe_at = max(self._probe_at, now + min(seconds, LONGEST))
        self.lapses_at = max(self.lapses_at, self._probe_at)

    def probe_now(self) -> None:
        """Let the next probe go at once."""
        self._probe_at = float("-inf")

    def send(self, probe: Permit, now: float) -> None:
        """Note that a probe goes. If it does not come back in time, the closure lapses."""
        self.probe = probe
        self.lapses_at = now + self._lapse

    def probe_news(self, now: float) -> str:
        """Return the line of text that tells of a probe."""
        since, failed = now - self.since, self.failures
        return f"a probe goes after {since:.2f} s, {failed} failed before it ({self.cause})"

    @property
    def changes_at(self) -> float:
        """When the next request may be admitted, unless something happens before."""
        return self._probe_at if self.probe is None else self.lapses_at

    def state(self, now: float) -> GateState:
        """Return the state to show."""
        return {
            "cause": self.cause,
            "closed_for": now - self.since,
            "opens_in": max(self.changes_at - now, 0.0),
            "probing": self.probe is not None,
        }
