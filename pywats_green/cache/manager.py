"""The cache: a TTL per entry, LRU, one load per key, invalidation, statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from pywats_green.cache.entries import MISSING, CacheStats, Entries, checked_ttl
from pywats_green.cache.single_flight import Load, SingleFlight, StaleRules
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError
from pywats_green.locks import new_lock

T = TypeVar("T")
D = TypeVar("D")

_FRESH_ONLY = StaleRules()


def _is_not_none(value: object) -> bool:
    return value is not None


class CacheManager:
    """A bounded cache that greenlets and threads can share.

    When a bound is reached, expired entries are evicted first, then the least recently used.
    Expired entries are never served, and are dropped a few at a time, so that no call is slow when
    many expire at once. No lock is held while a loader runs. If the clock goes backwards, entries
    are fresh until it passes their expiry again.

    Args:
        max_size: Maximum number of entries. 0: nothing is stored.
        default_ttl: Default TTL in seconds. 0: nothing is stored. `inf`: entries never expire.
        max_bytes: Maximum size in bytes (the length of bytes and str; for other values, their
            attribute `cache_size`, or `sys.getsizeof`). None: no limit.
        timer: The clock, in seconds.

    Raises:
        ArgumentTypeError: A size is not an integer, or the TTL is not a number.
        InvalidArgumentError: A size or the TTL is negative.
    """

    def __init__(
        self,
        max_size: int = 1000,
        default_ttl: float = 300.0,
        *,
        max_bytes: int | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_size("max_size", max_size)
        if max_bytes is not None:
            _check_size("max_bytes", max_bytes)
        self._max_size = max_size
        self._default_ttl = checked_ttl(default_ttl)
        # Greenlets switch while it is held only if user code makes them: the `__eq__` of a key, the
        # `__del__` of a value. Such code may use the cache again.
        self._lock = new_lock()
        self._entries = Entries(max_size, max_bytes, timer)
        self._loads = SingleFlight(self._entries, self._lock)

    # --- values ---------------------------------------------------------------------------------

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key, or `default` if there is none or it has expired."""
        with self._lock:
            value = self._entries.fresh(key)
            if value is MISSING:
                self._entries.misses += 1
                return default
            return value

    def hit(self, key: Hashable) -> Any:
        """Return the value of a key, or `MISSING`. Does not count a miss, since a load follows."""
        with self._lock:
            return self._entries.fresh(key)

    def set(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        """Store a value.

        A value larger than the whole bound is not stored, and the key has no value afterwards.

        Args:
            key: Any hashable object.
            value: Any object, including None.
            ttl: Seconds until it expires. None: the default. 0: it is not stored, and the key has
                no value afterwards.

        Raises:
            ArgumentTypeError: `ttl` is not a number.
            InvalidArgumentError: `ttl` is negative.
        """
        ttl = self._default_ttl if ttl is None else checked_ttl(ttl)
        with self._lock:
            self._loads.overtake(key)
            self._entries.put(key, value, ttl)

    def delete(self, key: Hashable) -> bool:
        """Drop a key; return whether it had a value."""
        with self._lock:
            self._loads.overtake(key)
            return self._entries.drop(key)

    def invalidate(self, pattern: str | None = None) -> int:
        """Drop the keys whose str contains `pattern`, like upstream's `invalidate_cache`.

        A load in flight for such a key is neither stored nor joined by later readers.

        Args:
            pattern: Searched for in `str(key)`. None: all keys.

        Returns:
            The number of values dropped.
        """
        with self._lock:
            # The texts of keys are user code, which must not run under the lock.
            keys, loads = list(self._entries), self._loads.under_way()
        if pattern is not None:
            keys = [key for key in keys if pattern in str(key)]
            loads = [key for key in loads if pattern in str(key)]
        with self._lock:
            for key in loads:
                self._loads.overtake(key)
            return sum(self._entries.drop(key) for key in keys)

    def clear(self) -> None:
        """Drop everything except the statistics."""
        with self._lock:
            for key in self._loads.under_way():
                self._loads.overtake(key)
            self._entries.clear()

    # --- loading --------------------------------------------------------------------------------

    def get_or_load(
        self,
        key: Hashable,
        loader: Callable[[], T],
        ttl: float | None = None,
        *,
        keep: Callable[[T], bool] = _is_not_none,
        stale: StaleRules = _FRESH_ONLY,
        refresh: bool = False,
    ) -> T:
        """Return the value of a key, loading it if necessary, once for all concurrent readers.

        An error of the loader is raised in all waiting readers and not cached. If the loading
        greenlet is killed, one of the waiting ones takes over with its own loader. Readers can be
        killed or time out without affecting the load. Each native thread loads for itself.

        Args:
            key: Any hashable object.
            loader: Loads the value; no lock is held while it runs.
            ttl: Seconds until a loaded value expires. None: the default. 0: it is not stored.
            keep: Returns whether a loaded value may be stored. By default, None is not stored.
            stale: When a value may be served beyond its TTL. By default, never.
            refresh: Whether to load it even if it is cached, without joining a load in flight.

        Returns:
            The value; the same object for all readers.

        Raises:
            Exception: Whatever the loader raises.
            CacheRecursionError: The load of this key asks for this key.
            ArgumentTypeError: `ttl` is not a number.
            InvalidArgumentError: `ttl` is negative.
        """
        ttl = self._default_ttl if ttl is None else checked_ttl(ttl)
        get = self._loads.renewed if refresh else self._loads.get
        return get(key, Load(loader, ttl, keep, stale))  # type: ignore[no-any-return]

    def has_stale(self, key: Hashable, window: float) -> bool:
        """Return whether a key has a value whose TTL ended less than `window` seconds ago."""
        if not window:
            return False
        with self._lock:
            return self._entries.stale(key, window) is not MISSING

    # --- statistics -----------------------------------------------------------------------------

    @property
    def default_ttl(self) -> float:
        """The default TTL in seconds."""
        return self._default_ttl

    @property
    def size(self) -> int:
        """Number of entries; the name is that of upstream's caches. See `get_stats`."""
        return int(self.get_stats()["size"])

    def get_stats(self) -> CacheStats:
        """Return the statistics since the creation of the cache.

        First drops up to 1,000 expired entries. If there are more, size and bytes include the rest,
        and expirations does not.

        Returns:
            size and max_size (entries), bytes and max_bytes (None if there is no limit), hits,
            misses, coalesced (reads that waited for another load), stale_served, hit_rate (0 to 1;
            coalesced reads count as hits), evictions, expirations.
        """
        with self._lock:
            return self._entries.statistics()

    def __repr__(self) -> str:
        return f"CacheManager(max_size={self._max_size}, default_ttl={self._default_ttl})"


def _check_size(name: str, size: int) -> None:
    if not isinstance(size, int) or isinstance(size, bool):
        raise ArgumentTypeError(f"{name} must be an integer, not {size!r}")
    if size < 0:
        raise InvalidArgumentError(f"{name} must be an integer, 0 or more, not {size!r}")
