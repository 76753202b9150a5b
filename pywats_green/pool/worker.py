"""The greenlets that run the items of a mapping, one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pywats_green.patching.timeouts import ReusableGreenlet


class Worker(ReusableGreenlet):
    """Runs items until none are left.

    Args:
        work: Called with the worker.

    Attributes:
        is_killed: Whether `kill` was called; the current item is then its last.
        is_leaving: Whether it has ended, though it may still hold its slot.
    """

    def __init__(self, work: Callable[[Worker], None]) -> None:
        super().__init__()
        self._work = work
        self.is_killed = False
        self.is_leaving = False

    def _run(self) -> None:
        self._work(self)

    def kill(self, *args: Any, **kwargs: Any) -> None:
        """Like `gevent.Greenlet.kill`, but recorded, because an item may swallow the exception."""
        self.is_killed = True
        super().kill(*args, **kwargs)
