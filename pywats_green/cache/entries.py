"""The entries of a cache: a cachetools `LRUCache` with a TTL per entry, and counters.

cachetools' own `TTLCache` and `TLRUCache` drop everything that has expired within the next call,
which blocks the thread: for a third of a second when 200,000 entries expired together. Here, each
call drops a few.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import Any, TypedDict

from cachetools import Cache, LRUCache

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError

MISSING: Any = object()

# How many entries are checked for expiry: by each `put`, before a live entry is evicted, and for
# the statistics. The last is more than most caches have, so their size is exact.
_LOOKS_OF_A_PUT = 4
_LOOKS_BEFORE_EVICTION = 16
_LOOKS_OF_STATISTICS = 1000


def checked_ttl(ttl: float) -> float:
    """Return a TTL.

    Raises:
        ArgumentTypeError: It is not a number.
        InvalidArgumentError: It is negative.
    """
    if not isinstance(ttl, (int, float)) or isinstance(ttl, bool):
        raise ArgumentTypeError(f"a TTL must be a number of seconds, not {ttl!r}")
    if not ttl >= 0:
        raise InvalidArgumentError(f"a TTL must be 0 or more seconds, not {ttl!r}")
    return ttl


class CacheStats(TypedDict):
    """The statistics of a cache since its creation.

    Attributes:
        size: Number of entries.
        max_size: Maximum number of entries.
        bytes: Size of the entries in bytes. None: there is no maximum in bytes.
        max_bytes: Maximum size in bytes. None: there is none.
        hits: Reads served from an entry.
        misses: Reads that were not.
        coalesced: Reads that waited for another load.
        stale_served: Reads served from an entry beyond its TTL.
        hit_rate: From 0 to 1; coalesced reads count as hits.
        evictions: Entries evicted to make room.
        expirations: Entries dropped after their expiry.
    """

    size: int
    max_size: int
    bytes: int | None
    max_bytes: int | None
    hits: int
    misses: int
    coalesced: int
    stale_served: int
    hit_rate: float
    evictions: int
    expirations: int


class Entry:
    """A cached value.

    Attributes:
        value: What was stored.
        expires_at: Clock reading at which it expires.
        size: Its size in bytes, if there is a maximum in bytes.
        link: Its link in the queue of entries kept equally long. None: it is kept for ever.
    """

    __slots__ = ("expires_at", "link", "size", "value")

    def __init__(self, value: Any, expires_at: float, size: int, link: Link | None) -> None:
        self.value = value
        self.expires_at = expires_at
        self.size = size
        self.link = link


class Link:
    """A link in a queue of entries that are kept equally long, so they expire in order.

    A linked list, as in cachetools' `TTLCache`, because growing a large `OrderedDict` takes long.
    It does not refer to the value, which would otherwise outlive the cache until the next garbage
    collection.

    Attributes:
        key: Key of the entry.
        kept_for: Seconds for which it is kept: its TTL, or longer if it may be served stale.
        keep_until: Clock reading at which it is dropped.
        before: The link that expires before it.
        after: The link that expires after it.
    """

    __slots__ = ("after", "before", "keep_until", "kept_for", "key")

    before: Link
    after: Link

    def __init__(self, key: Hashable, kept_for: float, keep_until: float) -> None:
        self.key = key
        self.kept_for = kept_for
        self.keep_until = keep_until

    @classmethod
    def root(cls) -> Link:
        """Make the link that closes an empty queue to a ring: its last is before it."""
        root = cls(None, 0.0, 0.0)
        root.before = root.after = root
        return root


class Entries(LRUCache[Hashable, Entry]):
    """Entries with TTLs and bounds, and counters. Each method needs the lock of the cache.

    Args:
        max_size: Maximum number of entries. 0: nothing is stored.
        max_bytes: Maximum size in bytes. None: no limit.
        timer: The clock, in seconds.

    Attributes:
        hits: Reads served from an entry.
        misses: Reads that were not.
        coalesced: Reads that waited for another load.
        stale_served: Reads served from an entry beyond its TTL.
        evictions: Entries evicted to make room.
        expirations: Entries dropped after their expiry.
    """

    def __init__(self, max_size: int, max_bytes: int | None, timer: Callable[[], float]) -> None:
        if max_bytes is None:
            super().__init__(max_size)
        else:
            super().__init__(max_bytes, getsizeof=attrgetter("size"))
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._timer = timer
        self._queues: OrderedDict[float, Link] = OrderedDict()  # roots, by the time of keeping
        self.hits = self.misses = self.coalesced = self.stale_served = 0
        self.evictions = self.expirations = 0

    def fresh(self, key: Hashable) -> Any:
        """Return the value of a key that has not expired, counting a hit; or MISSING."""
        if key not in self:  # several times quicker than to catch a KeyError
            return MISSING
        entry = self[key]
        if self._timer() < entry.expires_at:
            self.hits += 1
            return entry.value
        return MISSING

    def stale(self, key: Hashable, window: float) -> Any:
        """Return the value of a key whose TTL ended less than `window` seconds ago; or MISSING."""
        if not window or key not in self:
            return MISSING
        entry = self[key]
        return entry.value if self._timer() < entry.expires_at + window else MISSING

    def put(self, key: Hashable, value: Any, ttl: float, window: float = 0.0) -> None:
        """Store a value for `ttl` seconds, and keep it for `window` more.

        If the TTL is 0 or the value exceeds the whole bound, the key has no value afterwards.
        """
        now = self._timer()
        self._drop_expired(now, _LOOKS_OF_A_PUT)
        if key in self:
            self.drop(key)
        if ttl == 0 or self._max_size == 0:
            return
        size, bound = 1, self._max_bytes
        if bound is not None:  # else the bound of the LRUCache is that in entries
            size = _size_of(value)
            if size > bound:
                return
            while len(self) >= self._max_size:
                self.popitem()
        link = None
        if ttl != math.inf:
            kept_for = ttl + window
            link = Link(key, kept_for, now + kept_for)
        self[key] = Entry(value, now + ttl, size, link)  # makes room first, so links may change
        if link is not None:
            self._append(link)

    def drop(self, key: Hashable) -> bool:
        """Drop a key; return whether it had a value."""
        if key not in self:
            return False
        link = Cache.__getitem__(self, key).link
        del self[key]
        if link is None or self._timer() < link.keep_until:
            return True
        self.expirations += 1
        return False

    def popitem(self) -> tuple[Hashable, Entry]:
        """Make room: drop expired entries, or else the least recently used one."""
        expired = self._drop_expired(self._timer(), _LOOKS_BEFORE_EVICTION)
        if expired is not None:
            return expired
        evicted = super().popitem()
        self.evictions += 1
        return evicted

    def __delitem__(self, key: Hashable) -> None:
        link = Cache.__getitem__(self, key).link
        super().__delitem__(key)
        if link is not None:
            self._remove(link)

    def clear(self) -> None:
        """Drop all keys, without counting evictions or expirations."""
        counted = self.evictions, self.expirations
        super().clear()  # by `popitem`, in cachetools before 7
        self.evictions, self.expirations = counted
        self._queues.clear()

    def statistics(self) -> CacheStats:
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
        """Drop expired entries, checking at most `looks`; return the last one.

        So the cost of a call does not depend on how many have expired.
        """
        queues, dropped, live = self._queues, None, 0
        while looks and live < len(queues):
            looks -= 1
            kept_for, root = next(iter(queues.items()))
            first = root.after
            if now < first.keep_until:
                live += 1
                queues.move_to_end(kept_for)  # the next look, also that of the next call, is at
                continue  # another queue
            dropped = first.key, Cache.__getitem__(self, first.key)
            del self[first.key]
            self.expirations += 1
        return dropped

    def _append(self, link: Link) -> None:
        root = self._queues.get(link.kept_for)
        if root is None:
            root = self._queues[link.kept_for] = Link.root()
        last = root.before
        link.before, link.after = last, root
        last.after = root.before = link

    def _remove(self, link: Link) -> None:
        before, after = link.before, link.after
        before.after, after.before = after, before
        if before is after:  # the root alone is left
            del self._queues[link.kept_for]


def _size_of(value: Any) -> int:
    """Return a cheap estimate of a size: the length of bytes and str; other values are shallow.

    At least 1, or values of size 0 would escape the bound.
    """
    if isinstance(value, (bytes, bytearray, str)):
        return max(len(value), 1)
    size = getattr(value, "cache_size", None)
    return max(size if isinstance(size, int) else sys.getsizeof(value), 1)
