"""A line for something scarce: first come, first served, with one wake-up each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from gevent.event import Event

from pywats_green.throttle.tally import Tally
from pywats_green.timers import StartTimer, Timer, start_timer


class _Place:
    """One place in a line."""

    __slots__ = ("alarm", "called", "is_over", "may_go")

    def __init__(self, may_go: Callable[[], bool]) -> None:
        self.called = Event()
        self.may_go = may_go
        self.is_over = False
        self.alarm: Timer | None = None


class Line:
    """Where greenlets of one native thread wait for something that is freed piece by piece.

    When a piece is free, only the first in line is woken. It takes the piece itself, and wakes the
    next when it leaves. So nothing is reserved for a greenlet that may be killed before it runs,
    and however many wait, there is one timer.

    Args:
        look: Returns the seconds until it is worth looking again. 0: a piece seems to be free. May
            be called in the hub, so it must not block.
        take: Takes a piece, or returns False: none was free. It may block for a short lock.
        tally: Counts the waits.
        start_timer: Starts a timer.
        clock: Seconds, monotonic.

    Attributes:
        waiting: Who stands in line. Empty: a free piece may be taken at once.
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
        """Stand in line, and take a piece when it is the caller's turn.

        Args:
            may_go: Called when the caller is woken. False: it leaves the line without a piece.
            on_wait: Called once the caller stands in line.
            patience: Returns how many seconds longer the caller will wait; called again when they
                have passed, in the hub. 0 or less: no longer. None: no limit.

        Returns:
            Whether a piece was taken. False: `may_go` said no, or the caller's patience is
            exhausted.

        Raises:
            BaseException: The caller was killed; the next in line gets the piece.
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
                    self.attend()  # somebody outside this line was quicker
        finally:
            if place.alarm is not None:
                place.alarm.close()
            self.waiting.remove(place)
            self.attend()
            self._tally.ended(self._clock() - started)

    def attend(self) -> None:
        """Wake the first in line, or set the timer to look again.

        To be called when a piece is freed at another time than `look` said.
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
        """Ask how much longer a caller will wait, and set a timer to ask again."""
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
        """Wake all whose `may_go` now says no: they leave the line, in order."""
        for place in self.waiting:
            if not place.may_go():
                place.called.set()
