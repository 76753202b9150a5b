"""How clients take part in a fleet: a limit for each server and token, a gate for each server."""

from __future__ import annotations

import atexit
import hashlib
import os
import time
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

from gevent import monkey
from pywats.core.throttle import RateLimiter

from pywats_green import config
from pywats_green.fleet.account import Account
from pywats_green.fleet.listener import Listener
from pywats_green.fleet.member import Member
from pywats_green.fleet.news import Writes
from pywats_green.fleet.passes import Closing, Passes
from pywats_green.pauses import LONGEST_PAUSE
from pywats_green.redaction import without_user_info
from pywats_green.throttle import Gates, SharedGate
from pywats_green.transport import server_of
from pywats_green.ttls import DOMAINS
from pywats_green.upstream.client import epochs, gates
from pywats_green.upstream.client.slots import Slots

_NativeLocal: Any = monkey.get_original("threading", "local")

_ATTRIBUTE = "_green_fleet"

# Tokens contain passwords, which people choose, so guessing one must be slow.
_ROUNDS = 20_000

_MOMENT = 0.25  # seconds for which a call that holds a permit waits for a slot

_everywhere: weakref.WeakSet[Joined] = weakref.WeakSet()

local = _NativeLocal()  # its attribute `joined` is what this native thread takes part in


class _SharedLedger(Account):
    """An account whose slots upstream's limiter counts, as it counts its own."""

    limiter: RateLimiter

    def take(self) -> bool:
        if not super().take():
            return False
        with self.limiter._lock:
            self.limiter._total_requests += 1
        return True


class FleetSlots(Slots):
    """The slots of a limit that a fleet shares, as the greenlets of one native thread see them.

    Args:
        limiter: Upstream's limiter, which says what the limit is.
        ledger: Makes the account.
    """

    def __init__(self, limiter: RateLimiter, ledger: Callable[[Slots], Account]) -> None:
        self.account = ledger(self)
        super().__init__(limiter, self.account)

    def take_soon(self) -> bool:
        """Take a slot, asking for one if there seem to be many."""
        if self.take():
            return True
        if not self.account.is_ample:
            return False
        ends = time.monotonic() + _MOMENT
        return self.line.wait(on_wait=self.account.ask, patience=lambda: ends - time.monotonic())

    def _count_wait(self) -> None:
        self.account.ask()
        if self.account.is_scarce:  # else it waits for an answer, not for the limit
            super()._count_wait()


class _OwnGate:
    """The gate of a server in this native thread; there is one only if it makes a difference."""

    def __init__(self, server: str, send_away: Callable[[str], None]) -> None:
        self._server = server
        self._send_away = send_away
        self._gates: Gates = gates.of_this_thread()

    def closing(self) -> Closing | None:
        gate = self._gates.get(self._server)
        state = None if gate is None else gate.state()
        if state is None or state["cause"] is None:
            return None
        return Closing(
            state["cause"], is_new=True, pause=state["opens_in"], asked=None,
            longest=LONGEST_PAUSE, is_limit=False,
        )  # fmt: skip

    def close(self, closing: Closing) -> None:
        cause = closing.cause
        if cause.startswith(gates.NO_CONNECTION):
            if not config.in_force.wait_for_server:
                return  # here, calls fail at once while the server is away
            cause = gates.Away(cause)
            cause.since = time.monotonic()
        self._gates.close_from_afar(
            self._server, cause, seconds=closing.pause, longest=closing.longest,
            is_limit=closing.is_limit,
        )  # fmt: skip
        self._send_away(self._server)

    def reopen(self) -> None:
        gate = self._gates.get(self._server)
        if isinstance(gate, SharedGate):
            gate.reopen_from_afar()

    def waiting(self) -> int:
        gate = self._gates.get(self._server)
        return gate.waiting if isinstance(gate, SharedGate) else 0

    def attend(self) -> None:
        gate = self._gates.get(self._server)
        if isinstance(gate, SharedGate):
            gate.attend()


