"""What `limit.lua` is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pywats_green.fleet.keys import key_of
from pywats_green.fleet.link import Link, Script

_SCRIPT = Script("limit.lua")

_LAST = 2**53  # a generation that none is above


class Limiter(Protocol):
    """The limit, as it is set in this process; it may change at any time."""

    max_requests: int
    window_seconds: float


class Answer(NamedTuple):
    """An answer of the script. Times are in seconds.

    Attributes:
        epoch: Names what the server knows; another one: it has forgotten what it knew.
        now: Its clock.
        settling: Time until it grants slots: it may not have heard of all members yet.
        plan: Into how many parts the limit is divided if it goes away. 0: not settled yet.
        seat: The member's place in the order of turns.
        peers: How many members there are.
        used: How many slots all members hold.
        free: How many nobody holds.
        again: Time until it is worth asking again, if not all was granted.
        beat: Time until the server wants to hear of the member again.
        granted: How many slots were reserved.
        starts: The time from which each of them may be used; those that are missing: at once.
    """

    epoch: str
    now: float
    settling: float
    plan: int
    seat: int
    peers: int
    used: int
    free: int
    again: float
    beat: float
    granted: int
    starts: list[float]


def run(
    link: Link, place: str, words: Sequence[object], numbers: Sequence[int], label: str
) -> Answer | None:
    """Run the script.

    Args:
        link: The connection.
        place: What the limit belongs to.
        words: The arguments, in its order.
        numbers: Numbers of slots that follow them.
        label: What others may know of the member.

    Returns:
        The answer. None: the server has to be told everything.

    Raises:
        LinkError: It did not work.
    """
    text = " ".join(map(str, (*words, *numbers)))
    status, *fields = link.run(_SCRIPT, [key_of(place)], text, label).decode().split()
    if status != "ok":
        return None
    epoch, now, settling, plan, seat, peers, used, free, again, beat, granted, *starts = fields
    return Answer(
        epoch, float(now), float(settling), int(plan), int(seat), int(peers), int(used),
        int(free), float(again), float(beat), int(granted), [int(each) / 1e6 for each in starts],
    )  # fmt: skip


def leave_for(link: Link, place: str, name: str, window: float) -> None:
    """Leave for a member whose process has ended. If it has not, it has to tell everything.

    What it had reserved counts for a window: it may have been used.

    Raises:
        LinkError: It did not work.
    """
    run(link, place, [name, _LAST, "-", "leave", 0, window, 0, 0, 0], (), "")
