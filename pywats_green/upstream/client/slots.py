"""The slots of a limit, and waiting for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pywats.core.throttle import RateLimiter

from pywats_green.locks import new_lock
from pywats_green.throttle import Gate, Line, Permit
from pywats_green.upstream.client.entry import SHORTEST_WAIT
from pywats_green.upstream.client.gates import logger, tally

_LONG_WAIT = 1.0  # seconds from which on a wait is told: it looks as if the program hung
_RELOOK = 1.0  # seconds; upstream's waiters look for changed settings equally often


class Ledger(Protocol):
    """Who holds the slots of a limit: in this process, or in a fleet."""

    def take(self) -> bool:
        """Take a slot for an attempt. False: none is free."""

    def stamp(self) -> None:
        """End an attempt, whatever its outcome: its slot is free one window from now."""

    def give_back(self) -> None:
        """Give back the slot of an attempt that was not sent: it is free at once."""

    def delay(self) -> float:
        """Return the seconds before which no slot can be free. Does not block."""


class Admission(NamedTuple):
    """What an attempt gives back at its end.

    Attributes:
        gate: The gate that admitted it. None: there was none.
        permit: The gate's permit. None: there was no gate.
        window: The window that holds its slot. None: it needs none.
        waited: Seconds that it waited for admission.
    """

    gate: Gate | None = None
    permit: Permit | None = None
    window: Ledger | None = None
    waited: float = 0.0


class Slots:
    """The slots of one of upstream's limiters, as the greenlets of one native thread see them.

    Other threads take slots, too, and settings change, so while anyone waits, both are looked at
    once a second at least.
    """

    def __init__(self, limiter: RateLimiter, window: Ledger) -> None:
        _share(limiter)
        self._limiter = limiter
        self.window = window
        self.admission = Admission(window=window)
        self.is_full = False
        self.line = Line(self._look, window.take, tally)

    def take(self) -> bool:
        """Take a slot without waiting. False: none is free, or somebody waits for one."""
        if self.line.waiting or not self.window.take():
            return False
        self.is_full = False
        return True

    def take_soon(self) -> bool:
        """Take a slot for a caller that holds a permit, and so may wait for a moment at most."""
        return self.take()

    def acquire(
        self, may_go: Callable[[], bool], patience: Callable[[], float | None] | None
    ) -> bool:
        """Take a slot, or wait for one.

        Returns:
            False: `may_go` said no, the patience is exhausted, or the limiter was disabled.
        """
        if self.take():
            return True
        started = time.monotonic()

        def goes_on() -> bool:
            return self._limiter.enabled and may_go()

        if not self.line.wait(goes_on, self._count_wait, patience):
            return False
        try:
            self._count_waited(time.monotonic() - started)
        except BaseException:  # killed in a log handler
            self.window.stamp()
            raise
        return True

    def __str__(self) -> str:
        """Say what the calls in line are waiting for."""
        limiter, count = self._limiter, len(self.line.waiting)
        others = "" if not count else f" ({count:,} other{'s' * (count > 1)} waiting)"
        return (
            f"the limit of {limiter.max_requests} requests in {limiter.window_seconds:g} s is used "
            f"up, and the next call may go in {self.window.delay():.1f} s{others}"
        )

    def _count_wait(self) -> None:
        limiter = self._limiter
        with limiter._lock:
            limiter._throttle_count += 1
        if not self.is_full:
            self.is_full = True  # until a call need not wait: one log line for all that do
            delay = self.window.delay()
            logger.log(
                logging.WARNING if delay >= _LONG_WAIT else logging.INFO,
                "Rate limit reached (%s requests/%ss). Waiting %.2fs...",
                *(limiter.max_requests, limiter.window_seconds, delay),
            )

    def _count_waited(self, seconds: float) -> None:
        if seconds > SHORTEST_WAIT:
            with self._limiter._lock:
                self._limiter._total_wait_time += seconds
            logger.debug("Rate limiter: acquired after %.3fs wait", seconds)

    def _look(self) -> float:
        return min(self.window.delay(), _RELOOK)


_sharing = new_lock()


def _share(limiter: Any) -> None:
    """Give a limiter a lock that native threads can share; upstream's is one of gevent's."""
    with _sharing:
        if type(limiter._lock) is not type(_sharing):
            limiter._lock = new_lock()
