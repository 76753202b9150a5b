"""Admission: the server's gate, if there is one, and a slot of upstream's rate limiter.

Upstream's limiter object keeps the counts; only waiting for its slots is ours. `slots` and `entry`
wait, `gates` closes and reopens.
"""

from __future__ import annotations

from typing import Any

from pywats.core.client import Response
from pywats.core.throttle import RateLimiter

from pywats_green.throttle import Gate, Permit
from pywats_green.upstream.client import gates
from pywats_green.upstream.client.entry import Entry
from pywats_green.upstream.client.slots import Admission, slots_of

_ACQUIRE = RateLimiter.acquire
_REFUSALS = (429, 503)

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
