"""Gates: a server asked to be left alone, so all calls to it wait, then go on a few at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from pywats_green.throttle.line import Line, StartTimer, start_timer
from pywats_green.throttle.tally import Tally

FIRST_WIDTH = 2  # calls in flight when a gate opens again
# Seconds after that in which few may be in flight. WATS counts requests by the minute: then what
# it had counted is forgotten.
REOPENING = 60.0


class Gate:
    """The gate of a server that asked to be left alone: closed, then narrow, then forgotten.

    A greenlet enters before it sends, and leaves when the answer is there or it gives up. Once the
    gate opens, two may be inside at once, and one more after each success.

    Args:
        tally: Counts the waits.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        start_timer: StartTimer = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._width = FIRST_WIDTH
        self._inside = 0
        self._line = Line(self._look, self._take, tally, start_timer=start_timer, clock=clock)

    def close(self, seconds: float) -> None:
        """Let nobody in for so many seconds from now, unless it is closed for longer already."""
        self._until = max(self._until, self._clock() + seconds)
        self._width = FIRST_WIDTH

    @property
    def seconds_left(self) -> float:
        """Seconds until it opens; 0: it is open, if narrow."""
        return max(self._until - self._clock(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten: nobody waits, nor would have to, and a call succeeded."""
        if self._line.waiting or self._look() > 0:
            return False
        return self._width > FIRST_WIDTH or self._clock() >= self._until + REOPENING

    def enter(self) -> None:
        """Wait for the turn, first come first served.

        Raises:
            BaseException: The caller was killed; it is not inside.
        """
        if self._line.waiting or not self._take():
            self._line.wait()

    def leave(self, *, succeeded: bool) -> None:
        """Make room for the next; after a success, for one more."""
        self._inside -= 1
        if succeeded and not self.seconds_left:  # else it was sent before the server asked again
            self._width += 1
        self._line.attend()

    def _look(self) -> float:
        now = self._clock()
        if now < self._until:
            return self._until - now
        if self._inside < self._width:
            return 0.0
        return max(self._until + REOPENING - now, 0.0)  # who leaves makes us look before that

    def _take(self) -> bool:
        if self._look() > 0:
            return False
        self._inside += 1
        return True


class Gates(dict[str, Gate]):
    """The gates that the calls of one native thread meet, by server; usually there are none.

    Other native threads may call `close` and `seconds_left`, nothing else.

    Args:
        tally: Counts the waits.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        start_timer: StartTimer = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._tally = tally
        self._start_timer = start_timer
        self._clock = clock

    def close(self, server: str, seconds: float) -> None:
        """Close the gate of a server for so many seconds, unless it is closed for longer."""
        gate = self.get(server)
        if gate is None:
            # Closed before anybody can see it.
            gate = Gate(self._tally, start_timer=self._start_timer, clock=self._clock)
            gate.close(seconds)
            gate = self.setdefault(server, gate)
        gate.close(seconds)

    def seconds_left(self) -> dict[str, float]:
        """Return the seconds until the closed gates open, by server."""
        left = {server: gate.seconds_left for server, gate in list(self.items())}
        return {server: seconds for server, seconds in left.items() if seconds > 0}

    def admit(self, server: str, acquire: Callable[[Callable[[], bool]], bool]) -> Gate | None:
        """Wait until a call may be sent: for the gate of its server and for a slot.

        Args:
            server: The server's name.
            acquire: Waits for a slot of a rate limit and tells whether it took one, or needs none.
                It is given `may_go`, and may give up when that says no: a slot that is taken while
                the gate is closed would be of no use to anybody until the call is sent.

        Returns:
            What to give back to `leave`, whatever becomes of the call. None: there is no gate.

        Raises:
            BaseException: The caller was killed, or what `acquire` raises; nothing is kept.
        """
        has_slot = False
        while True:
            gate = self.get(server)
            if gate is not None:
                gate.enter()
            is_clear = False
            try:
                has_slot = has_slot or acquire(partial(self._is_clear, server, gate))
                is_clear = has_slot and self._is_clear(server, gate)
            finally:
                if not is_clear and gate is not None:
                    self.leave(server, gate, succeeded=False)
            if is_clear:
                return gate

    def leave(self, server: str, gate: Gate, *, succeeded: bool) -> None:
        """Give back what `admit` returned.

        Args:
            server: The server's name.
            gate: What `admit` returned.
            succeeded: Whether the server answered, other than that it is overloaded.
        """
        gate.leave(succeeded=succeeded)
        if gate.is_over and self.get(server) is gate:
            del self[server]

    def _is_clear(self, server: str, entered: Gate | None) -> bool:
        """Tell whether a call may be sent that has entered this gate, or none."""
        gate = self.get(server)
        return gate is None or (gate is entered and not gate.seconds_left)
