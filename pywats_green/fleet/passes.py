"""The gate of a server that a fleet shares: what a member's own gate asks and tells."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pywats_green.fleet.keys import CHANNEL, gate_keys_of
from pywats_green.fleet.link import Link, Script

_RENEWED = 3.0  # seconds; the server takes passes back from who is not heard of for 10
_SPARED = 0.1  # seconds that a pass nobody waits for is kept

_SCRIPT = Script("gate.lua")


class Closing(NamedTuple):
    """Why a gate closes.

    Attributes:
        cause: For people.
        is_new: Whether that was news to the member's own gate.
        pause: Seconds until the next probe.
        asked: Seconds that the server asked to wait. None: it did not.
        longest: Upper bound of a pause in seconds.
        is_limit: Whether a limit of the server's is exhausted.
    """

    cause: str
    is_new: bool
    pause: float
    asked: float | None
    longest: float
    is_limit: bool


class OwnGate(Protocol):
    """The member's own gate of the server."""

    def closing(self) -> Closing | None:
        """Return why it is closed, to tell a server that has forgotten. None: it is not."""

    def close(self, closing: Closing) -> None:
        """Close it for what another member has met."""

    def reopen(self) -> None:
        """Reopen it, because another member's probe was answered."""

    def waiting(self) -> int:
        """Return how many calls wait at it."""

    def attend(self) -> None:
        """Wake who waits."""


class Passes:
    """A member's passes through the gate of a server, which few hold while it is not open.

    Args:
        name: The member's.
        server: The WATS server's.
        own: The member's own gate.
        poke: Called when the fleet's server should be asked soon.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        server: str,
        own: OwnGate,
        poke: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = server
        self._name = name
        self._own = own
        self._poke = poke
        self._clock = clock
        self._keys = gate_keys_of(server)
        self._is_up = False
        self._mode = "open"
        self._spare = self._out = 0  # passes at hand, and with requests in flight
        self._wants = False
        self._good = 0
        self._is_probed = False
        self._closing: Closing | None = None
        self._due = -math.inf  # the first time, to learn how things are
        self._not_before = -math.inf

    @property
    def is_needed(self) -> bool:
        """Whether the member's own gate may admit nobody without a pass."""
        return self._is_up and self._mode != "open"

    @property
    def at_hand(self) -> bool:
        """Whether `take` would return True."""
        return self._spare > 0

    def take(self) -> bool:
        """Take a pass. False: there is none at hand."""
        if not self._spare:
            return False
        self._spare -= 1
        self._out += 1
        return True

    def put_back(self) -> None:
        """Put back a pass that was not used, or whose request taught nothing."""
        self._out -= 1
        self._spare += 1
        self._come_at(self._clock() + _SPARED)

    def spend(self, *, is_good: bool = False, is_probe: bool = False) -> None:
        """Give up a pass whose request has ended.

        Args:
            is_good: Whether the server answered as it should.
            is_probe: Whether it was the probe's.
        """
        self._out -= 1
        self._good += is_good
        self._is_probed |= is_good and is_probe
        self._come_at(-math.inf)

    def ask(self) -> None:
        """Note that a call would go if there were a pass."""
        self._wants = True
        self._come_at(self._not_before)

    def close(self, closing: Closing) -> None:
        """Tell the others that the member's own gate has closed."""
        self._closing = closing
        self._mode = "closed"
        self._come_at(-math.inf)

    def look(self) -> None:
        """Ask how things are, because news may have been missed."""
        self._come_at(-math.inf)

    def due_in(self) -> float:
        """Return the seconds until the server should be asked. 0: now."""
        return max(self._due - self._clock(), 0.0)

    def exchange(self, link: Link) -> None:
        """Tell the server what is new, and ask for passes.

        Raises:
            LinkError: It did not work; the caller calls `lost`.
        """
        want = max(self._own.waiting(), 1) - self._spare if self._wants else 0
        if not self._wants and self._spare:
            self._spare = 0
        self._due, self._wants = math.inf, False
        closing, self._closing = self._closing, None
        if closing is None and not self._is_up:
            closing = self._own.closing()
        good, self._good = self._good, 0
        probed, self._is_probed = self._is_probed, False
        told = closing or Closing("", is_new=False, pause=0, asked=None, longest=0, is_limit=False)
        held = self._out + self._spare
        mode, granted, again, until, cause, longest, *_ = link.run(
            _SCRIPT, self._keys, self._name, CHANNEL, self.server, held, max(want, 0), good,
            int(probed), "" if closing is None else "new" if told.is_new else "old", told.pause,
            int(told.is_limit), told.cause, told.longest, -1 if told.asked is None else told.asked,
        )  # fmt: skip
        now = self._clock()
        self._is_up = True
        self._mode = mode.decode()
        self._spare += granted
        if granted < want and self._mode != "open":
            self._not_before = now + float(again)
            self._wants = True
            self._come_at(self._not_before)
        elif self._spare + self._out:
            self._come_at(now + (_SPARED if self._spare else _RENEWED))
        if self._has_closed():  # meanwhile
            return
        if self._mode == "closed":
            text, pause = cause.decode(), float(until)
            limit = Closing(text, True, pause, pause, float(longest), is_limit=False)
            self._own.close(limit)
        else:
            self._own.reopen()
        if granted or self._mode == "open":
            self._own.attend()

    def doubt(self) -> None:
        """Ask how things are, as the first time."""
        self._is_up = False
        self._spare = 0
        self._due = -math.inf

    def lost(self) -> None:
        """Note that the server is away: the member's own gate decides."""
        self.doubt()
        self._own.attend()

    def leave(self, link: Link) -> None:
        """Give all passes back.

        Raises:
            LinkError: It did not work.
        """
        if self._is_up and self._spare + self._out:
            self._spare = self._out = 0
            self.exchange(link)

    def _has_closed(self) -> bool:
        return self._closing is not None

    def _come_at(self, due: float) -> None:
        if due < self._due:
            self._due = due
            self._poke()
