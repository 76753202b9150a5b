"""The origin gates: what closes them, and their statistics."""

from __future__ import annotations

import os
import time
import weakref
from typing import Any, NamedTuple, TypedDict

from gevent import monkey
from pywats.core.client import Response
from pywats.core.logging import get_logger

from pywats_green import config
from pywats_green.exceptions import TransportError
from pywats_green.pauses import LONGEST_PAUSE
from pywats_green.retry_after import LONGEST, seconds_asked
from pywats_green.throttle import Gate, Gates, GateState, Passes, Permit, Tally
from pywats_green.transport import server_of

logger = get_logger("pywats.core.throttle")  # users filter by upstream's names

_NativeLocal: Any = monkey.get_original("threading", "local")

_TOO_MANY_REQUESTS = 429

# Longest pause between two probes, in seconds: an outage should cost no more than the outage.
_LONGEST_AWAY = 5.0

NO_CONNECTION = "no connection: "  # how the cause of an `Away` begins

tally = Tally()
"""Counts what the calls of this process wait for."""

local = _NativeLocal()  # its attribute `gates` holds those of this native thread
_everywhere: list[weakref.ref[Gates]] = []


class Away(str):
    """The cause of a gate whose server is unreachable.

    Attributes:
        since: When that was first found, by `time.monotonic()`; the gate may have been closed for
            something else before.
    """

    __slots__ = ("since",)

    since: float


class Ended(NamedTuple):
    """What the end of an attempt means for the next one of its call.

    Attributes:
        is_held: Whether the server asked for a pause, so the next attempt waits at the gate, like
            all others.
        counts: Whether it counts as an attempt. Of those in flight when a server began to refuse,
            only the first does.
    """

    is_held: bool
    counts: bool


PLAIN = Ended(is_held=False, counts=True)


def note_failure(
    client: Any,
    gate: Gate | None,
    permit: Permit | None,
    answer: Response | None,
    error: Exception | None,
) -> Ended:
    """Settle an attempt that the server refused, or that failed.

    Args:
        client: The client.
        gate: The gate that admitted it. None: there was none.
        permit: The gate's permit, which is given back. None: there was no gate.
        answer: A 429 or 503. None: there was no response.
        error: Why there was none. None: the call was killed.

    Returns:
        What this means for the next attempt.
    """
    if answer is not None:
        return _refused(client, gate, permit, answer)
    if config.in_force.wait_for_server and is_away(error):
        cause = Away(f"{NO_CONNECTION}{error.__cause__}")  # type: ignore[union-attr]
        last = None if gate is None else gate.cause
        cause.since = last.since if isinstance(last, Away) else time.monotonic()
        _close(client, cause, gate, permit, None, _LONGEST_AWAY, is_limit=False)
    elif gate is not None and permit is not None:
        if error is None:
            gate.take_back(permit)
        else:
            gate.fail(permit)
    return PLAIN


def is_away(error: BaseException | None) -> bool:
    """Return whether an attempt failed because the server, or the path to it, is down."""
    fault = None if error is None else error.__cause__
    return isinstance(fault, TransportError) and fault.is_away


def pause_asked(answer: Response) -> float | None:
    """Return the seconds that a response asks to wait. None: it does not ask."""
    headers = answer.headers
    return seconds_asked(headers.get("retry-after"), headers.get("date"), time.time())


def closed_because(client: Any) -> str | None:
    """Return why this native thread sends a client's server no requests. None: it does."""
    gate = of_this_thread().get(server_of(client.base_url))
    state = None if gate is None else gate.state()
    return None if state is None else state["cause"]


def _refused(client: Any, gate: Gate | None, permit: Permit | None, answer: Response) -> Ended:
    """Settle an attempt that was answered with 429 or 503."""
    status = answer.status_code
    asked = pause_asked(answer)
    is_limit = status == _TOO_MANY_REQUESTS
    if is_limit:
        tally.refused += 1
    if asked == 0 or (asked is None and not is_limit):  # it asks for no pause
        if gate is not None and permit is not None:
            gate.fail(permit)
        return PLAIN
    how_long = "no Retry-After" if asked is None else f"Retry-After {asked:g} s"
    if asked == LONGEST:
        how_long += " or more"
    cause = f"HTTP {status}, {how_long}"
    is_new = _close(client, cause, gate, permit, asked, LONGEST_PAUSE, is_limit=is_limit)
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
    """Close the gate of a client's server in all native threads; return whether that is news."""
    server = server_of(client.base_url)
    gates = of_this_thread()
    reason: Any = {"seconds": seconds, "longest": longest, "is_limit": is_limit}
    for others in _all_gates():
        if others is not gates:
            others.close_from_afar(server, cause, **reason)
    if gate is not None and permit is not None and gates.get(server) is not gate:
        gate.take_back(permit)  # forgotten meanwhile, because it was idle
        permit = None
    is_new = gates.close(server, cause, permit, **reason)
    if config.in_force.fleet is not None:
        # Imported here, because redis is optional.
        from pywats_green.fleet.passes import Closing  # noqa: PLC0415
        from pywats_green.upstream.client import fleet  # noqa: PLC0415

        pause = gates[server].opens_in() or 0.0
        fleet.tell_closed(server, Closing(cause, is_new, pause, seconds, longest, is_limit))
    return is_new


class ThrottleStats(TypedDict):
    """What the calls of this process wait for.

    Attributes:
        waiting: Calls waiting now, for a slot or at a gate.
        waits: How often a call has had to wait.
        wait_seconds: How long they waited together, killed calls included.
        refused: Responses with the status 429.
        closings: How often a gate has closed.
        probes: Calls admitted through a closed gate, to probe the server.
        reopenings: How often a gate has reopened.
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
    """Return the statistics of limiters and gates for this process."""
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


def of_this_thread() -> Gates:
    """Return the gates of this native thread."""
    try:
        return local.gates  # type: ignore[no-any-return]
    except AttributeError:
        gates = local.gates = Gates(tally, tell=_tell, passes=_passes_of)
        _everywhere.append(weakref.ref(gates, _everywhere.remove))
        return gates


def _passes_of(server: str) -> Passes | None:
    """Return what the gate of a server shares with other machines. None: nothing."""
    if config.in_force.fleet is None:
        return None
    # Imported here, because redis is optional.
    from pywats_green.upstream.client import fleet  # noqa: PLC0415

    return fleet.passes_of(server)


def _tell(text: str) -> None:
    logger.info("Gate of %s", text)


def forget_all() -> None:
    """Forget all gates, in a forked process, where no permit will be given back."""
    for gates in _all_gates():
        gates.clear()
    tally.waiting = 0


def _all_gates() -> list[Gates]:
    """Return the gates of all native threads."""
    return [gates for ref in list(_everywhere) if (gates := ref()) is not None]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)
