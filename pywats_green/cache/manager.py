"""The cache: a TTL per entry, LRU, one load per key, invalidation, statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from gevent import monkey

from pywats_green.cache.entries import MISSING, CacheStats, Entries, checked_ttl
from pywats_green.cache.single_flight import Load, SingleFlight, StaleRules
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError

T = TypeVar("T")
D = TypeVar("D")

_FRESH_ONLY = StaleRules()

# The lock keeps native threads apart, so it is the native one. Greenlets do not switch while it is
# held, unless user code makes them: the `__eq__` of a key, the `__del__` of a value. That is why it
# can be entered again: another kind would then wait for ever, and the whole thread with it.
_new_lock: Callable[[], AbstractContextManager[Any]] = monkey.get_original("_thread", "RLock")


def _is_not_none(value: object) -> bool:
    return value is not None


class CacheManager:
    """A bounded cache that greenlets and threads share.

    The entry that was not used for longest leaves first when a bound is reached, after those that
    have expired. Expired entries are dropped a few at a time, so that no call takes long when many
    are due; they are never served. No lock is held while a loader runs. When the clock goes
    backwards, entries are fresh until it passes their expiry again.

    Args:
        max_size: Bound in entries. 0: nothing is stored.
        default_ttl: The TTL of an entry that is given none, in seconds. 0: it is not stored;
            `inf`: it never expires.
        max_bytes: Bound in bytes (of bytes and text their length; of other values what
            `sys.getsizeof` says, or their attribute `cache_size`). None: no such bound.
        timer: The clock, in seconds.

    Raises:
        ArgumentTypeError: A size is no whole number, or the TTL no number.
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
        self._lock = _new_lock()
        self._entries = Entries(max_size, max_bytes, timer)
        self._loads = SingleFlight(self._entries, self._lock)

    # --- values ---------------------------------------------------------------------------------

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key, or `default` where there is none or it has expired."""
        with self._lock:
            value = self._entries.fresh(key)
            if value is MISSING:
                self._entries.misses += 1
                return default
            return value

    def hit(self, key: Hashable) -> Any:
        """Return the value of a key, or `MISSING`, which counts as no read: a load will follow."""
        with self._lock:
            return self._entries.fresh(key)

    def set(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        """Store a value.

        A value larger than the whole bound is not stored, and the key has no value then.

        Args:
            key: Hashable.
            value: Anything, None too.
            ttl: Seconds until it expires. None: the default; 0: it is not stored, and the key has
                no value then.

        Raises:
            ArgumentTypeError: `ttl` is no number.
            InvalidArgumentError: `ttl` is negative.
        """
        ttl = self._default_ttl if ttl is None else checked_ttl(ttl)
        with self._lock:
            self._loads.overtake(key)
            self._entries.put(key, value, ttl)

    def delete(self, key: Hashable) -> bool:
        """Drop a key; tell whether it had a value."""
        with self._lock:
            self._loads.overtake(key)
            return self._entries.drop(key)

    def invalidate(self, pattern: str | None = None) -> int:
        """Drop the keys whose text contains `pattern`, as upstream's `invalidate_cache` does.

        A load of such a key that is under way is not stored, and nobody joins it any more.

        Args:
            pattern: Looked for in `str(key)`. None: all keys.

        Returns:
            How many values were dropped; 0 when none matches.
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
        """Drop everything; the statistics stay."""
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
        """Return the value of a key, loading it if need be, once for all who ask meanwhile.

        An error of the loader reaches all who wait, at once, and is not stored. When the greenlet
        that loads is killed, one of those who wait loads instead, with its own loader. Who waits
        may be killed or time out without harm to the load. Each native thread loads for itself.

        Args:
            key: Hashable.
            loader: Loads the value; no lock is held while it runs.
            ttl: Seconds until a loaded value expires. None: the default; 0: it is not stored.
            keep: Tells whether a loaded value may be stored. By default None is not.
            stale: When a value may be served beyond its TTL. By default never.
            refresh: Whether to load it whatever is kept, and to join no load under way.

        Returns:
            The value; the same object for all.

        Raises:
            Exception: What the loader raises.
            CacheRecursionError: The load of this key asks for this key.
            ArgumentTypeError: `ttl` is no number.
            InvalidArgumentError: `ttl` is negative.
        """
        ttl = self._default_ttl if ttl is None else checked_ttl(ttl)
        get = self._loads.renewed if refresh else self._loads.get
        return get(key, Load(loader, ttl, keep, stale))  # type: ignore[no-any-return]

    def has_stale(self, key: Hashable, window: float) -> bool:
        """Tell whether a key has a value whose TTL ended less than `window` seconds ago."""
        if not window:
            return False
        with self._lock:
            return self._entries.stale(key, window) is not MISSING

    # --- statistics -----------------------------------------------------------------------------

    @property
    def default_ttl(self) -> float:
        """The TTL of an entry that is given none, in seconds."""
        return self._default_ttl

    @property
    def size(self) -> int:
        """How many entries there are, as upstream's caches call it; see `get_stats`."""
        return int(self.get_stats()["size"])

    def get_stats(self) -> CacheStats:
        """Return the statistics since the cache was made.

        It drops up to 1,000 expired entries first. Where more are due, size and bytes count the
        rest, and expirations does not yet.

        Returns:
            size and max_size (entries), bytes and max_bytes (None where there is no such bound),
            hits, misses, coalesced (reads that waited for the load of another), stale_served,
            hit_rate (0 to 1; coalesced reads count as hits), evictions, expirations.
        """
        with self._lock:
            return self._entries.statistics()

    def __repr__(self) -> str:
        return f"CacheManager(max_size={self._max_size}, default_ttl={self._default_ttl})"


def _check_size(name: str, size: int) -> None:
    if not isinstance(size, int) or isinstance(size, bool):
        raise ArgumentTypeError(f"{name} must be a whole number, not {size!r}")
    if size < 0:
        raise InvalidArgumentError(f"{name} must be a whole number, 0 or more, not {size!r}")
