"""The origin gates of a native thread, by server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pywats_green.throttle.closure import GateState
from pywats_green.throttle.gate import Gate
from pywats_green.throttle.permit import Permit
from pywats_green.throttle.shared_gate import Passes, SharedGate
from pywats_green.throttle.tally import Tally
from pywats_green.timers import StartTimer, start_timer

_BEFORE = -1  # the epoch of what was in flight before there was a gate


class Gates(dict[str, Gate]):
    """The gates of one native thread's calls, by server; usually there are none.

    Other native threads may only call `close_from_afar` and `states`.

    Args:
        tally: Counts the waits.
        tell: Called with each line for the log.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.
        passes: Returns what a server's gate shares with others. None: nothing.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        passes: Callable[[str], Passes | None] = lambda _: None,
        tell: Callable[[str], object] = lambda _: None,
        start_timer: StartTimer = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._passes = passes
        self._given: Any = {
            "tally": tally,
            "tell": tell,
            "start_timer": start_timer,
            "clock": clock,
        }

    def _make(self, server: str) -> Gate:
        passes = self._passes(server)
        return SharedGate(server, passes, **self._given) if passes else Gate(server, **self._given)

    def close(
        self,
        server: str,
        cause: str,
        permit: Permit | None,
        *,
        seconds: float | None,
        longest: float,
        is_limit: bool,
    ) -> bool:
        """Close the gate of a server; see `Gate.close`.

        Args:
            server: The server's name.
            cause: Why, for people.
            permit: The permit of the call, which is taken back. None: there was no gate.
            seconds: Seconds until the next probe, if the server asks for a pause. None: it does
                not.
            longest: Upper bound in seconds of a growing pause.
            is_limit: Whether a limit of the server's is exhausted.

        Returns:
            Whether this was news.
        """
        gate = self.get(server)
        if gate is None:
            gate = self.setdefault(server, self._make(server))
        elif permit is None:
            permit = Permit(_BEFORE, is_probe=False)
        return gate.close(cause, permit, seconds=seconds, longest=longest, is_limit=is_limit)

    def close_from_afar(
        self, server: str, cause: str, *, seconds: float | None, longest: float, is_limit: bool
    ) -> None:
        """Close the gate of a server for what another native thread has met."""
        reason: Any = {"seconds": seconds, "longest": longest, "is_limit": is_limit}
        gate = self.get(server)
        if gate is None:
            # Closed before anyone can see it.
            gate = self._make(server)
            gate.close_from_afar(cause, **reason)
            gate = self.setdefault(server, gate)
        gate.close_from_afar(cause, **reason)

    def states(self) -> dict[str, GateState]:
        """Return the states of the gates that are not open, by server."""
        found = {server: gate.state() for server, gate in list(self.items())}
        return {server: state for server, state in found.items() if state is not None}

    def forget_idle(self) -> None:
        """Forget the gates that are idle."""
        for server, gate in list(self.items()):
            if gate.is_idle:
                del self[server]
                if gate.state() is not None:  # another native thread has just closed it
                    self[server] = gate
                gate.announce()  # that it has reopened by itself
