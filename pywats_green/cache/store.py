"""The stores: cachetools' TTLCache and TLRUCache, bounded by entries and by bytes, counting.

`TTLCache` serves where all entries share one life, `TLRUCache` where each has its own. An entry
carries its real expiry, because it may be kept beyond it, to be served while the server is away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from typing import Any

from cachetools import TLRUCache, TTLCache


class Entry:
    """A cached value.

    Attributes:
        value: What was stored.
        expires_at: Clock reading from which on it is expired.
        keep_until: Clock reading from which on it is dropped; later where it may be served stale.
        size: Its size in bytes, at least 1, or an entry of no size would escape the bound.
    """

    __slots__ = ("expires_at", "keep_until", "size", "value")

    def __init__(self, value: Any, expires_at: float, keep_until: float) -> None:
        self.value = value
        self.expires_at = expires_at
        self.keep_until = keep_until
        self.size = _size_of(value)


def _size_of(value: Any) -> int:
    """Measure what is cheap to measure: bytes and text by length, the rest without its parts."""
    if isinstance(value, (bytes, bytearray, str)):
        return max(len(value), 1)
    size = getattr(value, "cache_size", None)
    return max(size if isinstance(size, int) else sys.getsizeof(value), 1)


class _Bounded:
    """Bounds a cachetools cache by entries too, and counts what leaves it and why.

    cachetools counts one size; where that is bytes, the number of entries needs a bound of its own.
    """

    max_entries = 0
    evictions = 0
    expirations = 0

    def __setitem__(self, key: Hashable, entry: Entry) -> None:
        if key not in self:  # type: ignore[operator]
            while len(self) >= self.max_entries:  # type: ignore[arg-type]
                self.popitem()
        super().__setitem__(key, entry)  # type: ignore[misc]

    def popitem(self) -> tuple[Hashable, Entry]:
        """Evict the entry that was not used for longest."""
        evicted: tuple[Hashable, Entry] = super().popitem()  # type: ignore[misc]
        self.evictions += 1
        return evicted

    def expire(self, time: float | None = None) -> Any:
        """Drop what has expired."""
        expired = super().expire(time)  # type: ignore[misc]
        self.expirations += len(expired)
        return expired


class _TTLStore(_Bounded, TTLCache[Hashable, Entry]):
    pass


class _TLRUStore(_Bounded, TLRUCache[Hashable, Entry]):
    pass


Store = _TTLStore | _TLRUStore


def make_store(
    max_entries: int,
    max_bytes: int | None,
    one_life: float | None,
    timer: Callable[[], float],
) -> Store:
    """Make a store.

    Args:
        max_entries: Bound in entries, 1 or more.
        max_bytes: Bound in bytes. None: only that in entries.
        one_life: Seconds that every entry lives. None: each has a life of its own.
        timer: The clock, in seconds.
    """
    bound = max_entries if max_bytes is None else max_bytes
    size_of = None if max_bytes is None else _entry_size
    store: Store
    if one_life is not None:
        store = _TTLStore(bound, one_life, timer, size_of)
    else:
        store = _TLRUStore(bound, _keep_until, timer, size_of)
    store.max_entries = max_entries
    return store


def _entry_size(entry: Entry) -> int:
    return entry.size


def _keep_until(_: Hashable, entry: Entry, now: float) -> float:  # noqa: ARG001  # cachetools' call
    return entry.keep_until
