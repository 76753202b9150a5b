"""Who may be sent when: the gates of servers and upstream's rate limit, each in a fair order."""

from __future__ import annotations

import time
import weakref
from typing import Any, NamedTuple, TypedDict

from gevent import monkey
from pywats.core.client import Response

from pywats_green import config
from pywats_green.exceptions import TransportError
from pywats_green.retry_after import seconds_asked
from pywats_green.throttle import Gate, Gates, GateState, Permit
from pywats_green.transport import server_of
from pywats_green.upstream.client.entry import Away, Entry
from pywats_green.upstream.client.slots import (
    FREE,
    Admission,
    is_upstreams,
    logger,
    slots_of,
    tally,
)

_NativeLocal: Any = monkey.get_original("threading", "local")

_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503

# Seconds between two probes, at most: an outage shall cost the outage.
_LONGEST_REFUSED = 30.0
_LONGEST_AWAY = 5.0

_here = _NativeLocal()  # gates, of this native thread
_everywhere: list[weakref.ref[Gates]] = []


class Ended(NamedTuple):
    """What the end of an attempt means for the next one of its call.

    Attributes:
        is_held: Whether the server asked for time, so the next attempt waits with all others.
        counts: Whether it counts as an attempt. Of those that were in flight when a server
            began to refuse, one does.
    """

    is_held: bool
    counts: bool


_PLAIN = Ended(is_held=False, counts=True)


def admit(client: Any, away_since: float | None = None) -> Admission:
    """Wait until an attempt of a client may be sent: for the gate of its server and for a slot.

    Both are given first come first served. A limiter that has its own `acquire` is called.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        away_since: Since when this call has met a server that is away, by `time.monotonic()`.
            None: it has not.

    Returns:
        What to give back to `settle`, whatever becomes of the attempt.

    Raises:
        AdmissionTimeoutError: It took longer than `admission_timeout`.
        pywats.core.exceptions.ConnectionError: The server was away for longer than
            `wait_for_server`.
        BaseException: The caller was killed, or what its own limiter raises; nothing is kept.
    """
    limiter = client._rate_limiter
    try:
        gates = _here.gates
    except AttributeError:
        gates = _gates()
    if not gates and is_upstreams(limiter):
        if not limiter.enabled:
            return FREE
        slots = slots_of(limiter)
        if not slots.line.waiting and slots.window.take():
            slots.is_full = False
            return slots.admission  # the usual way: no gate, nobody waits
    return Entry(client, gates, away_since).run()


def settle(
    client: Any, admission: Admission, answer: Response | None, error: Exception | None = None
) -> Ended:
    """Take note of how an attempt ended; its slot is free in a window from now.

    Args:
        client: The client.
        admission: What `admit` returned.
        answer: What the server answered; None: the attempt failed or was killed.
        error: Why it failed. None: it did not, or was killed.
    """
    gate, permit, window, _ = admission
    if window is not None:
        window.stamp()
    if answer is not None:
        status = answer.status_code
        if status in (_TOO_MANY_REQUESTS, _UNAVAILABLE):
            return _refused(client, gate, permit, answer)
        if gate is not None and permit is not None:
            gate.reopen(permit)
        return _PLAIN
    if config.in_force.wait_for_server and is_away(error):
        cause = Away(f"no connection: {error.__cause__}")  # type: ignore[union-attr]
        _close(client, cause, gate, permit, None, _LONGEST_AWAY, is_limit=False)
    elif gate is not None and permit is not None:
        if error is None:
            gate.take_back(permit)
        else:
            gate.fail(permit)
    return _PLAIN


def is_away(error: BaseException | None) -> bool:
    """Tell whether an attempt failed because the server, or the way to it, is down."""
    fault = None if error is None else error.__cause__
    return isinstance(fault, TransportError) and fault.is_away


def pause_asked(answer: Response) -> float | None:
    """Return the seconds for which an answer asks to be left alone; None: it does not ask."""
    headers = answer.headers
    return seconds_asked(headers.get("retry-after"), headers.get("date"), time.time())


def closed_because(client: Any) -> str | None:
    """Return why no request of this native thread is sent to a client's server; None: they are."""
    gate = _gates().get(server_of(client.base_url))
    state = None if gate is None else gate.state()
    return None if state is None else state["cause"]


def _refused(client: Any, gate: Gate | None, permit: Permit | None, answer: Response) -> Ended:
    """Take note of a 429 or 503."""
    status = answer.status_code
    asked = pause_asked(answer)
    is_limit = status == _TOO_MANY_REQUESTS
    if is_limit:
        tally.refused += 1
    if asked == 0 or (asked is None and not is_limit):  # it asks for no time
        if gate is not None and permit is not None:
            gate.fail(permit)
        return _PLAIN
    how_long = "no Retry-After" if asked is None else f"Retry-After {asked:g} s"
    cause = f"HTTP {status}, {how_long}"
    is_new = _close(client, cause, gate, permit, asked, _LONGEST_REFUSED, is_limit=is_limit)
    return Ended(is_held=asked is not None, counts=is_new)


def _close(
    client: Any,
    cause: str,
    gate: Gate | None,
    permit: Permit | None,
    seconds: float | None,
    longest: float,
    *,
    is_limit: bool,
) -> bool:
    """Close the gate of a client's server for the process; tell whether that is new."""
    server = server_of(client.base_url)
    gates = _gates()
    reason: Any = {"seconds": seconds, "longest": longest, "is_limit": is_limit}
    for others in _all_gates():
        if others is not gates:
            others.close_from_afar(server, cause, **reason)
    if gate is not None and permit is not None and gates.get(server) is not gate:
        gate.take_back(permit)  # forgotten meanwhile, because nobody had to wait
        permit = None
    try:
        return gates.close(server, cause, permit, **reason)
    finally:
        if is_upstreams(client._rate_limiter):
            # Those who wait for its slots must go and wait for the server.
            slots_of(client._rate_limiter).line.send_away()


class ThrottleStats(TypedDict):
    """What the calls of this process wait for.

    Attributes:
        waiting: Calls that wait now, for a slot or at a gate.
        waits: How often a call had to.
        wait_seconds: For how long together, killed calls included.
        refused: Answers with the status 429.
        closings: How often the gate of a server closed.
        probes: Calls that were let through a closed gate, to probe the server.
        reopenings: How often a gate opened again.
        gates: The gates that are not open, by server.
    """

    waiting: int
    waits: int
    wait_seconds: float
    refused: int
    closings: int
    probes: int
    reopenings: int
    gates: dict[str, GateState]


def throttle_statistics() -> ThrottleStats:
    """Return what the calls of this process wait for."""
    states: dict[str, GateState] = {}
    for gates in _all_gates():
        for server, state in gates.states().items():
            known = states.get(server)
            if known is None or known["opens_in"] < state["opens_in"]:
                states[server] = state
    return {
        "waiting": tally.waiting,
        "waits": tally.waits,
        "wait_seconds": tally.seconds,
        "refused": tally.refused,
        "closings": tally.closings,
        "probes": tally.probes,
        "reopenings": tally.reopenings,
        "gates": states,
    }


def _gates() -> Gates:
    try:
        return _here.gates  # type: ignore[no-any-return]
    except AttributeError:
        gates = _here.gates = Gates(tally, tell=_tell)
        _everywhere.append(weakref.ref(gates, _everywhere.remove))
        return gates


def _tell(text: str) -> None:
    logger.info("Gate of %s", text)


def _all_gates() -> list[Gates]:
    """Return the gates of all native threads."""
    return [gates for ref in list(_everywhere) if (gates := ref()) is not None]
