"""Who may send when: upstream's rate limit, in a fair order, and the gates of servers.

Upstream's limiter object keeps the numbers; only the waiting for one of its slots is ours.
"""

from __future__ import annotations

import math
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from itertools import repeat
from typing import Any, TypeAlias, TypedDict

from gevent import monkey
from pywats.core.client import Response
from pywats.core.logging import get_logger
from pywats.core.throttle import RateLimiter

from pywats_green.retry_after import seconds_asked
from pywats_green.throttle import Gate, Gates, Line, Tally
from pywats_green.transport import server_of

logger = get_logger("pywats.core.throttle")  # users filter by upstream's names

_NativeLocal: Any = monkey.get_original("threading", "local")

_ACQUIRE = RateLimiter.acquire
_ATTRIBUTE = "_green_slots"
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500  # and above

_RELOOK = 1.0  # seconds; upstream's waiters look for changed settings as often
_SHORTEST_WAIT = 0.001  # seconds; what upstream does not count

_IN_FLIGHT = math.inf  # in the place of a stamp: upstream counts it, and it never expires
_MOMENT = 1e-4  # seconds; a slot is free when its time is past, not when it has come

_windows: weakref.WeakSet[Window] = weakref.WeakSet()

# What an attempt gives back at its end; None: it has none.
Admission: TypeAlias = "tuple[Gate | None, Window | None]"

_tally = Tally()
_here = _NativeLocal()  # gates, of this native thread
_everywhere: list[weakref.ref[Gates]] = []


def admit(client: Any) -> Admission:
    """Wait until an attempt of a client may be sent: for the gate of its server and for a slot.

    Both are given first come first served. A limiter that has its own `acquire` is called.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.

    Returns:
        What to give back to `settle`, whatever becomes of the attempt.

    Raises:
        BaseException: The caller was killed, or what its own limiter raises; nothing is kept.
    """
    limiter = client._rate_limiter
    try:
        gates = _here.gates
    except AttributeError:
        gates = _gates()
    if not gates and getattr(limiter.acquire, "__func__", None) is _ACQUIRE:
        if not limiter.enabled:
            return None, None
        slots = _slots_of(limiter)
        if not slots.line.waiting and slots.window.take():
            slots.is_full = False
            return slots.admission  # the usual way: no gate, nobody waits
    return _wait(client, limiter)


def settle(client: Any, admission: Admission, answer: Response | None) -> bool:
    """Take note of how an attempt ended; its slot is free in a window from now.

    Args:
        client: The client.
        admission: What `admit` returned.
        answer: What the server answered; None: the attempt failed or was killed.

    Returns:
        Whether the answer put off all calls to this server: the next attempt will wait in `admit`.
    """
    gate, window = admission
    status = None if answer is None else answer.status_code
    asked, is_new = 0.0, False
    if answer is not None and status == _TOO_MANY_REQUESTS:
        _tally.refused += 1
        asked = pause_asked(answer) or 0.0
        is_new = asked > 0 and _put_off(client, asked)
    if gate is not None:
        succeeded = status is not None and status < _SERVER_ERRORS and status != _TOO_MANY_REQUESTS
        _gates().leave(server_of(client.base_url), gate, succeeded=succeeded)
    if window is not None:
        window.stamp()
    if is_new:  # said last: a log handler may wait, and be killed there
        logger.info(
            "HTTP 429: %s asks to be left alone for %.2fs. All calls to it wait...",
            *(server_of(client.base_url), asked),
        )
    return asked > 0


class ThrottleStats(TypedDict):
    """What the calls of this process wait for.

    Attributes:
        waiting: Calls that wait now, for a slot or at a gate.
        waits: How often a call had to.
        wait_seconds: For how long together, killed calls included.
        refused: Answers with the status 429.
        gates: Seconds until the closed ones open, by server.
    """

    waiting: int
    waits: int
    wait_seconds: float
    refused: int
    gates: dict[str, float]


def throttle_statistics() -> ThrottleStats:
    """Return what the calls of this process wait for."""
    left: dict[str, float] = {}
    for gates in _all_gates():
        for server, seconds in gates.seconds_left().items():
            left[server] = max(seconds, left.get(server, 0.0))
    return {
        "waiting": _tally.waiting,
        "waits": _tally.waits,
        "wait_seconds": _tally.seconds,
        "refused": _tally.refused,
        "gates": left,
    }


def _gates() -> Gates:
    try:
        return _here.gates  # type: ignore[no-any-return]
    except AttributeError:
        gates = _here.gates = Gates(_tally)
        _everywhere.append(weakref.ref(gates, _everywhere.remove))
        return gates


def _all_gates() -> list[Gates]:
    """Return the gates of all native threads."""
    return [gates for ref in list(_everywhere) if (gates := ref()) is not None]


def pause_asked(answer: Response) -> float | None:
    """Return the seconds for which an answer asks to be left alone; None: it does not ask."""
    headers = answer.headers
    return seconds_asked(headers.get("retry-after"), headers.get("date"), time.time())


def _put_off(client: Any, seconds: float) -> bool:
    """Close the gate of a client's server for the process; tell whether it was open before."""
    server = server_of(client.base_url)
    is_new = server not in _gates().seconds_left()
    for gates in _all_gates():
        gates.close(server, seconds)
    if _is_upstreams(client._rate_limiter):
        # Those who wait for its slots must go and wait for the server.
        _slots_of(client._rate_limiter).line.send_away()
    return is_new


def _is_upstreams(limiter: Any) -> bool:
    """Tell whether a limiter waits as upstream's does, and has not its own way."""
    return getattr(limiter.acquire, "__func__", None) is _ACQUIRE


def _wait(client: Any, limiter: Any) -> Admission:
    slots = _slots_of(limiter) if _is_upstreams(limiter) else None
    taken: Window | None = None

    def acquire(may_go: Callable[[], bool]) -> bool:
        nonlocal taken
        if slots is None:
            limiter.acquire()
            return True
        if limiter.enabled and slots.acquire(may_go):
            taken = slots.window
        return taken is not None or not limiter.enabled

    try:
        gate = _gates().admit(server_of(client.base_url), acquire)
    except BaseException:
        if taken is not None:  # killed at a gate that closed when it had its slot
            taken.stamp()
        raise
    return gate, taken


class _Slots:
    """The slots of one of upstream's limiters, as the greenlets of one native thread see them.

    Others take slots, too, and settings change: while somebody waits, they are looked at once a
    second at least.
    """

    def __init__(self, limiter: RateLimiter, window: Window) -> None:
        self._limiter = limiter
        self.window = window
        self.admission: Admission = (None, window)
        self.is_full = False
        self.line = Line(self._look, window.take, _tally)

    def acquire(self, may_go: Callable[[], bool]) -> bool:
        """Take a slot, or wait for one; False: `may_go` said no, or the limiter was disabled."""
        if not self.line.waiting and self.window.take():
            self.is_full = False
            return True
        started = time.monotonic()
        if not self.line.wait(lambda: self._limiter.enabled and may_go(), self._count_wait):
            return False
        try:
            self._count_waited(time.monotonic() - started)
        except BaseException:  # killed while it waited for the lock, or in a log handler
            self.window.stamp()
            raise
        return True

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


def _slots_of(limiter: RateLimiter) -> _Slots:
    here = limiter.__dict__.get(_ATTRIBUTE)
    if here is None:
        here = limiter.__dict__.setdefault(_ATTRIBUTE, (Window(limiter), _NativeLocal()))
    window, local = here
    try:
        return local.slots  # type: ignore[no-any-return]
    except AttributeError:
        slots = local.slots = _Slots(limiter, window)
        return slots


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
