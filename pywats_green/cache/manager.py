"""The cache: lives, LRU, one load per key, invalidation, statistics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from pywats_green.cache.flight import StaleRules
from pywats_green.cache.loads import Load, Loads
from pywats_green.cache.vault import MISSING, Vault
from pywats_green.exceptions import InvalidArgumentError

T = TypeVar("T")

_FRESH_ONLY = StaleRules()


def _is_not_none(value: object) -> bool:
    return value is not None


class CacheManager:
    """A bounded cache that greenlets share.

    The entry that was not used for longest leaves first when a bound is reached. No lock is held
    while a loader runs. When the clock goes backwards, entries live until it passes their expiry
    again.

    Args:
        max_size: Bound in entries. 0: nothing is stored.
        default_ttl: Seconds that an entry lives. 0: nothing is stored; `inf`: for ever.
        max_bytes: Bound in bytes (of bytes and text their length; of other values what
            `sys.getsizeof` says, or their attribute `cache_size`). None: no such bound.
        timer: The clock, in seconds.
        one_life: Whether all entries live `default_ttl`; they are kept in a cachetools
            `TTLCache` then, else in a `TLRUCache`.

    Raises:
        InvalidArgumentError: A size or life is negative or no number.
    """

    def __init__(
        self,
        max_size: int = 1000,
        default_ttl: float = 300.0,
        *,
        max_bytes: int | None = None,
        timer: Callable[[], float] = time.monotonic,
        one_life: bool = False,
    ) -> None:
        for name, size in (("max_size", max_size), ("max_bytes", max_bytes)):
            if size is None and name == "max_bytes":
                continue
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise InvalidArgumentError(f"{name} must be a whole number, 0 or more: {size!r}")
        self._max_size = max_size
        self._one_life = one_life
        self._default_ttl = _checked_ttl(default_ttl)
        # gevent's in a patched process; never waited for there: nothing under it switches.
        self._lock = threading.Lock()
        self._vault = Vault(max_size, max_bytes, default_ttl if one_life else None, timer)
        self._loads = Loads(self._vault, self._lock)

    # --- values ---------------------------------------------------------------------------------

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key, or `default` where there is none or it has expired."""
        with self._lock:
            value = self._vault.fresh(key)
            if value is MISSING:
                self._vault.misses += 1
                return default
            self._vault.hits += 1
            return value

    def hit(self, key: Hashable) -> Any:
        """Return the value of a key, or `MISSING`, which counts as no read: a load will follow."""
        with self._lock:
            value = self._vault.fresh(key)
            if value is not MISSING:
                self._vault.hits += 1
            return value

    def set(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        """Store a value.

        A value larger than the whole bound is not stored, and the key has no value then.

        Args:
            key: Hashable.
            value: Anything, None too.
            ttl: Seconds it lives. None: the default; 0: the key has no value then.

        Raises:
            InvalidArgumentError: `ttl` is negative, or not the one life of this cache.
        """
        life = self._life(ttl)
        with self._lock:
            self._loads.overtake(key)
            self._vault.put(key, value, life)

    def delete(self, key: Hashable) -> bool:
        """Drop a key; tell whether it had a value."""
        with self._lock:
            self._loads.overtake(key)
            return self._vault.drop(key)

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
            keys, loads = self._vault.keys(), self._loads.under_way()
        if pattern is not None:
            keys = [key for key in keys if pattern in str(key)]
            loads = [key for key in loads if pattern in str(key)]
        with self._lock:
            for key in loads:
                self._loads.overtake(key)
            return sum(self._vault.drop(key) for key in keys)

    def clear(self) -> None:
        """Drop everything; the statistics stay."""
        with self._lock:
            for key in self._loads.under_way():
                self._loads.overtake(key)
            self._vault.clear()

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
        may be killed or time out without harm to the load.

        Args:
            key: Hashable.
            loader: Loads the value; no lock is held while it runs.
            ttl: Seconds a loaded value lives. None: the default; 0: it is not stored.
            keep: Tells whether a loaded value may be stored. By default None is not.
            stale: When a value may be served beyond its life. By default never.
            refresh: Whether to load it whatever is kept, and to join no load under way.

        Returns:
            The value; the same object for all.

        Raises:
            Exception: What the loader raises.
            CacheRecursionError: The load of this key asks for this key.
            InvalidArgumentError: As `set`.
        """
        load = Load(loader, self._life(ttl), keep, stale)
        get = self._loads.renewed if refresh else self._loads.get
        return get(key, load)  # type: ignore[no-any-return]

    def has_stale(self, key: Hashable, window: float) -> bool:
        """Tell whether a key has a value whose life is over since less than `window` seconds."""
        with self._lock:
            return self._vault.stale(key, window) is not None

    @property
    def size(self) -> int:
        """How many entries there are, as upstream's caches call it."""
        return int(self.get_stats()["size"])

    # --- statistics -----------------------------------------------------------------------------

    def get_stats(self) -> dict[str, Any]:
        """Return the statistics since the cache was made.

        Returns:
            size and max_size (entries), bytes and max_bytes (None where there is no such bound),
            hits, misses, coalesced (reads that waited for the load of another), stale_served,
            hit_rate (0 to 1; coalesced reads count as hits), evictions, expirations.
        """
        with self._lock:
            return self._vault.statistics()

    def __repr__(self) -> str:
        return f"CacheManager(max_size={self._max_size}, default_ttl={self._default_ttl})"

    def _life(self, ttl: float | None) -> float:
        if ttl is None:
            return self._default_ttl
        if self._one_life and ttl != self._default_ttl:
            raise InvalidArgumentError(f"all entries of this cache live {self._default_ttl} s")
        return _checked_ttl(ttl)


def _checked_ttl(ttl: float) -> float:
    if not isinstance(ttl, (int, float)) or not ttl >= 0:
        raise InvalidArgumentError(f"a life must be 0 or more seconds, not {ttl!r}")
    return ttl
