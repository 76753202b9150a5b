"""Timers of the hub, which cost less than a greenlet that sleeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import gevent


class Timer(Protocol):
    """A timer that was started."""

    def close(self) -> None:
        """Stop it, if it has not gone off."""


StartTimer: TypeAlias = Callable[[float, Callable[[], None]], Timer]


def start_timer(seconds: float, callback: Callable[[], None], *, ref: bool = True) -> Timer:
    """Start a timer of this native thread's hub.

    Args:
        seconds: 0 or more.
        callback: Called in the hub, where nothing may block.
        ref: Whether it keeps the event loop alive.
    """
    loop = gevent.get_hub().loop
    loop.update_now()  # its idea of now may be old, and the timer would go off early
    timer = loop.timer(seconds, ref=ref)
    timer.start(callback)
    return timer
