"""SIGTERM and Ctrl-C as a request to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.event import Event

from pywats_green.exceptions import InvalidArgumentError

# SIGBREAK is what a Windows service manager can send; other systems have none.
_NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")


@contextmanager
def stopping_on_signals(stop: Callable[[bool], object]) -> Iterator[None]:
    """Call a function on each SIGTERM and SIGINT, and restore the old handlers at the end.

    A handler runs in the hub, where blocking raises BlockingSwitchOutError, so it only sets an
    Event; a greenlet waits for that and calls the function.

    Args:
        stop: Called with True from the second signal on: whoever asks twice is in a hurry.

    Raises:
        InvalidArgumentError: This is not the main thread, the only one that gets signals.
    """
    arrived = Event()
    previous: dict[int, Any] = {}

    def wait_for_them() -> None:
        hurry = False
        while True:
            arrived.wait()
            arrived.clear()
            stop(hurry)
            hurry = True

    watcher = gevent.spawn(wait_for_them)
    try:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                previous[number] = signal.signal(number, lambda *_: arrived.set())
        yield
    except ValueError as exc:
        if previous or "main thread" not in str(exc):
            raise
        raise InvalidArgumentError(
            "handle_signals=True works on the main thread only; call stop() from your own handler"
        ) from exc
    finally:
        for number, handler in previous.items():
            # None: not set by Python, so that Python cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        watcher.kill(block=False)
