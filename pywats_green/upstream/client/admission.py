"""Who may send when: upstream's rate limit in a fair order, and the holds that servers ask for.

Upstream's limiter object keeps the numbers; only the waiting for one of its slots is ours.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gevent import monkey
from pywats.core.client import Response
from pywats.core.logging import get_logger
from pywats.core.throttle import RateLimiter

from pywats_green.retry_after import seconds_asked
from pywats_green.throttle import Hold, Holds, Line, Tally
from pywats_green.transport import server_of

logger = get_logger("pywats.core.throttle")  # users filter by upstream's names

_NativeLocal: Any = monkey.get_original("threading", "local")

_ACQUIRE = RateLimiter.acquire
_ATTRIBUTE = "_green_slots"
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500  # and above

_RELOOK = 1.0  # seconds; upstream's waiters look for changed settings as often
_MOMENT = 1e-4  # seconds; a slot is free when its time is past, not when it has come
_SHORTEST_WAIT = 0.001  # seconds; what upstream does not count

_name_of = lru_cache(maxsize=1024)(server_of)

_tally = Tally()
_here = _NativeLocal()  # holds, of this native thread
_everywhere: list[weakref.ref[Holds]] = []


def admit(client: Any) -> Hold | None:
    """Wait until an attempt of a client may be sent: for a hold to end, and for a slot.

    Both are given first come first served. A limiter that has its own `acquire` is called.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.

    Returns:
        What to give back to `settle`, whatever becomes of the attempt.

    Raises:
        BaseException: The caller was killed, or what its own limiter raises; nothing is kept.
    """
    limiter = client._rate_limiter
    holds = _holds()
    if not _is_upstreams(limiter):
        acquire = _theirs(limiter)
    elif holds:
        acquire = _slots_of(limiter).acquire
    elif not limiter.enabled or (slots := _slots_of(limiter)).take_at_once():
        return None  # the usual way: nothing is held, nobody waits
    else:
        acquire = slots.acquire
    return holds.admit(_name_of(client.base_url), acquire)


def settle(client: Any, hold: Hold | None, answer: Response | None) -> bool:
    """Take note of how an attempt ended.

    Args:
        client: The client.
        hold: What `admit` returned.
        answer: What the server answered; None: the attempt failed or was killed.

    Returns:
        Whether the answer put off all calls to this server: the next attempt will wait in `admit`.
    """
    status = None if answer is None else answer.status_code
    asked, is_new = 0.0, False
    if answer is not None and status == _TOO_MANY_REQUESTS:
        _tally.refused += 1
        asked = pause_asked(answer) or 0.0
        is_new = asked > 0 and _put_off(client, asked)
    if hold is not None:
        succeeded = status is not None and status < _SERVER_ERRORS and status != _TOO_MANY_REQUESTS
        _holds().leave(_name_of(client.base_url), hold, succeeded=succeeded)
    if is_new:  # said last: a log handler may wait, and be killed there
        logger.info(
            "HTTP 429: %s asks to be left alone for %.2fs. All calls to it wait...",
            *(_name_of(client.base_url), asked),
        )
    return asked > 0


def throttle_statistics() -> dict[str, Any]:
    """Return what the calls of this process wait for.

    Returns:
        `waiting`: calls that wait now, for a slot or a hold. `waits`: how often a call had to.
        `wait_seconds`: for how long together, killed calls included. `refused`: answers with the
        status 429. `holds`: seconds that are left, by server, where one asked to be left alone.
    """
    left: dict[str, float] = {}
    for holds in _all_holds():
        for server, seconds in holds.seconds_left().items():
            left[server] = max(seconds, left.get(server, 0.0))
    return {
        "waiting": _tally.waiting,
        "waits": _tally.waits,
        "wait_seconds": _tally.seconds,
        "refused": _tally.refused,
        "holds": left,
    }


def _holds() -> Holds:
    try:
        return _here.holds  # type: ignore[no-any-return]
    except AttributeError:
        holds = _here.holds = Holds(_tally)
        _everywhere.append(weakref.ref(holds, _everywhere.remove))
        return holds


def _all_holds() -> list[Holds]:
    """Return the holds of all native threads."""
    return [holds for ref in list(_everywhere) if (holds := ref()) is not None]


def pause_asked(answer: Response) -> float | None:
    """Return the seconds for which an answer asks to be left alone; None: it does not ask."""
    headers = answer.headers
    return seconds_asked(headers.get("retry-after"), headers.get("date"), time.time())


def _put_off(client: Any, seconds: float) -> bool:
    """Hold all calls of the process to a client's server; tell whether none were held before."""
    server = _name_of(client.base_url)
    is_new = server not in _holds().seconds_left()
    for holds in _all_holds():
        holds.extend(server, seconds)
    if _is_upstreams(client._rate_limiter):
        # Those who wait for its slots must go and wait for the server.
        _slots_of(client._rate_limiter).line.send_away()
    return is_new


