"""What a cache holds and counts. Each method is one step for which no greenlet switch can come."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from pywats_green.cache.store import Entry, make_store

MISSING: Any = object()


class Vault:
    """Entries with their lives and bounds, and the counters. The cache holds its lock around it.

    Args:
        max_size: Bound in entries. 0: nothing is stored.
        max_bytes: Bound in bytes. None: no such bound.
        one_life: Seconds that every entry lives. None: each has a life of its own.
        timer: The clock, in seconds.

    Attributes:
        hits: Reads served from an entry.
        misses: Reads that were not.
        coalesced: Reads that waited for the load of another.
        stale_served: Reads served from an entry beyond its life.
    """

    def __init__(
        self,
        max_size: int,
        max_bytes: int | None,
        one_life: float | None,
        timer: Callable[[], float],
    ) -> None:
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._timer = timer
        self._store = make_store(max(max_size, 1), max_bytes, one_life, timer)
        self.hits = self.misses = self.coalesced = self.stale_served = 0

    def fresh(self, key: Hashable) -> Any:
        """Return the value of a key that has not expired, or MISSING."""
        try:
            entry = self._store[key]
        except KeyError:
            return MISSING
        return entry.value if self._timer() < entry.expires_at else MISSING

    def stale(self, key: Hashable, window: float) -> Entry | None:
        """Return the entry of a key whose life is over since less than `window` seconds."""
        if not window:
            return None
        entry: Entry | None = self._store.get(key)
        return entry if entry is not None and self._timer() < entry.expires_at + window else None

    def put(self, key: Hashable, value: Any, life: float, window: float = 0.0) -> None:
        """Store a value for `life` seconds, and keep it for `window` more.

        One that has no life or is larger than the whole bound leaves the key without a value.
        """
        expires_at = self._timer() + life
        entry = Entry(value, expires_at, expires_at + window)
        too_large = self._max_bytes is not None and entry.size > self._max_bytes
        if too_large or life == 0 or self._max_size == 0:
            self.drop(key)
        else:
            self._store[key] = entry

    def drop(self, key: Hashable) -> bool:
        """Drop a key; tell whether it had a value."""
        return self._store.pop(key, None) is not None

    def keys(self) -> list[Hashable]:
        """Return all keys."""
        return list(self._store)

    def clear(self) -> None:
        """Drop all keys."""
        self._store.clear()

    def statistics(self) -> dict[str, Any]:
        """Return what `CacheManager.get_stats` documents."""
        served = self.hits + self.coalesced
        asked = served + self.misses
        return {
            "size": len(self._store),
            "max_size": self._max_size,
            "bytes": None if self._max_bytes is None else int(self._store.currsize),
            "max_bytes": self._max_bytes,
            "hits": self.hits,
            "misses": self.misses,
            "coalesced": self.coalesced,
            "stale_served": self.stale_served,
            "hit_rate": served / asked if asked else 0.0,
            "evictions": self._store.evictions,
            "expirations": self._store.expirations,
        }
