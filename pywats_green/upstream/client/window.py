"""Who holds the slots of one of upstream's limiters."""

from __future__ import annotations

import math
import os
import time
import weakref
from collections import deque
from itertools import repeat

from pywats.core.throttle import RateLimiter

_MOMENT = 1e-4  # seconds; a slot is free once its time is past, not when it comes


class _InFlight(float):
    """Stands in for the timestamp of an attempt in flight: upstream counts it; it never expires.

    From the oldest timestamp, upstream's code computes when a slot is free. For an attempt in
    flight, that is one window after its end, which is now at the earliest.
    """

    def __add__(self, window_seconds: float) -> float:
        return time.monotonic() + window_seconds


_IN_FLIGHT = _InFlight(math.inf)
_NEVER_SENT = -math.inf

windows: weakref.WeakSet[Window] = weakref.WeakSet()


class Window:
    """Who holds the slots of one of upstream's limiters. All native threads share it.

    It is safe however the server counts. The server counts a request when it arrives: at any moment
    between sending and the response. So an attempt holds its slot from before it is sent until one
    window after its end. Upstream timestamps it before sending; if latency varies, more requests
    than the limit can arrive within one window.

    Slots are kept in upstream's own deque, where upstream's code counts them, too: timestamps,
    oldest first, followed by an `_InFlight` for each attempt in flight. Upstream's code appends and
    clears, and settings change, so everything is read anew each time, under the limiter's lock.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self._in_flight = 0
        self._ended: deque[float] = deque()  # when; not in upstream's deque yet
        windows.add(self)

    def take(self) -> bool:
        """Take a slot for an attempt. False: none is free."""
        limiter = self.limiter
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
        """End an attempt, whatever its outcome: its slot is free one window from now."""
        self._ended.append(time.monotonic())
        with self.limiter._lock:  # if killed while waiting here, the next caller does the rest
            self._update(self.limiter._timestamps)

    def give_back(self) -> None:
        """Give back the slot of an attempt that was not sent: it is free at once."""
        self._ended.append(_NEVER_SENT)
        with self.limiter._lock:
            self._update(self.limiter._timestamps)

    def stamp_all(self) -> None:
        """End all attempts, in a forked process, where nobody waits for their responses."""
        self._ended.extend(repeat(time.monotonic(), self._in_flight))

    def delay(self) -> float:
        """Return the seconds before which no slot can be free.

        Takes no lock: it may run in the hub.
        """
        limiter = self.limiter
        stamps = limiter._timestamps
        if not limiter.enabled or len(stamps) < limiter.max_requests:
            return 0.0
        try:
            oldest: float = stamps[0]
        except IndexError:  # a limit of 0, or another native thread has just removed them
            return math.inf
        now = time.monotonic()
        if oldest < now - limiter.window_seconds:
            return 0.0
        # If all are in flight, one may end at any moment.
        return max(min(oldest, now) + limiter.window_seconds - now, _MOMENT)

    def used(self) -> int:
        """Return how many slots are taken."""
        with self.limiter._lock:
            self._update(self.limiter._timestamps)
            cutoff = time.monotonic() - self.limiter.window_seconds
            return sum(stamp >= cutoff for stamp in self.limiter._timestamps)

    def _update(self, stamps: deque[float]) -> None:
        if self._in_flight and not (stamps and stamps[-1] is _IN_FLIGHT):
            # Upstream's code took a slot, or cleared all; what is in flight still is.
            known = [stamp for stamp in stamps if stamp is not _IN_FLIGHT]
            stamps.clear()
            stamps.extend(known)
            stamps.extend(repeat(_IN_FLIGHT, self._in_flight))
        while self._ended:
            if self._in_flight:
                self._in_flight -= 1
                stamps.pop()
            ended = self._ended.popleft()
            if ended != _NEVER_SENT:
                stamps.insert(len(stamps) - self._in_flight, ended)


def _stamp_all() -> None:
    for window in list(windows):
        window.stamp_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stamp_all)
