"""The slots of a pool, and their fair distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent.pool

if TYPE_CHECKING:
    from pywats_green.pool.mapping import Mapping


class Slots:
    """Distributes the slots of a pool among its mappings and other waiters.

    gevent's semaphore keeps a single FIFO line for everybody: for `spawn` and `apply`, and for
    mappings with no worker or fewer than their share.

    Args:
        pool: The pool.

    Attributes:
        pool: The pool.
        size: Number of slots.
        mappings: Mappings that have not ended.
        leaving: Number of workers that have ended but still hold their slot.
    """

    __slots__ = ("_semaphore", "leaving", "mappings", "pool", "size", "waiting")

    def __init__(self, pool: gevent.pool.Pool) -> None:
        self.pool = pool
        self.size: int = pool.size  # type: ignore[assignment]  # never None here
        self.mappings: list[Mapping] = []
        self.leaving = 0
        self._semaphore: Any = pool._semaphore  # type: ignore[attr-defined]  # noqa: SLF001  # has the line
        self.waiting: Callable[[], int] = self._semaphore.linkcount  # called for each item

    def is_free(self) -> bool:
        """Return whether there is a free slot that nobody is waiting for."""
        return bool(self._semaphore.counter > self.waiting())

    def is_wanted(self, mapping: Mapping) -> bool:
        """Return whether somebody else waits for a slot that only a worker can free."""
        others = self.waiting() - mapping.is_in_line
        return bool(others > self._semaphore.counter + self.leaving)

    def share(self) -> int:
        """Return a mapping's fair share of workers, at least 1."""
        workers = sum(len(mapping.workers) for mapping in self.mappings)
        available = self.size - (len(self.pool) - workers)
        return max(1, available // max(1, len(self.mappings)))

    def freed(self) -> None:
        """Offer a slot that became free to the mappings."""
        for mapping in self.mappings:
            mapping.use_free_slot()

    def line_up(self, callback: Callable[[object], None]) -> None:
        """Call `callback` once, in the hub, when it is first in line and a slot is free.

        If it does not take the slot, the next in line gets it.
        """
        self._semaphore.rawlink(callback)

    def step_out(self, callback: Callable[[object], None]) -> None:
        """Leave the line."""
        self._semaphore.unlink(callback)
