"""How a member stands with the fleet's server: whether its slots come from there."""

from __future__ import annotations

import math

from pywats_green.fleet.limit import Answer

_TRUSTED = 2.5  # heartbeats for which what was reserved may be used; after 3, the server takes it
_PAUSE = 0.5  # seconds before a restarted server grants again; members tell it all meanwhile


class Standing:
    """What a member knows of the server. Times are in seconds on the member's clock.

    Attributes:
        is_up: Whether the server has answered, and was not lost since.
        is_settling: Whether it grants nothing yet, as of its last answer.
        heard: When the question was sent that it answered last.
        told: When it was last told a label.
        beat: How often it wants to be told one.
        epoch: Names what it knows.
    """

    def __init__(self) -> None:
        self.is_up = self.is_settling = False
        self.heard = self.told = self._trusted_until = self._settled = -math.inf
        self.beat = 1.0
        self.epoch = "-"

    @property
    def grants(self) -> bool:
        """Whether slots come from there, if it can be trusted yet."""
        return self.is_up and not self.is_settling

    def is_trusted(self, now: float) -> bool:
        """Return whether slots come from there."""
        return self.grants and now < self._trusted_until

    @property
    def longest_trust(self) -> float:
        """For how long any other member may still trust it."""
        return _TRUSTED * max(self.beat, 1.0)

    def hear(self, answer: Answer, sent: float, now: float, *, is_beat: bool) -> None:
        """Note an answer.

        Args:
            answer: The answer.
            sent: When it was asked.
            now: When it answered.
            is_beat: Whether it was told a label.
        """
        self.is_settling = answer.settling > 0
        self.epoch, self.beat, self.heard = answer.epoch, answer.beat, sent
        self._settled = now + answer.settling
        self._trusted_until = sent + self.longest_trust
        if is_beat:
            self.told = sent

    def doubt(self) -> None:
        """Note that it must be told everything before its slots may be used."""
        self._trusted_until = -math.inf

    def lose(self) -> None:
        """Note that it is away."""
        self.is_up = False

    def pause_left(self, now: float) -> float:
        """Return the seconds for which nobody may use its share, because all tell everything."""
        if not (self.is_up and self.is_settling) or now < self._settled - _PAUSE:
            return 0.0
        return max(self._settled - now, 1e-3)

    def tell_again_in(self, now: float) -> float:
        """Return the seconds until it should be told everything again, while it is settling."""
        left = self._settled - now
        return left - _PAUSE if left > _PAUSE else left
