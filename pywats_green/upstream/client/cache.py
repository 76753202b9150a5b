"""How a client's reads use the cache.

A key holds everything that an answer depends on, and the epoch of its family at the server; see
`pywats_green.upstream.client.epochs`.
"""

from __future__ import annotations

import hashlib
import math
import os
import weakref
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import Response
from pywats.core.exceptions import PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError

from pywats_green import config, events
from pywats_green.bridge import DeadlineExceeded, set_deadline
from pywats_green.cache import MISSING, CacheManager, CacheStats, StaleRules, current_directives
from pywats_green.config import settings
from pywats_green.transport import server_of, sorted_query
from pywats_green.upstream.client.answers import Packed
from pywats_green.upstream.client.epochs import epochs, is_unsettled, unsettled
from pywats_green.upstream.client.observing import note_cache
from pywats_green.upstream.tables.domains import RULE_OF_GROUP, Rule, rule_of, usual_rule

UPSTREAM_TTL = 300.0  # what pyWATS gives its client when the user says nothing

# Of the client's timeout: how much a load may take where a stale value could stand in for it.
_PATIENCE = 0.9

# A fingerprint tells tokens apart in this process and says nothing outside it.
_FINGERPRINT_KEY = os.urandom(16)

_MOST_KNOWN = 4096  # paths; those of a program come again and again

ATTRIBUTE = "_green_caching"

_caches: weakref.WeakSet[CacheManager] = weakref.WeakSet()


class Read(NamedTuple):
    """A read that may be served from a cache."""

    cache: ClientCache
    key: str
    ttl: float
    refresh: bool


