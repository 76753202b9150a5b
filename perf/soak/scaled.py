"""A clock that goes faster: for `time`, and for all timers of gevent's loop."""

from __future__ import annotations

import time
from typing import Any

import gevent


def scale_clocks(factor: float) -> None:
    """Let time pass faster in this process. Call it before the first greenlet or timer.

    Args:
        factor: Seconds of this process in a second.
    """

    base: Any = gevent.config.loop  # of this platform

    class Loop(base):  # type: ignore[misc]
        def timer(self, after: float, repeat: float = 0.0, *args: Any, **options: Any) -> Any:
            return super().timer(after / factor, repeat / factor, *args, **options)

    gevent.config.loop = Loop
    for name in ("monotonic", "time"):
        setattr(time, name, _scaled(getattr(time, name), factor))


def _scaled(clock: Any, factor: float) -> Any:
    began = clock()
    return lambda: began + (clock() - began) * factor
