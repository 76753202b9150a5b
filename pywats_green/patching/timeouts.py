"""Makes gevent's timers known to greenlets that run one task after another.

A timer is thrown into the greenlet that started it. In a greenlet for each task, one left armed
meets a dead greenlet; where greenlets are reused it would meet whichever task runs by then, and
nothing of gevent's tells whose timer it was.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import gevent
from gevent import getcurrent

_MANY = 64  # timers noted for one task, before those that are over are forgotten


class ReusableGreenlet(gevent.Greenlet):  # type: ignore[type-arg]  # generic in the stubs alone
    """A greenlet that may run several tasks while timers are watched.

    Attributes:
        armed: The timers that the task under way has started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.armed: list[gevent.Timeout] = []

    def disarm(self) -> None:
        """Close the timers that a task left armed: they must not hit the next one."""
        for timer in self.armed:
            timer.close()
        self.armed.clear()


_watching: tuple[Any, Any] | None = None  # gevent's own, and ours in its place


def are_watched() -> bool:
    """Tell whether a `ReusableGreenlet` can disarm what its tasks leave armed."""
    return _watching is not None


def watch() -> None:
    """Have each `gevent.Timeout` noted by the `ReusableGreenlet` in which it is started."""
    global _watching  # noqa: PLW0603  # with `unwatch` the one place that writes it
    if _watching is not None:
        return
    start = gevent.Timeout.start

    @wraps(start)
    def start_and_note(self: gevent.Timeout) -> None:
        start(self)
        greenlet = getcurrent()
        if isinstance(greenlet, ReusableGreenlet):
            armed = greenlet.armed
            if len(armed) >= _MANY:
                armed[:] = [timer for timer in armed if timer.pending]
            armed.append(self)

    gevent.Timeout.start = start_and_note  # type: ignore[method-assign]
    _watching = start, start_and_note


def unwatch() -> None:
    """Put gevent's own method back, unless somebody else has put another in the place of ours."""
    global _watching
    if _watching is None:
        return
    (original, ours), _watching = _watching, None
    if gevent.Timeout.start is ours:
        gevent.Timeout.start = original  # type: ignore[method-assign]
