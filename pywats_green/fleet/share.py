"""What a member may use of a limit by itself, while the fleet's server is away."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from pywats_green.fleet.holdings import Ended

UNKNOWN_PEERS = 20
"""As many are assumed by a member that has never reached the server."""

_SPACING = (
    1.25  # of turns, as a multiple of what the limit allows: requests do not take equally long
)
_SLACK = 0.2  # the part of a turn within which it must be used


class Share(NamedTuple):
    """A member's share of a limit.

    The plan is made by the server, which knows all members. If there are more of them than the
    limit has slots, each may send one request in its turn; a member's clock is of no importance,
    because turns are told by the server's.

    Attributes:
        plan: Into how many parts the limit is divided. 0: it is not known yet.
        seat: The member's own turn.
        offset: The server's clock minus the member's, in seconds.
        peers: How many members there are.
    """

    plan: int
    seat: int
    offset: float
    peers: int

    def slots(self, limit: int) -> int:
        """Return how many slots are the member's own. 0: it takes turns."""
        return limit // (self.plan or UNKNOWN_PEERS)

    def turn(self, limit: int, window: float, now: float) -> tuple[int, float]:
        """Return the turn that is on or comes next.

        Args:
            limit: Of requests in a window.
            window: Its seconds.
            now: On the member's clock.

        Returns:
            Its number, and the seconds until it begins; 0: it is on.
        """
        if limit <= 0:
            return 0, math.inf
        spacing = _SPACING * window / limit
        period = spacing * (self.plan or UNKNOWN_PEERS)
        since = now + self.offset - self.seat * spacing
        number = math.floor(since / period)
        if since - number * period < self.slack(limit, window):
            return number, 0.0
        return number + 1, (number + 1) * period - since

    def slack(self, limit: int, window: float) -> float:
        """Return the seconds for which a turn is on."""
        return _SPACING * _SLACK * window / limit if limit else 0.0


UNKNOWN = Share(plan=0, seat=0, offset=0.0, peers=UNKNOWN_PEERS)


class Alone:
    """Tells when a member that is on its own may send.

    Attributes:
        share: Its share, as last told.
        is_known: Whether it may send although it was never told one: the server did not answer.
    """

    def __init__(self) -> None:
        self.share = UNKNOWN
        self.is_known = False
        self._since = -math.inf  # from then on the others keep to their shares, too
        self._until_then = 0
        self._last_turn = -1
        self._least = self._least_before = 0  # free in this window, and in the one before
        self._least_since = -math.inf

    def hear(self, free: int, now: float, window: float) -> None:
        """Note how many slots nobody holds."""
        if now - self._least_since > window:
            is_first = self._least_since == -math.inf
            self._least_before = free if is_first else self._least
            self._least, self._least_since = free, now
        self._least = min(self._least, free)

    def begin(self, since: float, held: int) -> None:
        """Note that the server is away.

        What others hold beyond their shares is not free before a window has passed. Until then,
        a member may hold what it did, and its part of what nobody held.

        Args:
            since: From when on they keep to them.
            held: Slots that this member holds.
        """
        self._since = since
        free = min(self._least, self._least_before)
        self._until_then = held + free // max(self.share.peers, 1)

    def free_in(
        self, now: float, limit: int, window: float, in_flight: int, ended: deque[Ended]
    ) -> float:
        """Return the seconds until a slot may be free. 0: one is. Infinite: it is not known.

        Args:
            now: On the member's clock.
            limit: Of requests in a window.
            window: Its seconds.
            in_flight: How many requests are.
            ended: Those that ended less than a window ago.
        """
        if not (self.share.plan or self.is_known):
            return math.inf  # new here: the server is about to tell
        slots = self.share.slots(limit)
        if not slots:
            return self._turn_in(now, limit, window)
        if now < self._since:
            slots = min(slots, self._until_then)
        over = in_flight + len(ended) - slots
        if over < 0:
            return 0.0
        free = math.inf if over >= len(ended) else ended[over].at + window - now
        return max(min(free, self._since - now if now < self._since else math.inf), 1e-3)

    def take(self, now: float, limit: int, window: float) -> None:
        """Note that a free slot is taken."""
        if not self.share.slots(limit):
            self._last_turn = self.share.turn(limit, window, now)[0]

    def _turn_in(self, now: float, limit: int, window: float) -> float:
        if now < self._since:
            return self._since - now
        number, seconds = self.share.turn(limit, window, now)
        if number == self._last_turn:  # this one was used
            _, seconds = self.share.turn(limit, window, now + self.share.slack(limit, window))
            seconds += self.share.slack(limit, window)
        return seconds
