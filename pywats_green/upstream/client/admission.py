"""Admission: the server's gate, if there is one, and a slot of upstream's rate limiter.

Upstream's limiter object keeps the counts; only waiting for its slots is ours. `slots` and `entry`
wait, `gates` closes and reopens. The usual way of a call stays in this module.
"""

from __future__ import annotations

import math
import time
import weakref
from collections import deque
from itertools import repeat
from typing import Any

from gevent import monkey
from pywats.core.client import Response
from pywats.core.throttle import RateLimiter

from pywats_green import config
from pywats_green.throttle import Gate, Permit
from pywats_green.timers import at_fork
from pywats_green.upstream.client import gates
from pywats_green.upstream.client.entry import Entry
from pywats_green.upstream.client.slots import Admission, Slots

_NativeLocal: Any = monkey.get_original("threading", "local")

_ACQUIRE = RateLimiter.acquire
_ATTRIBUTE = "_green_slots"
_REFUSALS = (429, 503)
_MOMENT = 1e-4  # seconds; a slot is free once its time is past, not when it comes

FREE = Admission()


def admit(client: Any, away_since: float | None = None) -> Admission:
    """Wait until an attempt may be sent: for the gate of its server and a slot of the limiter.

    Both admit first come, first served. A limiter with an `acquire` of its own is simply called.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        away_since: When this call first found its server unreachable, by `time.monotonic()`.
            None: it has not.

    Returns:
        What to give back to `settle`, whatever becomes of the attempt.

    Raises:
        AdmissionTimeoutError: It took longer than `admission_timeout`.
        pywats.core.exceptions.ConnectionError: The server was unreachable for longer than
            `wait_for_server`.
        BaseException: The caller was killed, or its own limiter raised this; nothing is held.
    """
    limiter = client._rate_limiter
    try:
        here = gates.local.gates
    except AttributeError:
        here = gates.of_this_thread()
    slots = None
    if getattr(limiter.acquire, "__func__", None) is _ACQUIRE:  # else it has its own way
        slots = slots_of(client, limiter)
        if not here:
            if not limiter.enabled:
                return FREE
            if not slots.line.waiting and slots.window.take():
                slots.is_full = False
                return slots.admission  # the usual way: no gate, nobody waits
    return Admission(*Entry(client, here, slots, away_since).run())


def settle(
    client: Any, admission: Admission, answer: Response | None, error: Exception | None = None
) -> gates.Ended:
    """Settle an attempt that has ended; its slot is free one window from now.

    Args:
        client: The client.
        admission: What `admit` returned.
        answer: The server's response. None: the attempt failed or was killed.
        error: Why it failed. None: it did not, or was killed.

    Returns:
        What this means for the next attempt.
    """
    gate, permit, window, _ = admission
    try:
        if answer is None or answer.status_code in _REFUSALS:
            return _settle_failure(client, gate, permit, answer, error)
        if gate is not None and permit is not None:
            gate.reopen(permit)
        return gates.PLAIN
    finally:  # a permit first: the caller may be killed while it waits for the limiter's lock
        if window is not None:
            window.stamp()


def _settle_failure(
    client: Any,
    gate: Gate | None,
    permit: Permit | None,
    answer: Response | None,
    error: Exception | None,
) -> gates.Ended:
    try:
        return gates.note_failure(client, gate, permit, answer, error)
    finally:
        limiter = client._rate_limiter
        if gates.local.gates and getattr(limiter.acquire, "__func__", None) is _ACQUIRE:
            # Those waiting for its slots must leave and wait at the gate.
            slots_of(client, limiter).line.send_away()


def slots_of(client: Any, limiter: RateLimiter) -> Slots:
    """Return the slots of a client's limiter with upstream's own `acquire`."""
    if config.in_force.fleet is not None:
        # Imported here, because redis is optional.
        from pywats_green.upstream.client import fleet  # noqa: PLC0415

        return fleet.slots_of(client, limiter)
    here = limiter.__dict__.get(_ATTRIBUTE)
    if here is None:
        here = limiter.__dict__.setdefault(_ATTRIBUTE, (Window(limiter), _NativeLocal()))
    window, local = here
    try:
        return local.slots  # type: ignore[no-any-return]
    except AttributeError:
        slots = local.slots = Slots(limiter, window)
        return slots


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
        with self.limiter._lock:
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


def _forget_calls() -> None:
    """End all attempts, in a forked process, and let nobody of the parent stand in line."""
    for window in list(windows):
        window.stamp_all()
        if _ATTRIBUTE in window.limiter.__dict__:
            window.limiter.__dict__[_ATTRIBUTE] = window, _NativeLocal()


at_fork(_forget_calls)
