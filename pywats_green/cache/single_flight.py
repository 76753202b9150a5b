"""Single-flight: of many readers of one missing key, one loads and the others wait for it.

When the one that loads is killed, another takes over; meanwhile, and where a load fails, a stale
value may be served. Greenlets wait for each other within one native thread; those of another load
for themselves, because a hub that nothing else keeps busy cannot wait for another hub.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from contextvars import copy_context
from threading import Event  # gevent's, in a patched process
from types import TracebackType
from typing import Any, NamedTuple

import gevent
from gevent import monkey

from pywats_green.admission_time import AdmissionTime, affected
from pywats_green.cache.entries import MISSING, Entries
from pywats_green.context import carry
from pywats_green.exceptions import CacheRecursionError

logger = logging.getLogger(__name__)

# Who may wait for each other: the greenlets of one thread; all threads, where nothing is patched.
_native_thread_id: Callable[[], int] = (
    monkey.get_original("_thread", "get_ident")
    if monkey.is_module_patched("threading")
    else lambda: 0
)


class StaleRules(NamedTuple):
    """When a value may be served beyond its TTL.

    Attributes:
        if_error: Seconds beyond its TTL in which a value stands in when its load fails.
        while_revalidate: Seconds beyond its TTL in which a value is served at once while one
            load in the background renews it.
        is_failure: Tells whether what a load gave means that the server is away.
        errors: The exceptions that mean it.
    """

    if_error: float = 0.0
    while_revalidate: float = 0.0
    is_failure: Callable[[Any], bool] = lambda _: False
    errors: tuple[type[Exception], ...] = (Exception,)


class Load(NamedTuple):
    """How a key is loaded.

    Attributes:
        loader: Loads the value.
        ttl: Seconds that it is stored for.
        keep: Tells whether it may be stored.
        stale: When it may be served beyond its TTL.
    """

    loader: Callable[[], Any]
    ttl: float
    keep: Callable[[Any], bool]
    stale: StaleRules


class Follower:
    """A reader that waits for the load of another."""

    __slots__ = ("_called", "leads")

    def __init__(self) -> None:
        self._called = Event()
        self.leads = False

    def call(self, *, leads: bool) -> None:
        """Wake it: to lead from now on, or because the flight has landed."""
        self.leads = leads
        self._called.set()

    def wait(self) -> bool:
        """Wait to be called; tell whether it leads now."""
        self._called.wait()
        return self.leads


class Flight(AdmissionTime):
    """One load under way. Its methods are called under the lock of the cache.

    While its load waits to be admitted, those who wait for it do, too.

    Attributes:
        thread_id: Of the native thread that loads.
        overtaken: The key was written or invalidated since the load began: not to be stored.
        value: What was loaded.
        error: What the load raised.
    """

    __slots__ = ("_followers", "_traceback", "error", "overtaken", "thread_id", "value")

    def __init__(self, thread_id: int) -> None:
        self.thread_id = thread_id
        self.overtaken = False
        self.value: Any = None
        self.error: Exception | None = None
        self._traceback: TracebackType | None = None
        self._followers: deque[Follower] = deque()

    def join(self) -> Follower:
        """Queue up."""
        follower = Follower()
        self._followers.append(follower)
        return follower

    def leave(self, follower: Follower) -> bool:
        """Give up waiting; False: it was just handed the lead, and nobody can take it."""
        if follower.leads:  # it was called, be it awake yet or not
            return self.hand_over()
        if follower in self._followers:
            self._followers.remove(follower)
        return True

    def hand_over(self) -> bool:
        """Let the next follower lead; False: there is none."""
        if not self._followers:
            return False
        self._followers.popleft().call(leads=True)
        return True

    def land(self, value: Any, error: Exception | None) -> None:
        """Give all followers the value or the error, at once."""
        self.value, self.error = value, error
        if error is not None:
            self._traceback = error.__traceback__
        while self._followers:
            self._followers.popleft().call(leads=False)

    def result(self) -> Any:
        """Return the value or raise the error."""
        if self.error is not None:
            # Each with the traceback of the load, not with those of all who raised it before.
            raise self.error.with_traceback(self._traceback)
        return self.value


class SingleFlight:
    """The loads under way.

    Args:
        entries: What the cache holds.
        lock: Held around every step on it, never while a loader runs or a follower waits.
    """

    def __init__(self, entries: Entries, lock: AbstractContextManager[Any]) -> None:
        self._entries = entries
        self._lock = lock
        self._flights: defaultdict[int, dict[Hashable, Flight]] = defaultdict(dict)  # by thread
        self._says_stale = True

    def renewed(self, key: Hashable, load: Load) -> Any:
        """Load a key whatever is kept of it, and keep the new value.

        It joins no load under way, which may have begun to read before; who comes meanwhile joins
        this one. What may not be kept makes the old value go, unless it stands in for a failure.
        """
        with self._lock:
            self.overtake(key)
            self._entries.misses += 1
            thread_id = _native_thread_id()
            flight = self._flights[thread_id][key] = Flight(thread_id)
        return self._lead(key, flight, load)

    def get(self, key: Hashable, load: Load) -> Any:
        """Return the value of a key, loading it if need be; see `CacheManager.get_or_load`."""
        follower: Follower | None = None
        with self._lock:
            entries = self._entries
            value = entries.fresh(key)
            if value is not MISSING:
                return value
            thread_id = _native_thread_id()
            flights = self._flights.get(thread_id)
            flight = flights.get(key) if flights else None
            window = load.stale.while_revalidate
            value = entries.stale(key, window) if window else MISSING
            if value is not MISSING:
                entries.hits += 1
                entries.stale_served += 1
            elif flight is not None:
                if flight in affected.get():  # the loads that this context is part of
                    raise CacheRecursionError(f"the load of {key!r} asks for {key!r} itself")
                entries.coalesced += 1
                follower = flight.join()
            else:
                entries.misses += 1
            leads = flight is None
            if flight is None:
                flight = self._flights[thread_id][key] = Flight(thread_id)
        if value is not MISSING:
            if leads:
                self._renew(key, flight, load)
            return value
        if follower is not None and not self._wait(key, flight, follower):
            return flight.result()
        return self._lead(key, flight, load)

    def under_way(self) -> list[Hashable]:
        """Return the keys that are being loaded. Called under the lock."""
        return [key for flights in self._flights.values() for key in flights]

    def overtake(self, key: Hashable) -> None:
        """Let a load finish for those who wait, but neither store nor be joined.

        Called under the lock, when the key gets another value or none.
        """
        for flights in list(self._flights.values()):
            flight = flights.get(key)
            if flight is not None:
                flight.overtaken = True
                self._forget(key, flight)

    def _wait(self, key: Hashable, flight: Flight, follower: Follower) -> bool:
        """Wait for a flight; True: this greenlet leads it now."""
        try:
            with flight.followed():
                return follower.wait()
        except BaseException:  # killed or timed out: the others must not notice
            with self._lock:
                if not flight.leave(follower):
                    self._forget(key, flight)
            raise

    def _lead(self, key: Hashable, flight: Flight, load: Load) -> Any:
        """Load, store, and give what came of it to all who wait."""
        token = affected.set(affected.get() | {flight})
        try:
            value = load.loader()
            keeps = load.keep(value)
            failed = load.stale.is_failure(value)
        except Exception as error:
            stand_in = (
                self._stand_in(key, load) if isinstance(error, load.stale.errors) else MISSING
            )
            if stand_in is MISSING:
                self._land(key, flight, None, error)
                raise
            return self._land(key, flight, stand_in)
        except BaseException:  # killed or timed out: one of those who wait takes over
            with self._lock:
                if not flight.hand_over():
                    self._forget(key, flight)
            raise
        finally:
            affected.reset(token)
        stand_in = self._stand_in(key, load) if failed else MISSING
        if stand_in is not MISSING:
            return self._land(key, flight, stand_in)
        with self._lock:
            if keeps and not flight.overtaken:
                stale = load.stale
                window = max(stale.if_error, stale.while_revalidate)
                self._entries.put(key, value, load.ttl, window)
            elif not failed and not flight.overtaken:
                self._entries.drop(key)
            self._says_stale = self._says_stale or not failed
            self._forget(key, flight)
            flight.land(value, None)
        return value

    def _land(
        self, key: Hashable, flight: Flight, value: Any, error: Exception | None = None
    ) -> Any:
        with self._lock:
            self._forget(key, flight)
            flight.land(value, error)
        return value

    def _forget(self, key: Hashable, flight: Flight) -> None:
        flights = self._flights.get(flight.thread_id)
        if flights and flights.get(key) is flight:
            del flights[key]
            if not flights:  # threads come and go
                del self._flights[flight.thread_id]

    def _stand_in(self, key: Hashable, load: Load) -> Any:
        """Return the last good value, if it may stand in for a failed load; or MISSING."""
        with self._lock:
            value = self._entries.stale(key, load.stale.if_error)
            if value is MISSING:
                return MISSING
            self._entries.stale_served += 1
            says, self._says_stale = self._says_stale, False
        if says:  # once, until a load succeeds again
            logger.warning("The server is away: serving the last good answers (first: %s)", key)
        return value

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
