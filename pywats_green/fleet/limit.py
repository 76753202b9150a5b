"""What `limit.lua` is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
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


class Question(NamedTuple):
    """What the script is asked or told. Times are in seconds.

    Attributes:
        name: The member's.
        generation: Grows whenever the member tells everything, so that what is late is known.
        epoch: The last that it was answered. "-": none.
        kind: "sync" tells everything, "ask" what is new, "leave" that the member goes.
        limit: Of requests within the window.
        window: How long a slot counts after its end.
        want: How many slots to reserve.
        next: The number of the first of them.
        ended: Number and age of slots whose attempts have ended.
        others: Numbers of slots: in flight for "sync", else given back unused.
        label: What others may know of the member. Empty: as before.
    """

    name: str
    generation: int
    epoch: str
    kind: str
    limit: int
    window: float
    want: int = 0
    next: int = 0
    ended: Iterable[tuple[int, float]] = ()
    others: Iterable[int] = ()
    label: str = ""


def run(link: Link, place: str, question: Question) -> Answer | None:
    """Run the script.

    Args:
        link: The connection.
        place: What the limit belongs to.
        question: What to ask.

    Returns:
        The answer. None: the server has to be told everything, or the member has left.

    Raises:
        LinkError: It did not work.
    """
    *words, ended, others, label = question
    pairs = list(ended)
    numbers = (each for pair in pairs for each in pair)
    text = " ".join(map(str, (*words, len(pairs), *numbers, *others)))
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
    run(link, place, Question(name, _LAST, "-", "leave", 0, window))
