"""Single-flight: of many readers of a missing key, one loads it and the others wait.

If the loading greenlet is killed, another takes over. During a load, or if it fails, a stale value
may be served. Only greenlets of the same native thread wait for each other, because an otherwise
idle hub cannot wait for another hub.
"""

from __future__ import annotations

import logging
import weakref
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
from pywats_green.timers import at_fork

logger = logging.getLogger(__name__)

# Identifies readers that can wait for each other: greenlets of one thread; if nothing is patched,
# all threads.
_native_thread_id: Callable[[], int] = (
    monkey.get_original("_thread", "get_ident")
    if monkey.is_module_patched("threading")
    else lambda: 0
)


class StaleRules(NamedTuple):
    """When a value may be served beyond its TTL.

    Attributes:
        if_error: Seconds beyond its TTL for which a value is served if its load fails.
        while_revalidate: Seconds beyond its TTL for which a value is served at once, while it is
            revalidated in the background.
        is_failure: Returns whether a loaded value means that the server is unreachable.
        errors: The exceptions that mean the same.
    """

    if_error: float = 0.0
    while_revalidate: float = 0.0
    is_failure: Callable[[Any], bool] = lambda _: False
    errors: tuple[type[Exception], ...] = (Exception,)


class Load(NamedTuple):
    """How a key is loaded.

    Attributes:
        loader: Loads the value.
        ttl: Seconds for which it is stored.
        keep: Returns whether it may be stored.
        stale: When it may be served beyond its TTL.
    """

    loader: Callable[[], Any]
    ttl: float
    keep: Callable[[Any], bool]
    stale: StaleRules


class Follower:
    """A reader that waits for another reader's load."""

    __slots__ = ("_called", "leads")

    def __init__(self) -> None:
        self._called = Event()
        self.leads = False

    def call(self, *, leads: bool) -> None:
        """Wake it, to take the lead or because the flight has landed."""
        self.leads = leads
        self._called.set()

    def wait(self) -> bool:
        """Wait until woken; return whether it has the lead."""
        self._called.wait()
        return self.leads


class Flight(AdmissionTime):
    """A load in flight. Its methods need the lock of the cache.

    While the load waits for admission, so do those that wait for it.

    Attributes:
        thread_id: Id of the loading native thread.
        overtaken: Whether the key was written or invalidated since the load started, so the value
            must not be stored.
        value: The loaded value.
        error: The error raised by the load.
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
        """Add a follower."""
        follower = Follower()
        self._followers.append(follower)
        return follower

    def leave(self, follower: Follower) -> bool:
        """Stop waiting. False: the follower was given the lead, and nobody else can take it."""
        if follower.leads:  # it was called, be it awake yet or not
            return self.hand_over()
        if follower in self._followers:
            self._followers.remove(follower)
        return True

    def hand_over(self) -> bool:
        """Give the next follower the lead. False: there is none."""
        if not self._followers:
            return False
        self._followers.popleft().call(leads=True)
        return True

    def land(self, value: Any, error: Exception | None) -> None:
        """Wake all followers with the value or the error."""
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


_everywhere: weakref.WeakSet[SingleFlight] = weakref.WeakSet()


class SingleFlight:
    """The loads in flight.

    Args:
        entries: The entries of the cache.
        lock: Held while accessing them, but never while a loader runs or a follower waits.
    """

    def __init__(self, entries: Entries, lock: AbstractContextManager[Any]) -> None:
        self._entries = entries
        self._lock = lock
        self._flights: defaultdict[int, dict[Hashable, Flight]] = defaultdict(dict)  # by thread
        self._says_stale = True
        _everywhere.add(self)

    def renewed(self, key: Hashable, load: Load) -> Any:
        """Load a key even if it is cached, and store the new value.

        It does not join a load in flight, which may have started too early; later readers join
        this one. If the new value may not be stored, the old one is dropped, unless it is served
        instead.
        """
        with self._lock:
            self.overtake(key)
            self._entries.misses += 1
            thread_id = _native_thread_id()
            flight = self._flights[thread_id][key] = Flight(thread_id)
        return self._lead(key, flight, load)

    def get(self, key: Hashable, load: Load) -> Any:
        """Return the value of a key, loading it if necessary; see `CacheManager.get_or_load`.

        Raises:
            CacheRecursionError: The load of the key asks for the key itself.
            BaseException: Whatever the load raises.
        """
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

    def forget_all(self) -> None:
        """Forget all loads, in a forked process, where none of them will end."""
        self._flights.clear()

    def under_way(self) -> list[Hashable]:
        """Return the keys being loaded. Needs the lock."""
        return [key for flights in self._flights.values() for key in flights]

    def overtake(self, key: Hashable) -> None:
        """Let a load finish for its waiting readers, but neither store it nor let others join.

        Needs the lock. Called when the key is set or dropped.
        """
        for flights in list(self._flights.values()):
            flight = flights.get(key)
            if flight is not None:
                flight.overtaken = True
                self._forget(key, flight)

    def _wait(self, key: Hashable, flight: Flight, follower: Follower) -> bool:
        """Wait for a flight. True: this greenlet now has the lead."""
        try:
            with flight.followed():
                return follower.wait()
        except BaseException:  # killed or timed out: the others must not notice
            with self._lock:
                if not flight.leave(follower):
                    self._forget(key, flight)
            raise

    def _lead(self, key: Hashable, flight: Flight, load: Load) -> Any:
        """Load and store the value, and wake all followers with the outcome."""
        token = affected.set(affected.get() | {flight})
        try:
            value = load.loader()
            keeps = load.keep(value)
            failed = not keeps and load.stale.is_failure(value)
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
        """Return the last good value if it may be served instead of a failed load, or MISSING."""
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
        """Lead a flight in a separate greenlet."""

        def renew() -> None:
            try:
                self._lead(key, flight, load)
            except Exception as error:  # noqa: BLE001  # nobody waits for it; the next reader tries
                logger.info("Could not renew %s in the background: %s", key, error)

        greenlet = gevent.Greenlet(renew)
        carry(greenlet, copy_context())
        greenlet.start()


def _forget_all() -> None:
    for loads in list(_everywhere):
        loads.forget_all()


at_fork(_forget_all)
