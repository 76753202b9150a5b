"""The greenlets in which the items of a mapping run, one after another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import gevent
from gevent import getcurrent

_MANY = 64  # timers noted for one item, before those that are over are forgotten


class Worker(gevent.Greenlet):  # type: ignore[type-arg]  # generic in the stubs alone
    """Runs items until none is left for it.

    Args:
        work: Called with the worker.

    Attributes:
        armed: The timers that the item under way has started.
        is_killed: Whether somebody called `kill`; then the item under way is its last.
        is_leaving: Whether it has ended, but may still hold its slot.
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
        """As `gevent.Greenlet.kill`; noted, because an item may swallow what is thrown into it."""
        self.is_killed = True
        super().kill(*args, **kwargs)

    def disarm(self) -> None:
        """Close the timers that an item left armed: they must not hit the next one."""
        for timer in self.armed:
            timer.close()
        self.armed.clear()


@cache
def watch_timeouts() -> None:
    """Have each `gevent.Timeout` that is started in a worker noted there.

    A timer is thrown into the greenlet that started it. In a greenlet for each item, one left armed
    meets a dead greenlet; in a worker it would meet whichever item runs by then, and nothing of
    gevent's tells whose timer it was.
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