class Joined:
    """What a native thread takes part in.

    Args:
        url: Of the fleet's server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.pid = os.getpid()
        self.slots: dict[tuple[str, int], FleetSlots] = {}
        self.passes: dict[str, Passes] = {}
        self.member = Member(url, self.is_wanted)
        self.member.listen(Listener(url, self._hear, self._missed))
        self.writes = Writes(self.member.name, self.member.poke)
        self.member.join(self.writes)
        _everywhere.add(self)

    def is_wanted(self) -> bool:
        """Return whether the settings still name this server, and this is no forked process."""
        return config.in_force.fleet == self.url and os.getpid() == self.pid

    def slots_of(self, server: str, authorization: str | None, limiter: RateLimiter) -> FleetSlots:
        """Return the slots of a server and token."""
        place = f"{server} {_fingerprint(server, authorization)}"
        slots = self.slots.get((place, id(limiter)))
        if slots is None:
            self.passes_of(server)
            for (there, _), others in self.slots.items():
                if there == place:
                    others.account.supersede()
            slots = FleetSlots(limiter, partial(self._account, place, limiter))
            self.slots[place, id(limiter)] = slots
            self.member.join(slots.account)
        return slots

    def passes_of(self, server: str) -> Passes:
        """Return the passes through the gate of a server."""
        passes = self.passes.get(server)
        if passes is None:
            member = self.member
            own = _OwnGate(server, self._send_away)
            passes = self.passes[server] = Passes(member.name, server, own, member.poke)
            member.join(passes)
        return passes

    def _account(self, place: str, limiter: RateLimiter, slots: Slots) -> Account:
        return _SharedLedger(
            f"{self.member.name}{len(self.slots):04x}",
            place,
            limiter,
            self.member.about,
            wanted=lambda: len(slots.line.waiting),
            attend=lambda: slots.line.attend(),  # noqa: PLW0108  # there is no line yet
            poke=self.member.poke,
        )

    def _send_away(self, server: str) -> None:
        """Let those who wait for slots wait at the gate of their server."""
        for slots in self.slots.values():
            if slots.account.place.partition(" ")[0] == server:
                slots.line.send_away()

    def _hear(self, message: dict[str, Any]) -> None:
        server = message["server"]
        if message["from"] == self.member.name or server not in self.passes:
            return
        if message["kind"] != "wrote":
            self.passes[server].look()
        elif config.in_force.fleet_invalidation:
            epochs.begin(server, message["families"])

    def _missed(self) -> None:
        for server, passes in self.passes.items():
            passes.look()
            if config.in_force.fleet_invalidation:
                epochs.begin(server, DOMAINS)


def slots_of(client: Any, limiter: RateLimiter) -> FleetSlots:
    """Return the slots that a client shares with the fleet of the settings."""
    here = joined()
    authorization = client._headers.get("Authorization")
    known = client.__dict__.get(_ATTRIBUTE)
    if known is not None and known[:3] == (here, authorization, limiter):
        return known[3]  # type: ignore[no-any-return]
    slots = here.slots_of(server_of(client.base_url), authorization, limiter)
    client.__dict__[_ATTRIBUTE] = here, authorization, limiter, slots
    return slots


def passes_of(server: str) -> Passes:
    """Return the passes through the gate of a server that the fleet of the settings shares."""
    return joined().passes_of(server)


def tell_closed(server: str, closing: Closing) -> None:
    """Tell the fleet that the gate of a server has closed in this process."""
    passes_of(server).close(closing)


def tell_wrote(server: str, families: Iterable[str]) -> None:
    """Tell the fleet that families of reads at a server are out of date."""
    joined().writes.tell(server, families)


def joined() -> Joined:
    """Return what this native thread takes part in, joining the fleet of the settings."""
    url = config.in_force.fleet
    assert url is not None  # noqa: S101  # callers have looked
    here: Joined | None = getattr(local, "joined", None)
    if here is None or here.url != url or here.pid != os.getpid() or here.member.has_left:
        here = local.joined = Joined(url)
    return here


def everywhere() -> list[Joined]:
    """Return what the native threads of this process take part in."""
    return [here for here in list(_everywhere) if here.is_wanted() and not here.member.has_left]


def _leave() -> None:
    """At the end of the program, leave the fleet, so that nothing is kept for this process."""
    here: Joined | None = getattr(local, "joined", None)
    if here is not None and here.pid == os.getpid():
        here.member.leave()


atexit.register(_leave)


@lru_cache(maxsize=64)  # a program may make a client for each report
def _fingerprint(server: str, authorization: str | None) -> str:
    """Return what stands for a token in keys, alike on all machines."""
    salt = f"pywats_green {without_user_info(server)}".encode()
    token = (authorization or "").encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", token, salt, _ROUNDS, 8).hex()
