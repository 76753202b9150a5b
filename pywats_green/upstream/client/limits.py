"""How much of upstream's rate limits is used."""

from __future__ import annotations

from typing import TypedDict

from pywats_green import config
from pywats_green.upstream.client.admission import windows


class LimitState(TypedDict):
    """How much of a rate limit is used.

    Attributes:
        used: Requests that count now: in flight, or ended less than a window ago.
        limit: How many may.
        seconds: Length of the window.
    """

    used: int
    limit: int
    seconds: float


class FleetState(TypedDict):
    """A limit that this process shares, as last heard.

    Attributes:
        server: The WATS server that it belongs to.
        place: The server over which it is shared, without credentials.
        trouble: Why that cannot be reached, so that this process keeps to its share. None: it can.
        peers: How many take part, this process included. 0: not known yet.
        share: How many requests this process may send in a window by itself, while that cannot
            be reached. 0: now and then one, in its turn. None: not known yet.
        used: Requests of all of them that count now.
        limit: How many may.
        seconds: Length of the window.
        waiting: Calls of this process that wait for a slot.
    """

    server: str
    place: str
    trouble: str | None
    peers: int
    share: int | None
    used: int
    limit: int
    seconds: float
    waiting: int


def fleet_statistics() -> list[FleetState]:
    """Return the state of each limit that this process shares; nothing without `fleet`."""
    if config.in_force.fleet is None:
        return []
    # Imported here, because redis is optional.
    from pywats_green.upstream.client import fleet  # noqa: PLC0415

    return [
        {
            "server": slots.account.place.partition(" ")[0],
            "place": here.member.link.place,
            "trouble": here.member.trouble,
            "peers": slots.account.peers,
            "share": slots.account.share,
            "used": slots.account.used,
            "limit": slots.account.limiter.max_requests,
            "seconds": slots.account.limiter.window_seconds,
            "waiting": len(slots.line.waiting),
        }
        for here in fleet.everywhere()
        for slots in list(here.slots.values())
        if not slots.account.is_dormant
    ]


def limit_statistics() -> list[LimitState]:
    """Return the state of each limiter that green calls have used and that is switched on."""
    return [
        {
            "used": window.used(),
            "limit": window.limiter.max_requests,
            "seconds": window.limiter.window_seconds,
        }
        for window in list(windows)
        if window.limiter.enabled
    ]
