"""How clients take part in a fleet: one limit for each server and token."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent import monkey
from pywats.core.throttle import RateLimiter

from pywats_green import config
from pywats_green.fleet.account import Account
from pywats_green.fleet.member import Member
from pywats_green.redaction import without_user_info
from pywats_green.transport import server_of
from pywats_green.upstream.client.slots import Slots

_NativeLocal: Any = monkey.get_original("threading", "local")

_ATTRIBUTE = "_green_fleet"

# Tokens contain passwords, which people choose, so guessing one must be slow.
_ROUNDS = 20_000

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

    def _count_wait(self) -> None:
        self.account.ask()
        super()._count_wait()


class Joined:
    """What a native thread takes part in.

    Args:
        url: Of the fleet's server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.pid = os.getpid()
        self.member = Member(url, self.is_wanted)
        self.slots: dict[tuple[str, int], FleetSlots] = {}
        _everywhere.add(self)

    def is_wanted(self) -> bool:
        """Return whether the settings still name this server, and this is no forked process."""
        return config.in_force.fleet == self.url and os.getpid() == self.pid

    def slots_of(self, server: str, authorization: str | None, limiter: RateLimiter) -> FleetSlots:
        """Return the slots of a server and token."""
        place = f"{server} {_fingerprint(server, authorization)}"
        slots = self.slots.get((place, id(limiter)))
        if slots is None:
            slots = FleetSlots(limiter, partial(self._account, place, limiter))
            self.slots[place, id(limiter)] = slots
            self.member.join(slots.account)
        return slots

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


def slots_of(client: Any, limiter: RateLimiter) -> FleetSlots:
    """Return the slots that a client shares with the fleet of the settings."""
    url = config.in_force.fleet
    authorization = client._headers.get("Authorization")
    known = client.__dict__.get(_ATTRIBUTE)
    if known is not None and known[0] == (url, authorization, limiter, os.getpid()):
        return known[1]  # type: ignore[no-any-return]
    slots = joined().slots_of(server_of(client.base_url), authorization, limiter)
    client.__dict__[_ATTRIBUTE] = (url, authorization, limiter, os.getpid()), slots
    return slots


def joined() -> Joined:
    """Return what this native thread takes part in, joining the fleet of the settings."""
    url = config.in_force.fleet
    assert url is not None  # noqa: S101  # callers have looked
    here: Joined | None = getattr(local, "joined", None)
    if here is None or here.url != url or here.pid != os.getpid():
        here = local.joined = Joined(url)
    return here


def everywhere() -> list[Joined]:
    """Return what the native threads of this process take part in."""
    return [here for here in list(_everywhere) if here.is_wanted()]


def _fingerprint(server: str, authorization: str | None) -> str:
    """Return what stands for a token in keys, alike on all machines."""
    salt = f"pywats_green {without_user_info(server)}".encode()
    token = (authorization or "").encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", token, salt, _ROUNDS, 8).hex()
