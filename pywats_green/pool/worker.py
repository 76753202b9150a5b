"""The greenlets in which the items of a mapping run, one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pywats_green.patching.timeouts import ReusableGreenlet


class Worker(ReusableGreenlet):
    """Runs items until none is left for it.

    Args:
        work: Called with the worker.

    Attributes:
        is_killed: Whether somebody called `kill`; then the item under way is its last.
        is_leaving: Whether it has ended, but may still hold its slot.
    """

    def __init__(self, work: Callable[[Worker], None]) -> None:
        super().__init__()
        self._work = work
        self.is_killed = False
        self.is_leaving = False

    def _run(self) -> None:
        self._work(self)

    def kill(self, *args: Any, **kwargs: Any) -> None:
        """As `gevent.Greenlet.kill`; noted, because an item may swallow what is thrown into it."""
        self.is_killed = True
        super().kill(*args, **kwargs)
