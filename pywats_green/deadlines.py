"""Deadlines that cost next to nothing when they are met, which is nearly always.

A `gevent.Timeout` starts and stops a timer of the event loop for each call. Here all deadlines of
one length share one timer: they fall due in the order in which they were set, so a dictionary,
which keeps that order, tells which is next.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from gevent import monkey
from greenlet import getcurrent, greenlet

_NativeLocal: Any = monkey.get_original("threading", "local")

_LENGTHS = 64  # groups that may be kept empty: who sets ever new lengths must not fill memory
_LONGEST = 1e9  # seconds; event loops count in integers


class Deadline:
    """Ends what its greenlet does when the time is over, unless it is cancelled before.

    Attributes:
        at: When, by `time.monotonic()`.
    """

    __slots__ = ("_greenlet", "_group", "at")

    def __init__(self, group: _Group, at: float) -> None:
        self._greenlet: greenlet = getcurrent()
        self._group = group
        self.at = at

    def cancel(self) -> None:
        """Let the greenlet be; once the time is over it changes nothing."""
        group = self._group
        if self in group:
            del group[self]
            if not group:
                group.timer.ref = False

    def expire(self, seconds: float) -> None:
        """Raise `DeadlineExceeded` in the greenlet. Called in the hub."""
        self._greenlet.throw(DeadlineExceeded(self, seconds))


class DeadlineExceeded(gevent.Timeout):
    """Raised in a greenlet whose deadline has passed; a BaseException, as `gevent.Timeout` is.

    Args:
        deadline: Which.
        seconds: How long it was.
    """

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        super().__init__(seconds)  # not started: for its text
        self.deadline = deadline


class _Group(dict[Deadline, None]):
    """The deadlines of one length that are set in one native thread, the next one first."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        # A timer of nan seconds would stop all timers of the hub: nan is 0 here.
        self._seconds = min(max(0.0, seconds), _LONGEST)
        # Runs on, once started, while deadlines come and go. It keeps the loop alive, and so those
        # who wait for the loop to end, only as long as there is one.
        self.timer: Any = None

    def add(self) -> Deadline:
        deadline = Deadline(self, time.monotonic() + self._seconds)
        if self.timer is None:
            self._start_timer(self._seconds)
        elif not self:
            self.timer.ref = True
        self[deadline] = None
        return deadline

    def _start_timer(self, seconds: float) -> None:
        loop = gevent.get_hub().loop
        loop.update_now()  # its idea of now may be old, and the timer would come early
        self.timer = loop.timer(seconds)
        self.timer.start(self._expire)

    def _expire(self) -> None:
        """End what is due. Each throw runs its greenlet, which may add to and take from us."""
        self.timer.close()
        self.timer = None
        try:
            while self:
                deadline = next(iter(self))
                if deadline.at > time.monotonic():
                    break
                del self[deadline]
                deadline.expire(self._seconds)
        finally:
            if self and self.timer is None:
                self._start_timer(max(next(iter(self)).at - time.monotonic(), 0.0))


_here = _NativeLocal()


def set_deadline(seconds: float) -> Deadline:
    """Let the current greenlet be interrupted by `DeadlineExceeded` in so many seconds.

    Args:
        seconds: 0 or less, and nan: as soon as another greenlet runs.

    Returns:
        The deadline, to be cancelled in a `finally`; an exception that names another deadline is
        for somebody further out.
    """
    try:
        groups: dict[float, _Group] = _here.groups
    except AttributeError:
        groups = _here.groups = {}
    group = groups.get(seconds)
    if group is None:
        if len(groups) >= _LENGTHS:
            for unused in [length for length, group in groups.items() if not group]:
                del groups[unused]
        group = groups[seconds] = _Group(seconds)
    return group.add()
