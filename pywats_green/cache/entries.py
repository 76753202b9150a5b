"""What a cache holds: a cachetools `LRUCache` whose entries have a TTL each, and the counters.

cachetools' own `TTLCache` and `TLRUCache` drop all that has expired in one go, within the next
call, and nobody else in the thread runs meanwhile: 200,000 entries that expired together held it
up for a third of a second. Here each call drops a few.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import Any

from cachetools import Cache, LRUCache

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError

MISSING: Any = object()

# How many entries are looked at to find expired ones: by each `put`, before a live entry is
# evicted, and by the statistics. The last is more than most caches hold, so their size is exact.
_LOOKS_OF_A_PUT = 4
_LOOKS_BEFORE_EVICTION = 16
_LOOKS_OF_STATISTICS = 1000


def checked_ttl(ttl: float) -> float:
    """Return a TTL.

    Raises:
        ArgumentTypeError: It is no number.
        InvalidArgumentError: It is negative.
    """
    if not isinstance(ttl, (int, float)) or isinstance(ttl, bool):
        raise ArgumentTypeError(f"a TTL must be a number of seconds, not {ttl!r}")
    if not ttl >= 0:
        raise InvalidArgumentError(f"a TTL must be 0 or more seconds, not {ttl!r}")
    return ttl


class Entry:
    """A cached value.

    Attributes:
        value: What was stored.
        expires_at: Clock reading from which on it is expired.
        kept_for: Seconds that it is kept, from when it was stored: its TTL, and longer where it
            may be served stale.
        keep_until: Clock reading from which on it is dropped.
        size: Its size in bytes, where there is a bound in bytes.
    """

    __slots__ = ("expires_at", "keep_until", "kept_for", "size", "value")

    def __init__(
        self, value: Any, expires_at: float, kept_for: float, keep_until: float, size: int
    ) -> None:
        self.value = value
        self.expires_at = expires_at
        self.kept_for = kept_for
        self.keep_until = keep_until
        self.size = size


class Entries(LRUCache[Hashable, Entry]):
    """Entries with TTLs and bounds, and the counters. The cache holds its lock around each method.

    Args:
        max_size: Bound in entries. 0: nothing is stored.
        max_bytes: Bound in bytes. None: no such bound.
        timer: The clock, in seconds.

    Attributes:
        hits: Reads served from an entry.
        misses: Reads that were not.
        coalesced: Reads that waited for the load of another.
        stale_served: Reads served from an entry beyond its TTL.
        evictions: Entries that had to make room.
        expirations: Entries that were dropped after their time.
    """

    def __init__(self, max_size: int, max_bytes: int | None, timer: Callable[[], float]) -> None:
        if max_bytes is None:
            super().__init__(max_size)
        else:
            super().__init__(max_bytes, getsizeof=attrgetter("size"))
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._timer = timer
        # Entries that are kept for equally long expire in the order in which they were stored.
        self._queues: OrderedDict[float, OrderedDict[Hashable, Entry]] = OrderedDict()
        self.hits = self.misses = self.coalesced = self.stale_served = 0
        self.evictions = self.expirations = 0

    def fresh(self, key: Hashable) -> Any:
        """Return the value of a key that has not expired, counting a hit; or MISSING."""
        try:
            entry = self[key]
        except KeyError:
            return MISSING
        if self._timer() < entry.expires_at:
            self.hits += 1
            return entry.value
        return MISSING

    def stale(self, key: Hashable, window: float) -> Any:
        """Return the value of a key whose TTL is over since less than `window` seconds; MISSING."""
        if not window or key not in self:
            return MISSING
        entry = self[key]
        return entry.value if self._timer() < entry.expires_at + window else MISSING

    def put(self, key: Hashable, value: Any, ttl: float, window: float = 0.0) -> None:
        """Store a value for `ttl` seconds, and keep it for `window` more.

        With a TTL of 0, or larger than the whole bound, it leaves the key without a value.
        """
        now = self._timer()
        self._drop_expired(now, _LOOKS_OF_A_PUT)
        self.drop(key)
        size = 1 if self._max_bytes is None else _size_of(value)
        if ttl == 0 or self._max_size == 0 or size > self.maxsize:
            return
        kept_for = ttl + window
        entry = Entry(value, now + ttl, kept_for, now + kept_for, size)
        if self._max_bytes is not None:  # else the bound of the LRUCache is that in entries
            while len(self) >= self._max_size:
                self.popitem()
        self[key] = entry
        if kept_for != math.inf:
            queue = self._queues.get(kept_for)
            if queue is None:
                queue = self._queues[kept_for] = OrderedDict()
            queue[key] = entry

    def drop(self, key: Hashable) -> bool:
        """Drop a key; tell whether it had a value."""
        if key not in self:
            return False
        entry = Cache.__getitem__(self, key)
        del self[key]
        if self._timer() < entry.keep_until:
            return True
        self.expirations += 1
        return False

    def popitem(self) -> tuple[Hashable, Entry]:
        """Make room: drop what has expired, or else what was not used for longest."""
        expired = self._drop_expired(self._timer(), _LOOKS_BEFORE_EVICTION)
        if expired is not None:
            return expired
        evicted = super().popitem()
        self.evictions += 1
        return evicted

    def __delitem__(self, key: Hashable) -> None:
        entry = Cache.__getitem__(self, key)
        super().__delitem__(key)
        queue = self._queues.get(entry.kept_for)
        if queue is not None:
            del queue[key]
            if not queue:
                del self._queues[entry.kept_for]

    def clear(self) -> None:
        """Drop all keys; neither evictions nor expirations."""
        counted = self.evictions, self.expirations
        super().clear()  # by `popitem`, in cachetools before 7
        self.evictions, self.expirations = counted
        self._queues.clear()

    def statistics(self) -> dict[str, Any]:
        """Return what `CacheManager.get_stats` documents."""
        self._drop_expired(self._timer(), _LOOKS_OF_STATISTICS)
        served = self.hits + self.coalesced
        asked = served + self.misses
        return {
            "size": len(self),
            "max_size": self._max_size,
            "bytes": None if self._max_bytes is None else int(self.currsize),
            "max_bytes": self._max_bytes,
            "hits": self.hits,
            "misses": self.misses,
            "coalesced": self.coalesced,
            "stale_served": self.stale_served,
            "hit_rate": served / asked if asked else 0.0,
            "evictions": self.evictions,
            "expirations": self.expirations,
        }

    def _drop_expired(self, now: float, looks: int) -> tuple[Hashable, Entry] | None:
        """Drop entries that have expired, looking at no more than `looks`; return the last one.

        One at a time, so that what a call costs does not depend on how many are due.
        """
        queues, dropped, live = self._queues, None, 0
        while looks and live < len(queues):
            looks -= 1
            kept_for, queue = next(iter(queues.items()))
            key, entry = next(iter(queue.items()))
            if now < entry.keep_until:
                live += 1
                queues.move_to_end(kept_for)  # the next look, also that of the next call, is at
                continue  # another queue
            del self[key]
            self.expirations += 1
            dropped = key, entry
        return dropped


def _size_of(value: Any) -> int:
    """Measure what is cheap to measure: bytes and text by length, the rest without its parts.

    At least 1, or a value of no size would escape the bound.
    """
    if isinstance(value, (bytes, bytearray, str)):
        return max(len(value), 1)
    size = getattr(value, "cache_size", None)
    return max(size if isinstance(size, int) else sys.getsizeof(value), 1)
