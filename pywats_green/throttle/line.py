"""A line before something scarce: first come, first served, and one wake-up for each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

import gevent
from gevent.event import Event

from pywats_green.throttle.tally import Tally


class Timer(Protocol):
    """A timer that was started."""

    def close(self) -> None:
        """Stop it, if it has not gone off."""


StartTimer: TypeAlias = Callable[[float, Callable[[], None]], Timer]


def start_timer(seconds: float, callback: Callable[[], None]) -> Timer:
    """Start a timer of this native thread's hub.

    Args:
        seconds: More than 0.
        callback: Called in the hub, where nothing may block.
    """
    loop = gevent.get_hub().loop
    loop.update_now()  # its idea of now may be old, and the timer would come early
    timer = loop.timer(seconds)
    timer.start(callback)
    return timer


class _Place:
    """One place in a line."""

    __slots__ = ("alarm", "called", "is_over", "may_go")

    def __init__(self, may_go: Callable[[], bool]) -> None:
        self.called = Event()
        self.may_go = may_go
        self.is_over = False
        self.alarm: Timer | None = None


class Line:
    """Where greenlets of one native thread wait for something that comes free piece by piece.

    When a piece is free, the first in line is woken, and nobody else. It helps itself, and calls
    the next when it leaves: so nothing is set aside for a greenlet that may be killed before it
    runs, and many that wait cost no more than one timer.

    Args:
        look: Tells in how many seconds to look again; 0: something seems to be free. Called in
            the hub, too: it must not block.
        take: Takes a piece; False: none was free. It may block for a short lock.
        tally: Counts the waits.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.

    Attributes:
        waiting: Who stands in it; empty: what is free may be taken at once.
    """

    def __init__(
        self,
        look: Callable[[], float],
        take: Callable[[], bool],
        tally: Tally,
        *,
        start_timer: StartTimer = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._take = take
        self._tally = tally
        self._start_timer = start_timer
        self._clock = clock
        self.waiting: deque[_Place] = deque()
        self._timer: Timer | None = None

    def wait(
        self,
        may_go: Callable[[], bool] = lambda: True,
        on_wait: Callable[[], None] = lambda: None,
        patience: Callable[[], float | None] | None = None,
    ) -> bool:
        """Stand in line and take a piece when it is the caller's turn.

        Args:
            may_go: Asked when the caller is called: False sends it out of the line, without a
                piece.
            on_wait: Called once the caller stands in line.
            patience: Returns for how many seconds more the caller will wait; asked again when
                they are over, also in the hub. 0 or less: no longer. None: without a bound.

        Returns:
            Whether a piece was taken; False: `may_go` said no, or the patience is at its end.

        Raises:
            BaseException: The caller was killed; the next in line gets what it would have got.
        """
        place = _Place(may_go)
        self.waiting.append(place)
        started = self._clock()
        self._tally.began()
        try:
            if self.waiting[0] is place:
                self.attend()
            on_wait()
            if patience is not None:
                self._ask(place, patience)
            while True:
                place.called.wait()
                place.called.clear()
                if place.is_over or not may_go():
                    return False
                if self.waiting[0] is place:
                    if self._take():
                        return True
                    self.attend()  # another was quicker, one who does not stand in this line
        finally:
            if place.alarm is not None:
                place.alarm.close()
            self.waiting.remove(place)
            self.attend()
            self._tally.ended(self._clock() - started)

    def attend(self) -> None:
        """Call the first in line, or set the timer to look again.

        To be called when something came free at another time than `look` had told.
        """
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if not self.waiting:
            return
        delay = self._look()
        if delay <= 0:
            self.waiting[0].called.set()
        else:
            self._timer = self._start_timer(delay, self.attend)

    def _ask(self, place: _Place, patience: Callable[[], float | None]) -> None:
        """Ask for how long somebody will wait, and set the timer to ask again."""
        if place.alarm is not None:
            place.alarm.close()
            place.alarm = None
        seconds = patience()
        if seconds is None:
            return
        if seconds <= 0:
            place.is_over = True
            place.called.set()
        else:
            place.alarm = self._start_timer(seconds, lambda: self._ask(place, patience))

    def send_away(self) -> None:
        """Call all who may not go any more: they leave the line, in their order."""
        for place in self.waiting:
            if not place.may_go():
                place.called.set()
