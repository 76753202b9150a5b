"""A member's account at a shared limit: the slots that it holds, as it knows and tells them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from pywats_green.fleet.holdings import Ended, Holdings
from pywats_green.fleet.labels import Label
from pywats_green.fleet.limit import Answer, Limiter, Question, run
from pywats_green.fleet.link import Link
from pywats_green.fleet.prefetch import Prefetch
from pywats_green.fleet.processes import leave_for_the_dead
from pywats_green.fleet.share import Alone, Share
from pywats_green.fleet.standing import Standing

MARGIN = 0.05
"""Seconds by which a slot is held longer than the window: clocks and networks are not exact."""

_UNKNOWN = 1.0  # seconds; whoever waits is woken when there is news
_SPARED = 0.1  # seconds that a slot nobody waits for any more is kept for the next call


class Account:
    """An account at the limit of a server and token, for one native thread.

    While the fleet's server answers, a call takes a slot that was reserved there; else, or while it
    has not heard of all members yet, one of the member's share. Either way the account knows what
    it holds (reserved, in flight, answered less than a window ago), and can tell all of it.

    Args:
        name: The member's, in hexadecimal.
        place: What the limit belongs to, as part of the keys.
        limiter: The limit.
        about: What others may know of this member: a mapping that JSON takes.
        wanted: Returns how many calls wait.
        attend: Called when slots were reserved, or may be had otherwise: it wakes who waits.
        poke: Called when the server should be asked soon.
        clock: Seconds, monotonic.

    Attributes:
        used: How many slots all members use, as last heard.
        free: How many nobody does.
        peers: How many members there are, as last heard. 0: never heard.
        is_dormant: Whether it has left, because nobody uses it any more, until somebody does.
    """

    def __init__(
        self,
        name: str,
        place: str,
        limiter: Limiter,
        about: dict[str, Any],
        *,
        wanted: Callable[[], int],
        attend: Callable[[], None],
        poke: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.place = name, place
        self.limiter = limiter
        self._label = Label(about, limiter)
        self._wanted = wanted
        self._attend = attend
        self._poke = poke
        self._clock = clock
        self._generation = 0
        self._standing = Standing()
        self._holdings = Holdings()
        self._prefetch = Prefetch()
        self._alone = Alone()
        self._is_held = False
        self._due = self._not_before = -math.inf
        self._taken = 0
        self._is_superseded = self.is_dormant = False
        self.used = self.peers = self.free = 0

    def take(self) -> bool:
        """Take a slot. False: none is free."""
        now, holdings = self._clock(), self._holdings
        if self.is_shared(now):
            if not holdings.use(now):
                return False
            if not holdings.reserved and self._prefetch.is_on:
                self._come_soon(0.0)
        else:
            if self._alone_in(now) > 0:
                return False
            self._alone.take(now, self.limiter.max_requests, self._window)
            holdings.use_unreserved()
        self._taken += 1
        return True

    def stamp(self) -> None:
        """End an attempt, whatever its outcome: its slot is free a window from now."""
        if self._holdings.end(self._clock()):  # else this is a forked process
            self._come_soon(self._telling)

    def give_back(self) -> None:
        """Give back the slot of an attempt that was not sent: it is free at once."""
        if self._holdings.put_back():
            self._come_soon(_SPARED)

    def ask(self) -> None:
        """Note that a call waits."""
        if self.is_dormant:
            self.is_dormant = False
            self._come_soon(0.0)
        elif self.is_shared(self._clock()) and self._wanted() > len(self._holdings.reserved):
            self._come_soon(self._not_before - self._clock())

    def delay(self) -> float:
        """Return the seconds before which no slot can be free; one if that is not known."""
        now = self._clock()
        if self.is_shared(now):
            reserved = self._holdings.reserved
            return max(reserved[0][1] - now, 0.0) if reserved else _UNKNOWN
        seconds = self._alone_in(now)
        return seconds if seconds < math.inf else _UNKNOWN

    @property
    def share(self) -> int | None:
        """How many slots it may use by itself. 0: it takes turns. None: not known yet."""
        share, limit = self._alone.share, self.limiter.max_requests
        return share.slots(limit) if share.plan else None

    @property
    def is_ample(self) -> bool:
        """Whether a slot that is asked for will come at once, as far as is known."""
        return self.is_shared(self._clock()) and self.free > self._wanted()

    @property
    def is_scarce(self) -> bool:
        """Whether all slots are held, as far as is known."""
        return self.peers > 0 and not (self._standing.grants and self.free)

    def is_shared(self, now: float) -> bool:
        """Return whether slots come from the fleet's server."""
        return self._standing.is_trusted(now)

    def due_in(self) -> float:
        """Return the seconds until the server should be asked. 0: now."""
        if self.is_dormant:
            return math.inf
        now = self._clock()
        due = min(self._due, self._standing.told + self._standing.beat)
        return max(due - now, 0.0)

    def exchange(self, link: Link) -> None:
        """Tell the server what is new, and reserve slots for those who wait.

        Raises:
            LinkError: It did not work; the caller calls `lost`.
        """
        if not self.is_shared(self._clock()) and not self._sync(link):
            return
        if self._is_superseded and self._is_unused():
            self._fall_dormant(link)
            return
        now, holdings, standing = self._clock(), self._holdings, self._standing
        want = max(self._wanted() - len(holdings.reserved), 0)
        self._return_surplus(now)
        if want or not holdings.reserved:
            is_plenty = self.free > self.limiter.max_requests / 2
            want += self._prefetch.count(self._taken, now - standing.heard, is_plenty=is_plenty)
        is_beat = now >= standing.told + standing.beat
        label = self._label.text(now, self._taken, self._wanted()) if is_beat else ""
        news = holdings.take_news()
        self._due = math.inf
        try:
            answer = self._send(link, "ask", want, *news, label)
            if answer is not None:
                self._read(answer, now, want, is_beat=is_beat)
        except BaseException:
            holdings.keep_news(news)
            raise
        if answer is None:  # it has been taken for gone, or the server has forgotten all
            self.doubt()

    def doubt(self) -> None:
        """Tell the server everything before anything else: it may not know."""
        self._standing.doubt()
        self._due = -math.inf

    def lost(self) -> None:
        """Note that the server is away: go on with the share."""
        now = self._clock()
        self._part(now, self._holdings.used_until(now + self._standing.unguarded, self._window))
        self._standing.lose()
        self._alone.is_known = True
        self._holdings.drop_reserved()  # told anew when it is back, and these are not among it
        self._attend()

    def leave(self, link: Link) -> None:
        """Tell the server that this member goes.

        Raises:
            LinkError: It did not work.
        """
        if self._standing.is_up:
            self._generation += 1
            self._holdings.give_back(len(self._holdings.reserved))
            self._send(link, "leave", 0, *self._holdings.take_news(), "")

    def supersede(self) -> None:
        """Leave as soon as nobody has used it for a window, until somebody does.

        The limit was set anew, so that later clients have another account. While this one took
        part, it would be counted as one more member that shares the limit.
        """
        self._is_superseded = True

    def _is_unused(self) -> bool:
        self._expire(self._clock())
        return not (self._wanted() or self._holdings.used)

    def _fall_dormant(self, link: Link) -> None:
        self.leave(link)
        self._holdings.drop_reserved()
        self._alone = Alone()
        self.peers = 0
        self._standing.lose()
        self.is_dormant = not self._wanted()  # somebody may have come meanwhile

    def _part(self, now: float, held: int) -> None:
        """Begin with the share, if slots came from the server until now.

        The others may not know yet that they do not, and use what is reserved for them.

        Args:
            now: On the member's clock.
            held: Slots that nobody else can get.
        """
        if self._standing.grants:
            since = now + self._standing.longest_trust + self._window
            self._alone.begin(since, held)

    def _sync(self, link: Link) -> bool:
        """Tell the server everything, because it may not know, or not for sure.

        Returns:
            Whether slots come from there now.
        """
        if not self._generation:
            leave_for_the_dead(link, self.place, self._window)
        numbered = self._holdings.next
        is_in_step = self._tell_all(link)
        if is_in_step and self._holdings.next != numbered:  # taken meanwhile, and not told
            self._is_held = True
            try:
                is_in_step = self._tell_all(link)
            finally:
                self._is_held = False
        if is_in_step:
            self._standing.is_up = True
            self._attend()
        else:
            self._due = -math.inf
        return is_in_step and not self._standing.is_settling

    def _tell_all(self, link: Link) -> bool:
        now, holdings = self._clock(), self._holdings
        holdings.drop_reserved()
        self._expire(now)
        self._generation += 1
        holdings.take_news()  # all of it is told now, or again if this fails
        label = self._label.text(now, self._taken, self._wanted())
        answer = self._send(link, "sync", 0, holdings.ended, holdings.in_flight, label)
        if answer is not None:
            self._due = math.inf
            self._read(answer, now, 0, is_beat=True)
        return answer is not None

    def _send(
        self,
        link: Link,
        kind: str,
        want: int,
        ended: Sequence[Ended],
        others: Sequence[int],
        label: str,
    ) -> Answer | None:
        limit, now = self.limiter.max_requests, self._clock()
        ages = [(number, max(now - at, 0.0)) for number, at in ended]
        return run(link, self.place, Question(
            self.name, self._generation, self._standing.epoch, kind, limit, self._window,
            want, self._holdings.next, ages, others, label,
        ))  # fmt: skip

    def _read(self, answer: Answer, sent: float, want: int, *, is_beat: bool) -> None:
        now, holdings, standing = self._clock(), self._holdings, self._standing
        was_settling, is_settling = standing.is_settling, answer.settling > 0
        if is_settling:
            self._part(now, holdings.used_until(now, self._window))
        standing.hear(answer, sent, now, is_beat=is_beat)
        self.peers, self.used, self.free = answer.peers, answer.used, answer.free
        if not is_settling:
            self._alone.hear(self.free, now, self._window)
            if answer.plan:
                offset = answer.now - sent
                self._alone.share = Share(answer.plan, answer.seat, offset, answer.peers)
        granted, starts = answer.granted, answer.starts
        holdings.reserve(granted - len(starts), [now + start for start in starts])
        waiting, reserved = self._wanted(), len(holdings.reserved)
        if is_settling:
            self._come_soon(standing.tell_again_in(now))
        elif waiting > reserved:
            again = answer.again if granted < want else 0.0
            self._not_before = now + again
            self._come_soon(again)
        elif waiting < reserved:
            self._come_soon(_SPARED)
        if granted or was_settling != is_settling:
            self._attend()

    def _return_surplus(self, now: float) -> None:
        """Give back what was reserved for calls that do not wait any more."""
        surplus = len(self._holdings.reserved) - self._wanted()
        if surplus > 0 and self._due <= now:
            self._holdings.give_back(surplus)

    def _alone_in(self, now: float) -> float:
        """Return the seconds until a slot of the share may be free."""
        if self._is_held or self._standing.grants:
            return math.inf  # the server, not heard of for a while, is about to be asked
        pause = self._standing.pause_left(now)  # all tell all, before anyone gets more
        if pause:
            return pause
        self._expire(now)
        held = len(self._holdings.in_flight), self._holdings.ended
        return self._alone.free_in(now, self.limiter.max_requests, self._window, *held)

    def _expire(self, now: float) -> None:
        self._holdings.expire(now - self._window)

    def _come_soon(self, seconds: float) -> None:
        due = self._clock() + seconds
        if due < self._due:
            self._due = due
            self._poke()

    @property
    def _window(self) -> float:
        return self.limiter.window_seconds + MARGIN

    @property
    def _telling(self) -> float:
        return min(max(self._window / 40, 0.01), 0.1)
