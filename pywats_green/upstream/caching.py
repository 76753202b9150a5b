"""How a client's reads use the cache, and what its writes invalidate.

A key holds everything that an answer depends on, and the epoch of its family at the server: a
write bumps the epoch, so from then on every client of that server in this process asks under a new
key. What was cached, or is being read, under an old one is never seen again.
"""

from __future__ import annotations

import hashlib
import marshal
import math
import os
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import gevent
from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import Response
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError

from pywats_green.cache import CacheManager, StaleRules, current_control
from pywats_green.cache.vault import MISSING
from pywats_green.config import settings
from pywats_green.transport import server_of, sorted_query
from pywats_green.upstream.domains import Rule, rule_of, touched_by

UPSTREAM_TTL = 300.0  # what pyWATS gives its client when the user says nothing
UPSTREAM_TIMEOUT = 30.0  # likewise

# Of the share of a call's time that a load may take when a stale value could stand in for it.
_PATIENCE = 0.9

# A fingerprint tells tokens apart in this process and says nothing outside it.
_FINGERPRINT_KEY = os.urandom(16)

_ATTRIBUTE = "_green_caching"

_epochs: defaultdict[tuple[str, str], int] = defaultdict(int)  # by server and family
# Until when a family is not cached at a server, because a write may be under way unseen.
_unsettled: dict[tuple[str, str], float] = {}
_caches: weakref.WeakSet[CacheManager] = weakref.WeakSet()


