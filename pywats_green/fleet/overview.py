"""What a fleet does at present, as its server knows it."""

from __future__ import annotations

from typing import Any, TypedDict

from pywats_green.fleet.keys import PREFIX
from pywats_green.fleet.labels import labels
from pywats_green.fleet.link import Link


class MemberState(TypedDict):
    """A member of a fleet: a process, or one native thread of it.

    Attributes:
        host: The name of its machine.
        pid: Its process.
        rate: Requests a second, over the last second or so.
        waiting: Calls that wait for a slot.
        held: Slots that it holds: reserved, in flight, or answered less than a window ago.
        heard: Seconds since it was last heard of.
    """

    host: str
    pid: int
    rate: float
    waiting: int
    held: int
    heard: float


class SharedGateState(TypedDict):
    """The gate of a server that is not open.

    Attributes:
        cause: Why it is closed. None: it is reopening.
        opens_in: Seconds until the next probe may go. 0: one may, or is in flight.
        width: How many requests may be in flight while it is reopening.
    """

    cause: str | None
    opens_in: float
    width: int


class SharedLimit(TypedDict):
    """A limit that a fleet shares.

    Attributes:
        server: The WATS server.
        token: Stands for the token; the same on all machines.
        limit: How many requests are allowed.
        seconds: Length of the window.
        used: How many count now.
        rate: Requests a second of all members together.
        waiting: Calls of all members that wait for a slot.
        gate: The gate of the server. None: it is open.
        members: Who takes part, the busiest first.
    """

    server: str
    token: str
    limit: int
    seconds: float
    used: int
    rate: float
    waiting: int
    gate: SharedGateState | None
    members: list[MemberState]


def overview(url: str) -> list[SharedLimit]:
    """Return all limits that are shared over a server, by server and token. May block.

    Args:
        url: As for `configure(fleet=)`.

    Raises:
        LinkError: The server cannot be reached.
    """
    link = Link(url)
    try:
        seconds, microseconds = map(int, link.ask("TIME"))
        now = seconds + microseconds / 1e6
        limits = [_limit(link, place, now) for place in sorted(_places(link))]
        return [limit for limit in limits if limit["members"]]
    finally:
        link.close()


def _places(link: Link) -> set[str]:
    found, cursor = set(), b"0"
    while True:
        cursor, keys = link.ask("SCAN", cursor, "MATCH", f"{PREFIX}*:members", "COUNT", 1000)
        found |= {key.decode().removesuffix(":members") for key in keys}
        if cursor == b"0":
            return found


def _limit(link: Link, key: str, now: float) -> SharedLimit:
    place = key.removeprefix(f"{PREFIX}{{").removesuffix("}")
    server, _, token = place.partition(" ")
    heard = _pairs(link.ask("ZRANGE", f"{key}:members", 0, -1, "WITHSCORES"))
    held = _pairs(link.ask("HGETALL", f"{key}:held"))
    known = labels(link, place)
    members: list[MemberState] = []
    told: dict[str, Any] = {}
    for name, when in heard.items():
        told = known.get(name) or told
        members.append(
            {
                "host": str(told.get("host", "?")),
                "pid": int(told.get("pid", 0)),
                "rate": float(told.get("rate", 0.0)),
                "waiting": int(told.get("waiting", 0)),
                "held": int(held.get(name, 0)),
                "heard": max(now - float(when), 0.0),
            }
        )
    members.sort(key=lambda member: (-member["rate"], member["host"], member["pid"]))
    return {
        "server": server,
        "token": token,
        "limit": int(told.get("limit", 0)),
        "seconds": float(told.get("seconds", 0.0)),
        "used": int(link.ask("ZCOUNT", f"{key}:slots", now, "+inf")),
        "rate": sum(member["rate"] for member in members),
        "waiting": sum(member["waiting"] for member in members),
        "gate": _gate(link, server, now),
        "members": members,
    }


def _gate(link: Link, server: str, now: float) -> SharedGateState | None:
    gate = _pairs(link.ask("HGETALL", f"{PREFIX}{{{server}}}:gate"))
    if gate.get("closed") == "1":
        opens_in = max(float(gate["until"]) - now, 0.0)
        return {"cause": gate["cause"], "opens_in": opens_in, "width": 0}
    width = int(float(gate.get("width", "0")))
    return {"cause": None, "opens_in": 0.0, "width": width} if width else None


def _pairs(flat: list[bytes]) -> dict[str, Any]:
    texts = [each.decode() for each in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))
