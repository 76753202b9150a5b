"""The gate in front of the queue: closed by hand, by an unreachable server, or for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pywats_green.queue.drain.backoff import LONGEST_PROBE_DELAY, Backoff

BY_HAND = "paused by pause()"


class Permit(NamedTuple):
    """Permission to take one item.

    Attributes:
        epoch: How often the gate had been reopened when it was handed out.
        probe: Whether the item probes if the server is back.
    """

    epoch: int
    probe: bool


class Gate:
    """Tells whether an item may be taken now. No method waits.

    While it is closed because the server is unreachable, refuses the token or gives no receipts,
    it hands out one permit at a time, for a probe. Items that were in flight when it closed
    neither close nor open it.

    Args:
        backoff: Spaces the probes.
        clock: Seconds, monotonic.
    """

    def __init__(self, backoff: Backoff, clock: Callable[[], float]) -> None:
        self._backoff = backoff
        self._clock = clock
        self._by_hand = False
        self._epoch = 0
        self._cause: str | None = None
        self._closed_at = 0.0
        self._probe_at = 0.0
        self._is_probing = False
        self._failures = 0
        self._longest = LONGEST_PROBE_DELAY
        self._cooldown_until = float("-inf")

    @property
    def reason(self) -> str | None:
        """Why nothing is taken; None: items may be taken, at the latest after a cooldown."""
        return BY_HAND if self._by_hand else self._cause

    def admit(self) -> Permit | None:
        """Return a permit to take one item; None: not now. A probe's permit must be given back."""
        now = self._clock()
        if self._by_hand or now < self._cooldown_until:
            return None
        if self._cause is None:
            return Permit(self._epoch, probe=False)
        if self._is_probing or now < self._probe_at:
            return None
        self._is_probing = True
        return Permit(self._epoch, probe=True)

    def opens_in(self) -> float | None:
        """Return the seconds until `admit` may change its answer by itself; None: it will not."""
        if self._by_hand:
            return None
        moment = self._cooldown_until
        if self._cause is not None:
            if self._is_probing:
                return None
            moment = max(moment, self._probe_at)
        seconds = moment - self._clock()
        return seconds if seconds > 0 else None

    def closed_for(self) -> float:
        """Return for how many seconds it has been closed other than by hand; 0: it is not."""
        return 0.0 if self._cause is None else self._clock() - self._closed_at

    @property
    def is_closed(self) -> bool:
        """Whether the server is unreachable, refuses the token or gives no receipts."""
        return self._cause is not None

    def close(self, cause: str, permit: Permit, longest: float = LONGEST_PROBE_DELAY) -> None:
        """Close the gate because of what an item found.

        Args:
            cause: Why, for people.
            permit: The item's permit.
            longest: Upper bound in seconds until the next probe.
        """
        now = self._clock()
        if permit.probe:
            self._failures += 1
            self._is_probing = False
        elif self._cause is not None or permit.epoch != self._epoch:
            return
        else:
            self._closed_at, self._failures = now, 0
        self._cause, self._longest = cause, longest
        self._probe_at = now + self._backoff.probe_delay(self._failures, longest)

    def reopen(self, permit: Permit) -> None:
        """Open the gate if this permit was the probe: the server answered."""
        if permit.probe:
            self._epoch += 1
            self._cause = None
            self._is_probing = False

    def fail(self, permit: Permit) -> None:
        """Keep the gate closed: the probe got no answer, though it may have reached the server."""
        if permit.probe and self._cause is not None:
            self.close(self._cause, permit, self._longest)

    def take_back(self, permit: Permit) -> None:
        """Take back a permit that learned nothing; the next probe may start at once."""
        if permit.probe:
            self._is_probing = False

    def cool_down(self, seconds: float) -> None:
        """Admit nothing for some seconds; this is no pause, so there is no reason for it."""
        self._cooldown_until = max(self._cooldown_until, self._clock() + seconds)

    def pause(self) -> None:
        """Close the gate by hand."""
        self._by_hand = True

    def resume(self) -> None:
        """Open the gate by hand: end any cooldown, and let a probe start at once."""
        self._by_hand = False
        self._cooldown_until = self._probe_at = float("-inf")

    def renew(self) -> None:
        """Forget what an earlier run learned; a pause by hand stays."""
        self._epoch += 1
        self._cause = None
        self._is_probing = False
        self._cooldown_until = float("-inf")