class ClientCache:
    """The caching of one client.

    Args:
        base_url: Of its server.
        ttl: Seconds that answers are cached for where the domain table and the settings say
            nothing.
        max_size: Bound in answers.
    """

    def __init__(self, base_url: str, ttl: float, max_size: int) -> None:
        self.manager = CacheManager(max_size, ttl, max_bytes=settings().cache_max_bytes)
        self._server = server_of(base_url)
        self._user_info = base_url.partition("@")[0] if "@" in base_url else ""
        self._ttl = ttl
        self._identity: tuple[str | None, str | None] = (None, None)
        self._fingerprint = ""
        self._known: dict[str, tuple[Rule, tuple[str, str]]] = {}  # by path, as it was given
        _caches.add(self.manager)

    def read_of(
        self,
        standing: Mapping[str, str],
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> Read | None:
        """Return how a GET may use the cache; None: not at all.

        Args:
            standing: The client's own headers.
            endpoint: As the caller gave it.
            params: As the caller gave them.
            headers: Of this call, or None.
        """
        directives = current_directives()
        known = self._known.get(endpoint)
        if known is None:
            usual = usual_rule(endpoint)
            rule = RULE_OF_GROUP[usual.lastindex or 0] if usual else rule_of(endpoint)
            known = rule, (self._server, rule.family)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[endpoint] = known
        rule, place = known
        ttl = self._ttl_of(rule, directives.ttl)
        if directives.bypass or ttl == 0 or (place in unsettled and is_unsettled(*place)):
            return None
        if not endpoint.startswith("/"):
            endpoint = f"/{endpoint}"
        try:
            query = f"?{sorted_query(params)}" if params else ""
            varies = _fingerprint(repr(sorted(headers.items()))) if headers else ""
        except (TypeError, ValueError):  # the request itself says what is wrong with them
            return None
        identity = (standing.get("Authorization"), standing.get("Accept"))
        if identity != self._identity:
            self._identity = identity
            self._fingerprint = _fingerprint(f"{self._user_info} {identity}")
        # It begins as upstream's does, so that patterns for `invalidate_cache` go on working.
        key = (
            f"GET:{endpoint}{query} {self._server} {self._fingerprint}{varies} "
            f"{epochs.get(place, 0)}"
        )
        return Read(self, key, ttl, directives.refresh)

    def hit(self, read: Read) -> Response | None:
        """Return the cached answer, if there is a fresh one and the caller may have it."""
        packed = MISSING if read.refresh else self.manager.hit(read.key)
        return None if packed is MISSING else packed.unpack()

    def load(
        self,
        read: Read,
        fetch: Callable[[float | None], Response],
        renew: Callable[[], Response],
        deadline: float | None,
        timeout: float | None,
    ) -> Response:
        """Return the answer for a read that was no hit: from the server, or from who asks it now.

        Args:
            read: The read.
            fetch: Asks the server, with the deadline of the call. May block.
            renew: Asks it in the background, when the call is over. May block.
            deadline: Of the call, by `time.monotonic()`. None: it has none.
            timeout: The client's, in seconds.
        """
        fetched: list[tuple[Packed, Response]] = []
        has_asked = is_over = False

        def loader() -> Packed:
            nonlocal has_asked
            has_asked = True
            response = renew() if is_over else fetch(deadline)
            fetched.append((Packed(response), response))
            return fetched[-1][0]

        stale, has_stale = _stale_rules(), self.manager.has_stale
        window = 0.0 if read.refresh else stale.while_revalidate
        is_stale = bool(window) and has_stale(read.key, window)
        impatient = stale.if_error and timeout and has_stale(read.key, stale.if_error)
        packed = self.manager.get_or_load(
            read.key,
            _within(loader, timeout) if impatient else loader,  # type: ignore[arg-type]
            read.ttl,
            keep=_is_kept,
            stale=stale,
            # What another began to read may be older than a call that wants it fresh.
            refresh=read.refresh,
        )
        is_over = True
        is_own = bool(fetched) and fetched[-1][0] is packed
        if events.listeners:
            # Who asked in vain was given the last good answer.
            note_cache("miss" if is_own else "stale" if is_stale or has_asked else "coalesced")
        # Who loaded it has the answer itself.
        return fetched[-1][1] if is_own else packed.unpack()

    def keep(self, read: Read, response: Response) -> None:
        """Cache an answer that was not loaded here, if it may be."""
        packed = Packed(response)
        if _is_kept(packed):
            self.manager.set(read.key, packed, read.ttl)

    def _ttl_of(self, rule: Rule, wanted: float | None) -> float:
        """Return the TTL of an answer: by the block, the settings, the client, the table."""
        if rule.fixed:
            return 0.0
        if wanted is None:
            wanted = config.in_force.ttl.get(rule.family)
        if wanted is not None:
            return wanted
        # A client that asks for another TTL than upstream's default gets it for all that is cached.
        if rule.ttl is None or (rule.ttl > 0 and self._ttl != UPSTREAM_TTL):
            return self._ttl
        return rule.ttl


def attach(client: Any, ttl: float, max_size: int) -> None:
    """Give one of upstream's clients, just made, our cache in the place of its own.

    Args:
        client: The client.
        ttl: Its `cache_ttl`, in seconds; 0: for ever, as upstream means it.
        max_size: Its `cache_max_size`.
    """
    caching = ClientCache(client.base_url, ttl or math.inf, max_size)
    client.__dict__[ATTRIBUTE] = caching
    client._cache = caching.manager


def caching_of(client: Any) -> ClientCache | None:
    """Return the caching of one of upstream's clients; None where it is off."""
    caching: ClientCache | None = client.__dict__.get(ATTRIBUTE)
    return caching if client._cache_enabled else None


class CachesStats(CacheStats):
    """The caches of all live clients, added up; None where none of them has a figure.

    Attributes:
        caches: How many there are.
    """

    caches: int


def cache_statistics() -> CachesStats:
    """Return the statistics of all live clients' caches."""
    found = [manager.get_stats() for manager in list(_caches)]

    def total(name: str) -> Any:
        values: list[Any] = [each.get(name) for each in found]
        known = [value for value in values if value is not None]
        return sum(known) if known or not values else None

    served = total("hits") + total("coalesced")
    asked = served + total("misses")
    sums: Any = {name: total(name) for name in CacheStats.__annotations__}
    sums.update(caches=len(found), hit_rate=served / asked if asked else 0.0)
    return sums  # type: ignore[no-any-return]


def _fingerprint(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6, key=_FINGERPRINT_KEY).hexdigest()


def _is_kept(packed: Packed) -> bool:
    return 200 <= packed.status < 300  # noqa: PLR2004  # "2xx"


def _is_server_error(packed: Packed) -> bool:
    return packed.status >= 500  # noqa: PLR2004  # "5xx"


def _stale_rules() -> StaleRules:
    current = config.in_force
    return _rules(current.stale_if_error, current.stale_while_revalidate)


@lru_cache(maxsize=8)
def _rules(if_error: float, while_revalidate: float) -> StaleRules:
    errors = (PyWATSError, CircuitBreakerOpenError)
    return StaleRules(if_error, while_revalidate, _is_server_error, errors)


def _within(loader: Callable[[], Packed], timeout: float) -> Callable[[], Packed]:
    """End a load a little before the client's timeout, so that a stale value can stand in."""

    def bounded() -> Packed:
        deadline = set_deadline(timeout * _PATIENCE)
        try:
            return loader()
        except DeadlineExceeded as expired:
            if expired.deadline is not deadline:
                raise
            raise WatsTimeoutError(f"Request timed out after {timeout}s: ") from None
        finally:
            deadline.cancel()

    return bounded
