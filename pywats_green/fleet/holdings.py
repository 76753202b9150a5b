"""The slots that a member holds of a limit, as it knows them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

_AT_ONCE = -math.inf


class Ended(NamedTuple):
    """A slot whose attempt has ended.

    Attributes:
        number: Its number.
        at: When, on the member's clock.
    """

    number: int
    at: float


class News(NamedTuple):
    """What the server has not heard of yet.

    Attributes:
        ended: Slots whose attempts have ended.
        returned: Numbers of slots that were given back unused.
    """

    ended: list[Ended]
    returned: list[int]


class Holdings:
    """Slots that are reserved, in flight, or were answered less than a window ago.

    Each has a number, by which the server knows it. Times are in seconds on the member's clock.

    Attributes:
        next: The number of the next slot.
        reserved: Number of each reserved slot, and from when on it may be used; the next one first.
        in_flight: Numbers of slots whose attempts have yet to end.
        ended: Slots that count until a window after their end.
    """

    def __init__(self) -> None:
        self.next = 0
        self.reserved: deque[tuple[int, float]] = deque()
        self.in_flight: deque[int] = deque()
        self.ended: deque[Ended] = deque()
        self._news = News([], [])

    @property
    def used(self) -> int:
        """How many count at the WATS server, or may."""
        return len(self.in_flight) + len(self.ended)

    def reserve(self, count: int, starts: Iterable[float]) -> None:
        """Note reserved slots: so many for now, and one from each of these times on."""
        times = [_AT_ONCE] * count + list(starts)
        is_in_order = not (times and self.reserved and times[0] < self.reserved[-1][1])
        self.reserved += [(self._number(), time) for time in times]
        if not is_in_order:
            self.reserved = deque(sorted(self.reserved, key=itemgetter(1)))

    def use(self, now: float) -> bool:
        """Use a reserved slot. False: none may be used yet."""
        if not self.reserved or self.reserved[0][1] > now:
            return False
        self.in_flight.append(self.reserved.popleft()[0])
        return True

    def use_unreserved(self) -> None:
        """Use a slot of the member's own share."""
        self.in_flight.append(self._number())

    def end(self, now: float) -> bool:
        """End an attempt. False: none is in flight."""
        if not self.in_flight:
            return False
        ended = Ended(self.in_flight.popleft(), now)  # any of them: all are alike
        self.ended.append(ended)
        self._news.ended.append(ended)
        return True

    def put_back(self) -> bool:
        """Note that an attempt was not sent: its slot is reserved again. False: as for `end`."""
        if not self.in_flight:
            return False
        self.reserved.appendleft((self.in_flight.pop(), _AT_ONCE))
        return True

    def give_back(self, count: int) -> None:
        """Give back the last of the reserved slots."""
        self._news.returned.extend(self.reserved.pop()[0] for _ in range(count))

    def drop_reserved(self) -> None:
        """Forget what is reserved, because the server does."""
        self.reserved.clear()

    def expire(self, before: float) -> None:
        """Forget what ended before a time."""
        while self.ended and self.ended[0].at < before:
            self.ended.popleft()

    def take_news(self) -> News:
        """Return what is to be told, and count it as told."""
        news, self._news = self._news, News([], [])
        return news

    def keep_news(self, news: News) -> None:
        """Note that it was not told after all."""
        self._news.ended[:0] = news.ended
        self._news.returned[:0] = news.returned

    def _number(self) -> int:
        self.next += 1
        return self.next - 1
