"""Records gevent's timers for greenlets that run one task after another.

A timer fires in the greenlet that started it. With a greenlet per task, one left armed hits a dead
greenlet. In a reused greenlet, it would hit whichever task is running by then, and gevent does not
reveal who started it.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import gevent
from gevent import getcurrent

_MANY = 64  # timers recorded for one task before expired ones are dropped


class ReusableGreenlet(gevent.Greenlet):  # type: ignore[type-arg]  # generic only in the stubs
    """A greenlet that may run several tasks while timers are watched.

    Attributes:
        armed: Timers started by the current task.
    """

    def __init__(self) -> None:
        super().__init__()
        self.armed: list[gevent.Timeout] = []

    def disarm(self) -> None:
        """Close timers that a task left armed, so that they do not hit the next one."""
        for timer in self.armed:
            timer.close()
        self.armed.clear()


_watching: tuple[Any, Any] | None = None  # gevent's own, and ours in its place


def are_watched() -> bool:
    """Return whether timers are recorded, so that a `ReusableGreenlet` can disarm them."""
    return _watching is not None


def watch() -> None:
    """Record each `gevent.Timeout` in the `ReusableGreenlet` that starts it."""
    global _watching  # noqa: PLW0603  # only written here and in `unwatch`
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
    """Restore gevent's own method, unless somebody else has replaced ours since."""
    global _watching
    if _watching is None:
        return
    (original, ours), _watching = _watching, None
    if gevent.Timeout.start is ours:
        gevent.Timeout.start = original  # type: ignore[method-assign]
