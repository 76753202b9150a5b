"""The slots of a pool, and who gets the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent.pool

if TYPE_CHECKING:
    from pywats_green.pool.mapping import Mapping


class Slots:
    """What the mappings of a pool know of each other and of those who wait for a slot.

    gevent's semaphore keeps one line, first come first served, for all: for `spawn` and `apply`,
    and for mappings that have no worker, or fewer than their share.

    Args:
        pool: Whose slots they are.

    Attributes:
        pool: The same.
        size: How many there are.
        mappings: Those that have not ended.
        leaving: Workers that have ended and whose slots are not free yet.
    """

    __slots__ = ("_semaphore", "leaving", "mappings", "pool", "size", "waiting")

    def __init__(self, pool: gevent.pool.Pool) -> None:
        self.pool = pool
        self.size: int = pool.size  # type: ignore[assignment]  # gevent's alone may have no bound
        self.mappings: list[Mapping] = []
        self.leaving = 0
        self._semaphore: Any = pool._semaphore  # type: ignore[attr-defined]  # noqa: SLF001  # whose line it is
        self.waiting: Callable[[], int] = self._semaphore.linkcount  # asked for each item

    def is_free(self) -> bool:
        """Tell whether a slot is free that nobody waits for."""
        return bool(self._semaphore.counter > self.waiting())

    def is_wanted(self, mapping: Mapping) -> bool:
        """Tell whether somebody else waits for a slot that only a worker can give up."""
        others = self.waiting() - mapping.is_in_line
        return bool(others > self._semaphore.counter + self.leaving)

    def share(self) -> int:
        """How many workers a mapping may have at the cost of the other mappings, at least 1."""
        workers = sum(len(mapping.workers) for mapping in self.mappings)
        available = self.size - (len(self.pool) - workers)
        return max(1, available // max(1, len(self.mappings)))

    def freed(self) -> None:
        """Let mappings that could use a slot have the one that became free."""
        for mapping in self.mappings:
            mapping.use_free_slot()

    def line_up(self, callback: Callable[[object], None]) -> None:
        """Have a function called, once and in the hub, when its turn has come and a slot is free.

        If it does not take the slot, the next in the line gets it.
        """
        self._semaphore.rawlink(callback)

    def step_out(self, callback: Callable[[object], None]) -> None:
        """Leave the line."""
        self._semaphore.unlink(callback)
