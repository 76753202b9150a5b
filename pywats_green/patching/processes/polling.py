"""Waits for what the system cannot announce to gevent's hub: semaphores, handles of Windows."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

STEP = 0.001  # seconds; the pauses grow by it
LONGEST = 0.02  # seconds, as CPython polls semaphores on macOS


def poll(is_there: Callable[[], bool], timeout: float | None) -> bool:
    """Ask again and again, while other greenlets run.

    Args:
        is_there: Returns at once whether the wait is over.
        timeout: Seconds, which the last pause may exceed. None: no limit; 0 or less: ask once.

    Returns:
        Whether it was over in time.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = 0.0  # the first one only lets the others run
    while not is_there():
        if deadline is not None and time.monotonic() >= deadline:
            return False
        gevent.sleep(pause)
        pause = min(pause + STEP, LONGEST)
    return True