class Packed:
    """An answer as it is kept: nothing in it can be changed by who reads it.

    The parsed data are kept in marshal's form beside the bytes: reading that is several times
    quicker than parsing again.
    """

    __slots__ = ("cache_size", "data", "headers", "raw", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self.raw = response.raw
        self.data = marshal.dumps(response.data)
        self.cache_size = len(self.raw) + len(self.data) + sum(map(len, self.headers.values()))

    @classmethod
    def of(cls, response: Response) -> Packed | Unpackable:
        """Pack an answer."""
        try:
            return cls(response)
        except ValueError:  # nested deeper than marshal can: handed out, not kept
            return Unpackable(response)

    def unpack(self) -> Response:
        """Make an answer that belongs to its reader alone."""
        # The fields were checked when the answer came; checking them again would cost more than
        # all else here. This is what pydantic's `model_construct` does, without its loops.
        response = Response.__new__(Response)
        fields = {
            "status_code": self.status,
            "data": marshal.loads(self.data),  # noqa: S302  # our own dump, from this process
            "headers": self.headers.copy(),
            "raw": self.raw,
        }
        object.__setattr__(response, "__dict__", fields)
        object.__setattr__(response, "__pydantic_fields_set__", set(fields))
        object.__setattr__(response, "__pydantic_extra__", None)
        object.__setattr__(response, "__pydantic_private__", None)
        return response


class Unpackable:
    """An answer that cannot be kept; who waits for its load gets the answer itself."""

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self._response = response

    def unpack(self) -> Response:
        """Return the answer."""
        return self._response


class Read(NamedTuple):
    """A read that may be served from the cache."""

    key: str
    life: float


class ClientCache:
    """The caching of one client.

    Args:
        base_url: Of its server.
        ttl: Seconds that answers live where the domain table and the settings say nothing.
        max_size: Bound in answers.
    """

    def __init__(self, base_url: str, ttl: float, max_size: int) -> None:
        self.manager = CacheManager(max_size, ttl, max_bytes=settings().cache_max_bytes)
        self._server = server_of(base_url)
        self._user_info = base_url.partition("@")[0] if "@" in base_url else ""
        self._ttl = ttl
        self._identity: tuple[str | None, str | None] = (None, None)
        self._fingerprint = ""
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
        control = current_control()
        rule = rule_of(endpoint)
        life = self._life(rule, control.ttl)
        if control.bypass or life == 0 or _is_unsettled(self._server, rule.family):
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
        epoch = _epochs[self._server, rule.family]
        # It begins as upstream's does, so that patterns for `invalidate_cache` go on working.
        return Read(
            f"GET:{endpoint}{query} {self._server} {self._fingerprint}{varies} {epoch}", life
        )

    def hit(self, read: Read) -> Response | None:
        """Return the cached answer, if there is a fresh one and the caller may have it."""
        if current_control().refresh:
            return None
        packed = self.manager.hit(read.key)
        return None if packed is MISSING else packed.unpack()

    def load(self, read: Read, fetch: Callable[[], Response], timeout: float | None) -> Response:
        """Return the answer for a read that was no hit: from the server, or from who asks it now.

        Args:
            read: The read.
            fetch: Asks the server. May block.
            timeout: The client's, in seconds.
        """
        fetched: list[tuple[Packed | Unpackable, Response]] = []

        def loader() -> Packed | Unpackable:
            response = fetch()
            fetched.append((Packed.of(response), response))
            return fetched[-1][0]

        stale = _stale_rules()
        impatient = stale.if_error and timeout and self.manager.has_stale(read.key, stale.if_error)
        packed = self.manager.get_or_load(
            read.key,
            _within(loader, timeout) if impatient else loader,  # type: ignore[arg-type]
            read.life,
            keep=_is_kept,
            stale=stale,
            # What another began to read may be older than a call that wants it fresh.
            refresh=current_control().refresh,
        )
        if fetched and fetched[-1][0] is packed:
            return fetched[-1][1]  # who loaded it has the answer itself
        return packed.unpack()

    def _life(self, rule: Rule, wanted: float | None) -> float:
        """Return how long an answer lives: by the block, the settings, the client, the table."""
        if rule.fixed:
            return 0.0
        if wanted is None:
            wanted = settings().ttl.get(rule.family)
        if wanted is not None:
            return wanted
        # A client that asks for another life than upstream's default gets it for all that lives.
        if rule.life is None or (rule.life > 0 and self._ttl != UPSTREAM_TTL):
            return self._ttl
        return rule.life


def attach(client: Any, ttl: float, max_size: int) -> None:
    """Give one of upstream's clients, just made, our cache in the place of its own.

    Args:
        client: The client.
        ttl: Its `cache_ttl`, in seconds; 0: for ever, as upstream means it.
        max_size: Its `cache_max_size`.
    """
    caching = ClientCache(client.base_url, ttl or math.inf, max_size)
    client.__dict__[_ATTRIBUTE] = caching
    client._cache = caching.manager


def caching_of(client: Any) -> ClientCache | None:
    """Return the caching of one of upstream's clients; None where it is off."""
    caching: ClientCache | None = client.__dict__.get(_ATTRIBUTE)
    return caching if client._cache_enabled else None


def wrote(client: Any, method: str, endpoint: str, error: BaseException | None) -> None:
    """Take note of a request that may have written, for all clients of its server in the process.

    Args:
        client: The client that made it, whether it has a cache or not.
        method: HTTP method.
        endpoint: As the caller gave it.
        error: What the write raised, or None. It counts all the same, unless it cannot have
            reached the server.
    """
    if isinstance(error, CircuitBreakerOpenError):
        return
    refused = isinstance(error, WatsConnectionError) and not client.retry_config.enabled
    families = () if refused else touched_by(method, endpoint)
    outdate(client, families)
    if families and error is not None:
        # The server may carry it out yet, after who comes now has read: keep nothing for a while.
        until = time.monotonic() + (client.timeout or UPSTREAM_TIMEOUT)
        for family in families:
            _unsettled[server_of(client.base_url), family] = until


def outdate(client: Any, families: Iterable[str]) -> None:
    """Begin a new epoch of families at a client's server: nothing read before is served again."""
    for family in families:
        _epochs[server_of(client.base_url), family] += 1


def _is_unsettled(server: str, family: str) -> bool:
    """Tell whether a write of unknown outcome may be on its way still."""
    until = _unsettled.get((server, family))
    if until is None:
        return False
    if time.monotonic() < until:
        return True
    _unsettled.pop((server, family), None)
    return False


def cache_statistics() -> dict[str, Any]:
    """Return the statistics of all live clients' caches, added up."""
    totals: dict[str, Any] = {"caches": 0}
    for manager in list(_caches):
        totals["caches"] += 1
        for name, number in manager.get_stats().items():
            if number is not None:
                totals[name] = totals.get(name, 0) + number
    served = totals.get("hits", 0) + totals.get("coalesced", 0)
    asked = served + totals.get("misses", 0)
    return {**totals, "hit_rate": served / asked if asked else 0.0}


def _fingerprint(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6, key=_FINGERPRINT_KEY).hexdigest()


def _is_kept(packed: Packed | Unpackable) -> bool:
    return isinstance(packed, Packed) and 200 <= packed.status < 300  # noqa: PLR2004  # "2xx"


def _is_server_error(packed: Packed | Unpackable) -> bool:
    return packed.status >= 500  # noqa: PLR2004  # "5xx"


def _stale_rules() -> StaleRules:
    current = settings()
    return StaleRules(
        current.stale_if_error,
        current.stale_while_revalidate,
        _is_server_error,
        (PyWATSError, CircuitBreakerOpenError),
    )


def _within(
    loader: Callable[[], Packed | Unpackable], timeout: float
) -> Callable[[], Packed | Unpackable]:
    """End a load a little before the deadline of its call, so that a stale value can stand in."""

    def bounded() -> Packed | Unpackable:
        timer = gevent.Timeout.start_new(timeout * _PATIENCE)
        try:
            return loader()
        except gevent.Timeout as expired:
            if expired is not timer:
                raise
            raise WatsTimeoutError(f"Request timed out after {timeout}s: ") from None
        finally:
            timer.close()

    return bounded
