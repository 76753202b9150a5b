"""How a client's reads use the cache.

A key contains everything that a response depends on, and the epoch of its family at the server;
see `pywats_green.upstream.client.epochs`.
"""

from __future__ import annotations

import hashlib
import math
import os
import weakref
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import Response
from pywats.core.exceptions import PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError

from pywats_green import config, events
from pywats_green.bridge import DeadlineExceeded, set_deadline
from pywats_green.cache import (
    MISSING,
    CacheManager,
    CacheStats,
    Directives,
    StaleRules,
    current_directives,
)
from pywats_green.config import settings
from pywats_green.transport import server_of, sorted_query
from pywats_green.upstream.client.answers import Packed
from pywats_green.upstream.client.epochs import epochs, is_unsettled, unsettled
from pywats_green.upstream.client.observing import note_cache
from pywats_green.upstream.tables.domains import RULE_OF_GROUP, Rule, rule_of, usual_rule

UPSTREAM_TTL = 300.0  # seconds; pyWATS' default

# The fraction of the client's timeout that a load may take if a stale value could replace it.
_PATIENCE = 0.9

# Fingerprints distinguish tokens within this process and are meaningless outside it.
_FINGERPRINT_KEY = os.urandom(16)

_MOST_PATHS = 4096  # a program repeats its paths

_NEVER: tuple[None, None] = (None, None)

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
        base_url: Base URL of its server.
        ttl: Seconds for which responses are cached unless the domain table or the settings say
            otherwise.
        max_size: Maximum number of responses.
    """

    def __init__(self, base_url: str, ttl: float, max_size: int) -> None:
        self.manager = CacheManager(max_size, ttl, max_bytes=settings().cache_max_bytes)
        self._server = server_of(base_url)
        self._user_info = base_url.partition("@")[0] if "@" in base_url else ""
        self._ttl = ttl
        self._identity: tuple[str | None, str | None] = (None, None)
        self._fingerprint = ""
        # By path, as passed: its rule, server and family; and its last read without parameters and
        # headers, with what that depends on.
        self._known: dict[str, tuple[Rule, tuple[str, str]]] = {}
        self._last: dict[str, tuple[object, Read | None]] = {}
        _caches.add(self.manager)

    def read_of(
        self,
        standing: Mapping[str, str],
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> Read | None:
        """Return how a GET may use the cache. None: not at all.

        Args:
            standing: The client's headers.
            endpoint: As passed by the caller.
            params: As passed by the caller.
            headers: The call's headers, or None.
        """
        known = self._known.get(endpoint)
        if known is None:
            usual = usual_rule(endpoint)
            rule = RULE_OF_GROUP[usual.lastindex or 0] if usual else rule_of(endpoint)
            known = rule, (self._server, rule.family)
            if len(self._known) >= _MOST_PATHS:
                self._known.clear()
                self._last.clear()
            self._known[endpoint] = known
        rule, place = known
        if unsettled and is_unsettled(*place):
            return None
        identity = (standing.get("Authorization"), standing.get("Accept"))
        if identity != self._identity:
            self._identity = identity
            self._fingerprint = _fingerprint(self._user_info, *identity)
        directives, epoch = current_directives(), epochs.get(place, 0)
        if params or headers:
            return self._read(endpoint, params, headers, rule, directives, epoch)
        depends_on = (directives, config.in_force, epoch, self._fingerprint)
        last_depended_on, read = self._last.get(endpoint, _NEVER)
        if depends_on != last_depended_on:
            read = self._read(endpoint, None, None, rule, directives, epoch)
            self._last[endpoint] = depends_on, read
        return read

    def _read(
        self,
        endpoint: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        rule: Rule,
        directives: Directives,
        epoch: int,
    ) -> Read | None:
        ttl = self._ttl_of(rule, directives.ttl)
        if directives.bypass or ttl == 0:
            return None
        if not endpoint.startswith("/"):
            endpoint = f"/{endpoint}"
        try:
            query = f"?{sorted_query(params)}" if params else ""
            varies = _fingerprint(*chain(*sorted(headers.items()))) if headers else ""
        except (TypeError, ValueError):  # the request itself raises the proper error
            return None
        # Starts like upstream's key, so that patterns for `invalidate_cache` still match.
        key = f"GET:{endpoint}{query} {self._server} {self._fingerprint}{varies} {epoch}"
        return Read(self, key, ttl, directives.refresh)

    def hit(self, read: Read) -> Response | None:
        """Return a fresh cached response, if there is one and the caller accepts it."""
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
        """Return the response for a read that was not a hit, loading it or joining another load.

        Args:
            read: The read.
            fetch: Asks the server, given the deadline of the call. May block.
            renew: Asks it in the background, after the call has ended. May block.
            deadline: Deadline of the call, on the `time.monotonic()` clock. None: it has none.
            timeout: The client's timeout in seconds.
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
            # A load that another call started may predate a refresh.
            refresh=read.refresh,
        )
        is_over = True
        is_own = bool(fetched) and fetched[-1][0] is packed
        if events.listeners:
            # Asked, but not its own: it failed and was given the last good response.
            note_cache("miss" if is_own else "stale" if is_stale or has_asked else "coalesced")
        # The loading caller gets the response itself, without a copy.
        return fetched[-1][1] if is_own else packed.unpack()

    def keep(self, read: Read, response: Response) -> None:
        """Cache a response that was not loaded here, if it may be cached."""
        packed = Packed(response)
        if _is_kept(packed):
            self.manager.set(read.key, packed, read.ttl)

    def _ttl_of(self, rule: Rule, wanted: float | None) -> float:
        """Return the TTL of a response, from the block, the settings, the client or the table."""
        if rule.fixed:
            return 0.0
        if wanted is None:
            wanted = config.in_force.ttl.get(rule.family)
        if wanted is not None:
            return wanted
        # A client with a TTL other than upstream's default uses it for everything it caches.
        if rule.ttl is None or (rule.ttl > 0 and self._ttl != UPSTREAM_TTL):
            return self._ttl
        return rule.ttl


def attach(client: Any, ttl: float, max_size: int) -> None:
    """Replace the cache of one of upstream's clients, just created.

    Args:
        client: The client.
        ttl: Its `cache_ttl` in seconds. 0: no expiry, as upstream means it.
        max_size: Its `cache_max_size`.
    """
    caching = ClientCache(client.base_url, ttl or math.inf, max_size)
    client.__dict__[ATTRIBUTE] = caching
    client._cache = caching.manager


def caching_of(client: Any) -> ClientCache | None:
    """Return the cache of one of upstream's clients. None: caching is off."""
    caching: ClientCache | None = client.__dict__.get(ATTRIBUTE)
    return caching if client._cache_enabled else None


def invalidate_matching(client: Any, pattern: str | None) -> None:
    """Drop a client's cached responses whose key contains a pattern. None: all."""
    caching = caching_of(client)
    if caching is not None:
        caching.manager.invalidate(pattern)


class CachesStats(CacheStats):
    """Totals over the caches of all live clients; None where none of them has a figure.

    Attributes:
        caches: Number of caches.
    """

    caches: int


def cache_statistics() -> CachesStats:
    """Return the totals over all live clients' caches."""
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


def _fingerprint(*values: object) -> str:
    digest = hashlib.blake2b(digest_size=6, key=_FINGERPRINT_KEY)
    for value in values:
        # Not the repr of a str, which a `Secret` hides.
        text = f"+{value}" if isinstance(value, str) else f"-{value!r}"
        encoded = text.encode("utf-8", "surrogatepass")  # an error would show the text
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()


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
    """End a load a little before the client's timeout, in time to serve a stale value instead."""

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
