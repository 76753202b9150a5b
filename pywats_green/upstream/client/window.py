"""The slots of upstream's rate limit, counted as the server counts."""

from __future__ import annotations

import math
import os
import time
import weakref
from collections import deque
from itertools import repeat

from pywats.core.throttle import RateLimiter

_MOMENT = 1e-4  # seconds; a slot is free when its time is past, not when it has come


class _InFlight(float):
    """In the place of a stamp: upstream counts it, and it never expires.

    Upstream's own code reckons from the oldest stamp when a slot comes free. The slot of one in
    flight does a window after its end, which is now at the earliest.
    """

    def __add__(self, window_seconds: float) -> float:
        return time.monotonic() + window_seconds


_IN_FLIGHT = _InFlight(math.inf)

_windows: weakref.WeakSet[Window] = weakref.WeakSet()


class Window:
    """Who has the slots of one of upstream's limiters. All native threads share it.

    It counts as the server counts. The server counts a request when it arrives: at any moment
    between sending and the answer. So an attempt has its slot from before it is sent until a window
    after its end; upstream stamps it before sending, and where latency varies, the end of one
    window meets the beginning of the next.

    They are kept in upstream's own deque, where upstream's code counts them, too: stamps, oldest
    first, and behind them an endless one for each attempt in flight. Upstream's code appends and
    clears, and settings change; so everything is read anew each time, under the limiter's lock.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._in_flight = 0
        self._ended: deque[float] = deque()  # when; not in upstream's deque yet
        _windows.add(self)

    def take(self) -> bool:
        """Take a slot for an attempt; False: none is free."""
        limiter = self._limiter
        with limiter._lock:
            stamps = limiter._timestamps
            self._update(stamps)
            cutoff = time.monotonic() - limiter.window_seconds
            while stamps and stamps[0] < cutoff:
                stamps.popleft()
            if len(stamps) >= limiter.max_requests:
                return False
            stamps.append(_IN_FLIGHT)
            self._in_flight += 1
            limiter._total_requests += 1
            return True

    def stamp(self) -> None:
        """End an attempt, whatever became of it: its slot is free in a window from now."""
        self._ended.append(time.monotonic())
        with self._limiter._lock:  # who is killed while it waits here leaves the rest to the next
            self._update(self._limiter._timestamps)

    def stamp_all(self) -> None:
        """End all attempts: in a forked process, where nobody waits for their answers."""
        self._ended.extend(repeat(time.monotonic(), self._in_flight))

    def delay(self) -> float:
        """Return in how many seconds a slot may be free, and none before.

        Takes no lock: it may run in the hub.
        """
        limiter = self._limiter
        stamps = limiter._timestamps
        if not limiter.enabled or len(stamps) < limiter.max_requests:
            return 0.0
        try:
            oldest: float = stamps[0]
        except IndexError:  # a limit of 0, or another native thread took them away just now
            return math.inf
        now = time.monotonic()
        if oldest < now - limiter.window_seconds:
            return 0.0
        # If all are in flight, one may end now.
        return max(min(oldest, now) + limiter.window_seconds - now, _MOMENT)

    def _update(self, stamps: deque[float]) -> None:
        if self._in_flight and not (stamps and stamps[-1] is _IN_FLIGHT):
            # Upstream's code took a slot, or forgot all: who is in flight still is.
            known = [stamp for stamp in stamps if stamp is not _IN_FLIGHT]
            stamps.clear()
            stamps.extend(known)
            stamps.extend(repeat(_IN_FLIGHT, self._in_flight))
        while self._ended:
            if self._in_flight:
                self._in_flight -= 1
                stamps.pop()
            stamps.insert(len(stamps) - self._in_flight, self._ended.popleft())


def _stamp_all() -> None:
    for window in list(_windows):
        window.stamp_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stamp_all)
