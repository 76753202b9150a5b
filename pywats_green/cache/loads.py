"""The loads of a cache: one at a time per key, handed over when killed, stale values meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from contextvars import copy_context
from typing import Any, NamedTuple

import gevent

from pywats_green.cache.flight import Flight, StaleRules, Ticket, loading
from pywats_green.cache.store import Entry
from pywats_green.cache.vault import MISSING, Vault
from pywats_green.context import carry
from pywats_green.exceptions import CacheRecursionError

logger = logging.getLogger(__name__)


class Load(NamedTuple):
    """How a key is loaded.

    Attributes:
        loader: Loads the value.
        life: Seconds that it lives.
        keep: Tells whether it may be stored.
        stale: When it may be served beyond its life.
    """

    loader: Callable[[], Any]
    life: float
    keep: Callable[[Any], bool]
    stale: StaleRules


class Loads:
    """The loads under way.

    Args:
        vault: What the cache holds.
        lock: Held around every step on it, never while a loader runs or a follower waits.
    """

    def __init__(self, vault: Vault, lock: threading.Lock) -> None:
        self._vault = vault
        self._lock = lock
        self._flights: dict[Hashable, Flight] = {}
        self._says_stale = True

    def renewed(self, key: Hashable, load: Load) -> Any:
        """Load a key whatever is kept of it, and keep the new value.

        It joins no load under way, which may have begun to read before; who comes meanwhile joins
        this one. What may not be kept makes the old value go, unless it stands in for a failure.
        """
        with self._lock:
            self.overtake(key)
            self._vault.misses += 1
            flight = self._flights[key] = Flight()
        return self._lead(key, flight, load)

    def get(self, key: Hashable, load: Load) -> Any:
        """Return the value of a key, loading it if need be; see `CacheManager.get_or_load`."""
        ticket: Ticket | None = None
        with self._lock:
            value = self._vault.fresh(key)
            if value is not MISSING:
                self._vault.hits += 1
                return value
            flight = self._flights.get(key)
            entry = self._vault.stale(key, load.stale.while_revalidate)
            if entry is not None:
                self._vault.hits += 1
                self._vault.stale_served += 1
            elif flight is not None:
                if flight in loading.get():
                    raise CacheRecursionError(f"the load of {key!r} asks for {key!r} itself")
                self._vault.coalesced += 1
                ticket = flight.join()
            else:
                self._vault.misses += 1
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Flight()
        if entry is not None:
            if leads:
                self._renew(key, flight, load)
            return entry.value
        if ticket is not None and not self._wait(key, flight, ticket):
            return flight.outcome()
        return self._lead(key, flight, load)

    def under_way(self) -> list[Hashable]:
        """Return the keys that are being loaded. Called under the lock."""
        return list(self._flights)

    def overtake(self, key: Hashable) -> None:
        """Let a load finish for those who wait, but neither store nor be joined.

        Called under the lock, when the key gets another value or none.
        """
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def _wait(self, key: Hashable, flight: Flight, ticket: Ticket) -> bool:
        """Wait for a flight; True: this greenlet leads it now."""
        try:
            return ticket.leads()
        except BaseException:  # killed or timed out: the others must not notice
            with self._lock:
                if not flight.leave(ticket):
                    self._forget(key, flight)
            raise

    def _lead(self, key: Hashable, flight: Flight, load: Load) -> Any:
        """Load, store, and give the outcome to all who wait."""
        token = loading.set(loading.get() | {flight})
        try:
            value = load.loader()
            keeps = load.keep(value)
            failed = load.stale.is_failure(value)
        except Exception as error:
            entry = self._stand_in(key, load) if isinstance(error, load.stale.errors) else None
            if entry is None:
                self._land(key, flight, None, error)
                raise
            return self._land(key, flight, entry.value)
        except BaseException:  # killed or timed out: one of those who wait takes over
            with self._lock:
                if not flight.hand_over():
                    self._forget(key, flight)
            raise
        finally:
            loading.reset(token)
        entry = self._stand_in(key, load) if failed else None
        if entry is not None:
            return self._land(key, flight, entry.value)
        with self._lock:
            if keeps and not flight.overtaken:
                self._vault.put(key, value, load.life, load.stale.window)
            elif not failed and not flight.overtaken:
                self._vault.drop(key)
            self._says_stale = self._says_stale or not failed
        return self._land(key, flight, value)

    def _land(
        self, key: Hashable, flight: Flight, value: Any, error: Exception | None = None
    ) -> Any:
        with self._lock:
            self._forget(key, flight)
            flight.land(value, error)
        return value

    def _forget(self, key: Hashable, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _stand_in(self, key: Hashable, load: Load) -> Entry | None:
        """Return the last good value, if it may stand in for a failed load."""
        with self._lock:
            entry = self._vault.stale(key, load.stale.if_error)
            if entry is None:
                return None
            self._vault.stale_served += 1
            says, self._says_stale = self._says_stale, False
        if says:  # once, until a load succeeds again
            logger.warning("The server is away: serving the last good answers (first: %s)", key)
        return entry

    def _renew(self, key: Hashable, flight: Flight, load: Load) -> None:
        """Lead a flight in a greenlet of its own."""

        def renew() -> None:
            try:
                self._lead(key, flight, load)
            except Exception as error:  # noqa: BLE001  # nobody waits for it; the next reader tries
                logger.info("Could not renew %s in the background: %s", key, error)

        greenlet = gevent.Greenlet(renew)
        carry(greenlet, copy_context())
        greenlet.start()