def _is_upstreams(limiter: Any) -> bool:
    """Tell whether a limiter waits as upstream's does, and has not its own way."""
    return getattr(limiter.acquire, "__func__", None) is _ACQUIRE


def _theirs(limiter: Any) -> Callable[[Callable[[], bool]], bool]:
    def acquire(_: Callable[[], bool]) -> bool:
        limiter.acquire()
        return True

    return acquire


class _Slots:
    """The slots of one of upstream's limiters, as the greenlets of one native thread see them.

    Others take slots, too, and settings change: the numbers are read anew each time, under the
    limiter's lock where they are changed. While somebody waits, they are looked at once a second
    at least.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._is_full = False
        self.line = Line(self._look, self._take, _tally)

    def take_at_once(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.line or not self._take():
            return False
        self._is_full = False
        return True

    def acquire(self, may_go: Callable[[], bool]) -> bool:
        """Take a slot, or wait for one; False: `may_go` said no while the caller waited."""
        if self.take_at_once():
            return True
        started = time.monotonic()
        if not self.line.wait(may_go, self._count_wait):
            return False
        waited = time.monotonic() - started
        if waited > _SHORTEST_WAIT:
            with self._limiter._lock:
                self._limiter._total_wait_time += waited
            logger.debug("Rate limiter: acquired after %.3fs wait", waited)
        return True

    def _count_wait(self) -> None:
        limiter = self._limiter
        with limiter._lock:
            limiter._throttle_count += 1
        if not self._is_full:
            self._is_full = True  # until a call need not wait: one line for all that do
            logger.info(
                "Rate limit reached (%s requests/%ss). Waiting %.2fs...",
                *(limiter.max_requests, limiter.window_seconds, self._delay()),
            )

    def _take(self) -> bool:
        limiter = self._limiter
        if not limiter.enabled:
            return True
        with limiter._lock:
            stamps = limiter._timestamps
            now = time.monotonic()
            cutoff = now - limiter.window_seconds
            while stamps and stamps[0] < cutoff:
                stamps.popleft()
            if len(stamps) >= limiter.max_requests:
                return False
            stamps.append(now)
            limiter._total_requests += 1
            return True

    def _look(self) -> float:
        return min(self._delay(), _RELOOK)

    def _delay(self) -> float:
        """Return the seconds until a slot is free. Takes no lock: it may run in the hub."""
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
        return max(oldest + limiter.window_seconds - now, _MOMENT)


def _slots_of(limiter: RateLimiter) -> _Slots:
    here = limiter.__dict__.get(_ATTRIBUTE)
    if here is None:
        here = limiter.__dict__.setdefault(_ATTRIBUTE, _NativeLocal())
    try:
        return here.slots  # type: ignore[no-any-return]
    except AttributeError:
        slots = here.slots = _Slots(limiter)
        return slots
