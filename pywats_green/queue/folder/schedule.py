"""Which waiting report is next: in memory, at O(log n) a report."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

# Entries beyond twice the items that a heap may hold.
_SLACK = 1000


@dataclass(slots=True)
class WaitingItem:
    """A waiting item.

    Attributes:
        name: The name of its file.
        item_id: Its id.
        priority: 1 is sent before 10.
        sequence: When it was put in, in microseconds since the epoch; within a priority, smaller
            is sent first.
        group: Items of one group are sent one after another. None: in no group.
        due: When it may be sent, in seconds of the monotonic clock. 0: at once.
        due_at: The due time in its sidecar, in seconds since the epoch.
        failed_when: When it last failed, in seconds since the epoch. 0: not since it was put.
        killed: Whether its sending ended with its process, so that it goes last, and alone.
        has_meta: Whether it has a sidecar.
        knows_group: Whether its group has been determined.
        refusal: Why the system refused the last try to claim it. None: it did not.
    """

    name: str
    item_id: str
    priority: int
    sequence: int
    group: str | None = None
    due: float = 0.0
    due_at: float = 0.0
    failed_when: float = 0.0
    killed: bool = False
    has_meta: bool = False
    knows_group: bool = False
    refusal: str | None = None

    @property
    def rank(self) -> tuple[int, int, str]:
        """The order in which items are sent."""
        return self.priority, self.sequence, self.name


class Schedule:
    """The waiting items, by priority, then first in, first out; one of each group at a time.

    Removal is lazy: heaps keep removed entries until they come up, or are too many.
    """

    def __init__(self) -> None:
        self._items: dict[str, WaitingItem] = {}
        self._ready: list[tuple[int, int, str]] = []
        self._delayed: list[tuple[float, tuple[int, int, str]]] = []
        self._by_age: list[tuple[int, str]] = []
        self._lines: dict[str, list[tuple[int, int, str]]] = {}
        self._held: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[WaitingItem]:
        return iter(list(self._items.values()))

    def get(self, name: str) -> WaitingItem | None:
        """Return a waiting item; None: there is none of that name."""
        return self._items.get(name)

    def add(self, item: WaitingItem) -> None:
        """Add an item, or replace one of the same name."""
        self._items[item.name] = item
        heapq.heappush(self._by_age, (item.sequence, item.name))
        self._shrink()
        if item.group is not None:
            heapq.heappush(self._lines.setdefault(item.group, []), item.rank)
            self._offer_head(item.group)
        else:
            self._offer(item)

    def remove(self, name: str) -> None:
        """Remove an item if it is there."""
        item = self._items.pop(name, None)
        if item is not None and item.group is not None:
            self._offer_head(item.group)

    def clear(self) -> None:
        """Remove all items; held groups stay held."""
        self._items.clear()
        for heap in (self._ready, self._delayed, self._by_age, self._lines):
            heap.clear()

    def take(self, now: float, *, probe: bool = False, alone: bool = True) -> WaitingItem | None:
        """Remove and return the next item that is due; None: none is.

        Args:
            now: Seconds of the monotonic clock.
            probe: Whether items that have not failed come first, then the one that failed longest
                ago.
            alone: Whether it may be one whose sending ended with its process.
        """
        self._move_due(now)
        aside: list[WaitingItem] = []
        found: WaitingItem | None = None
        while found is None and self._ready:
            item = self._items.get(heapq.heappop(self._ready)[2])
            if item is None or item.due > now or not self._is_free(item):
                continue  # removed, delayed, or behind another: it will be offered again
            if item.killed or (probe and item.failed_when):
                aside.append(item)
            else:
                found = item
        if found is None:
            free = [item for item in aside if alone or not item.killed]
            found = min(free, key=lambda item: item.failed_when, default=None)
        for item in aside:
            if item is not found:
                heapq.heappush(self._ready, item.rank)
        if found is not None:
            del self._items[found.name]
        return found

    def join(self, item: WaitingItem) -> bool:
        """Queue an item that was taken before its group was known behind others of its group.

        Returns:
            Whether it may be sent now; then it is removed again. Otherwise it waits its turn.
        """
        self.add(item)
        if not self._is_free(item):
            return False
        del self._items[item.name]
        return True

    def hold(self, group: str | None, holder: str) -> None:
        """Hand out no item of a group until the holder releases it."""
        if group is not None:
            self._held.setdefault(group, set()).add(holder)

    def let_go(self, group: str | None, holder: str) -> None:
        """Release a hold."""
        if group is None or holder not in (holders := self._held.get(group, set())):
            return
        holders.discard(holder)
        if not holders:
            del self._held[group]
            self._offer_head(group)

    def next_due(self, now: float) -> float | None:
        """Return the seconds until an item is due; None: no item of a free group is waiting."""
        self._move_due(now)
        while self._ready:
            item = self._items.get(self._ready[0][2])
            if item is not None and item.due <= now and self._is_free(item):
                return 0.0
            heapq.heappop(self._ready)
        return max(0.0, self._delayed[0][0] - now) if self._delayed else None

    def has_untried(self, now: float) -> bool:
        """Return whether an item of a free group is due that has not failed. Looks at all items."""
        return any(
            not item.failed_when and item.due <= now and self._is_free(item)
            for item in self._items.values()
        )

    def refusal(self) -> str | None:
        """Return why none of the items can be claimed; None: one may be, or there is none."""
        found = None
        for item in self._items.values():
            if item.refusal is None:
                return None
            found = item.refusal
        return found

    def oldest(self) -> int | None:
        """Return the smallest sequence; None: nothing is waiting."""
        while self._by_age:
            sequence, name = self._by_age[0]
            item = self._items.get(name)
            if item is not None and item.sequence == sequence:
                return sequence
            heapq.heappop(self._by_age)
        return None

    def _shrink(self) -> None:
        """Rebuild a heap that holds far more entries than there are items."""
        most = 2 * len(self._items) + _SLACK
        items = self._items
        if len(self._by_age) > most:
            self._by_age = [(item.sequence, item.name) for item in items.values()]
            heapq.heapify(self._by_age)
        if len(self._ready) > most:
            self._ready = sorted({rank for rank in self._ready if rank[2] in items})
        if len(self._delayed) > most:
            self._delayed = sorted({each for each in self._delayed if each[1][2] in items})
        if len(self._lines) > most:
            for group in list(self._lines):
                self._head(group)  # which drops a line that nobody stands in

    def _offer(self, item: WaitingItem) -> None:
        if item.due > 0.0:
            heapq.heappush(self._delayed, (item.due, item.rank))
        else:
            heapq.heappush(self._ready, item.rank)

    def _move_due(self, now: float) -> None:
        while self._delayed:
            due, rank = self._delayed[0]
            item = self._items.get(rank[2])
            is_current = item is not None and item.due == due and self._is_free(item)
            if is_current and due > now:
                return
            heapq.heappop(self._delayed)
            if is_current:
                heapq.heappush(self._ready, rank)

    def _is_free(self, item: WaitingItem) -> bool:
        if item.group is None:
            return True
        return item.group not in self._held and self._head(item.group) is item

    def _head(self, group: str) -> WaitingItem | None:
        line = self._lines.get(group, [])
        while line:
            item = self._items.get(line[0][2])
            if item is not None and item.group == group and item.rank == line[0]:
                return item
            heapq.heappop(line)
        self._lines.pop(group, None)
        return None

    def _offer_head(self, group: str) -> None:
        head = self._head(group)
        if head is not None and group not in self._held:
            self._offer(head)
