"""The slots of upstream's limiters, and the lines before them.

Upstream's limiter object keeps the numbers; only the waiting for one of its slots is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gevent import monkey
from pywats.core.logging import get_logger
from pywats.core.throttle import RateLimiter

from pywats_green.throttle import Gate, Line, Permit, Tally
from pywats_green.upstream.client.window import Window

logger = get_logger("pywats.core.throttle")  # users filter by upstream's names

_NativeLocal: Any = monkey.get_original("threading", "local")

_ACQUIRE = RateLimiter.acquire
_ATTRIBUTE = "_green_slots"
_RELOOK = 1.0  # seconds; upstream's waiters look for changed settings as often
_SHORTEST_WAIT = 0.001  # seconds; what upstream does not count

tally = Tally()
"""What the calls of this process wait for."""


def is_upstreams(limiter: Any) -> bool:
    """Tell whether a limiter waits as upstream's does, and has not its own way."""
    return getattr(limiter.acquire, "__func__", None) is _ACQUIRE


class Admission(NamedTuple):
    """What an attempt gives back at its end.

    Attributes:
        gate: The gate that it went through. None: there was none.
        permit: The gate's.
        window: Where it has its slot. None: it needs none.
        waited: For how many seconds it waited to be admitted.
    """

    gate: Gate | None = None
    permit: Permit | None = None
    window: Window | None = None
    waited: float = 0.0


FREE = Admission()


class Slots:
    """The slots of one of upstream's limiters, as the greenlets of one native thread see them.

    Others take slots, too, and settings change: while somebody waits, they are looked at once a
    second at least.
    """

    def __init__(self, limiter: RateLimiter, window: Window) -> None:
        self._limiter = limiter
        self.window = window
        self.admission = Admission(window=window)
        self.is_full = False
        self.line = Line(self._look, window.take, tally)

    def acquire(
        self, may_go: Callable[[], bool], patience: Callable[[], float | None] | None
    ) -> bool:
        """Take a slot, or wait for one.

        Returns:
            False: `may_go` said no, the patience is at its end, or the limiter was disabled.
        """
        if not self.line.waiting and self.window.take():
            self.is_full = False
            return True
        started = time.monotonic()

        def goes_on() -> bool:
            return self._limiter.enabled and may_go()

        if not self.line.wait(goes_on, self._count_wait, patience):
            return False
        try:
            self._count_waited(time.monotonic() - started)
        except BaseException:  # killed while it waited for the lock, or in a log handler
            self.window.stamp()
            raise
        return True

    def __str__(self) -> str:
        """Say what those who wait are waiting for."""
        limiter = self._limiter
        return (
            f"the limit of {limiter.max_requests} requests in {limiter.window_seconds:g} s is used "
            f"up: the next may go in {self.window.delay():.1f} s, and {len(self.line.waiting)} "
            "calls wait"
        )

    def _count_wait(self) -> None:
        limiter = self._limiter
        with limiter._lock:
            limiter._throttle_count += 1
        if not self.is_full:
            self.is_full = True  # until a call need not wait: one line for all that do
            logger.info(
                "Rate limit reached (%s requests/%ss). Waiting %.2fs...",
                *(limiter.max_requests, limiter.window_seconds, self.window.delay()),
            )

    def _count_waited(self, seconds: float) -> None:
        if seconds > _SHORTEST_WAIT:
            with self._limiter._lock:
                self._limiter._total_wait_time += seconds
            logger.debug("Rate limiter: acquired after %.3fs wait", seconds)

    def _look(self) -> float:
        return min(self.window.delay(), _RELOOK)


def slots_of(limiter: RateLimiter) -> Slots:
    """Return the slots of a limiter that waits as upstream's does."""
    here = limiter.__dict__.get(_ATTRIBUTE)
    if here is None:
        here = limiter.__dict__.setdefault(_ATTRIBUTE, (Window(limiter), _NativeLocal()))
    window, local = here
    try:
        return local.slots  # type: ignore[no-any-return]
    except AttributeError:
        slots = local.slots = Slots(limiter, window)
        return slots
