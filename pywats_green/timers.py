"""Timers of the hub, which cost less than a greenlet that sleeps."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol, TypeAlias

import gevent

SHORTEST = 0.001
"""Seconds: the resolution of libuv, gevent's loop on Windows, which warns of shorter waits."""

_MOMENT = SHORTEST if os.name == "nt" else 1e-6


class Timer(Protocol):
    """A timer that was started."""

    def close(self) -> None:
        """Stop it, if it has not gone off."""


StartTimer: TypeAlias = Callable[[float, Callable[[], None]], Timer]


def start_timer(seconds: float, callback: Callable[[], None], *, ref: bool = True) -> Timer:
    """Start a timer of this native thread's hub.

    Args:
        seconds: 0 or more; what is above 0 is at least a millisecond.
        callback: Called in the hub, where nothing may block.
        ref: Whether it keeps the event loop alive.
    """
    loop = gevent.get_hub().loop
    loop.update_now()  # its idea of now may be old, and the timer would go off early
    timer = loop.timer(max(seconds, SHORTEST) if seconds else 0.0, ref=ref)
    timer.start(callback)
    return timer


def at_fork(forget: Callable[[], object]) -> None:
    """Have a forked child forget what the parent's greenlets and timers will end.

    multiprocessing leaves them behind, and what waited for them would wait for ever.

    Args:
        forget: Called in each child, right after the fork.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=forget)


def breathe() -> None:
    """Let other greenlets run, and those that wait for sockets and timers.

    `gevent.sleep(0)` would not do: gevent runs fifty such switches before it polls.
    """
    gevent.sleep(_MOMENT)
