"""The greenlets that run the items of a mapping, one after another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import gevent
from gevent import getcurrent

_MANY = 64  # timers recorded for one item before expired ones are dropped


class Worker(gevent.Greenlet):  # type: ignore[type-arg]  # generic only in the stubs
    """Runs items until none are left.

    Args:
        work: Called with the worker.

    Attributes:
        armed: Timers started by the current item.
        is_killed: Whether `kill` was called; the current item is then its last.
        is_leaving: Whether it has ended, though it may still hold its slot.
    """

    def __init__(self, work: Callable[[Worker], None]) -> None:
        super().__init__()
        self._work = work
        self.armed: list[gevent.Timeout] = []
        self.is_killed = False
        self.is_leaving = False

    def _run(self) -> None:
        self._work(self)

    def kill(self, *args: Any, **kwargs: Any) -> None:
        """Like `gevent.Greenlet.kill`, but recorded, because an item may swallow the exception."""
        self.is_killed = True
        super().kill(*args, **kwargs)

    def disarm(self) -> None:
        """Close timers that an item left armed, so that they do not hit the next one."""
        for timer in self.armed:
            timer.close()
        self.armed.clear()


@cache
def watch_timeouts() -> None:
    """Record each `gevent.Timeout` started in a worker.

    A timer fires in the greenlet that started it. With a greenlet per item, one left armed hits a
    dead greenlet. In a worker, it would hit whichever item is running by then, and gevent does not
    reveal who started it.
    """
    start = gevent.Timeout.start

    @wraps(start)
    def start_and_note(self: gevent.Timeout) -> None:
        start(self)
        worker = getcurrent()
        if isinstance(worker, Worker):
            armed = worker.armed
            if len(armed) >= _MANY:
                armed[:] = [timer for timer in armed if timer.pending]
            armed.append(self)

    gevent.Timeout.start = start_and_note  # type: ignore[method-assign]
