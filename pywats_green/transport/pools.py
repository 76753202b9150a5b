"""Pools of connections, one for each origin, hung into requests by the hooks meant for that."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import ssl
import time
import weakref
from collections import deque
from typing import Any, ClassVar, TypedDict

from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pywats_green import config
from pywats_green.transport.answers import Answer
from pywats_green.transport.connections import GreenConnection, GreenTLSConnection, resolver
from pywats_green.transport.faults import connect_fault, exchange_fault
from pywats_green.transport.tls import make_context
from pywats_green.transport.writing import Message

_ORIGINS = 1_000  # more are only reached by redirects without end


class IdleConnections:
    """The idle connections of an origin, last used first; what urllib3 calls the pool's queue.

    It has no bound: as many connections stay as were used at once, and those that were not used
    for `keepalive_expiry` are closed when another one comes or goes. Appending to a deque and
    popping from it cannot be interrupted by another greenlet, so it needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        del maxsize  # urllib3 gives its own bound; see above
        self._idle: deque[GreenConnection] = deque()
        self._expiry = config.in_force.keepalive_expiry

    def put(self, connection: GreenConnection | None, block: bool = False) -> None:  # noqa: ARG002  # urllib3's call
        """Take a connection back; one that is closed, or None, is forgotten."""
        if connection is None or connection.sock is None:
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        oldest = connection.idle_since - self._expiry
        if self._idle[0].idle_since <= oldest:
            self._expire(oldest)

    def get(self, block: bool = False, timeout: float | None = None) -> GreenConnection:  # noqa: ARG002
        """Hand out the connection that was used last.

        Raises:
            queue.Empty: There is none; urllib3 then makes a new one.
        """
        self._expiry = config.in_force.keepalive_expiry  # the next `put` goes by it, too
        oldest = time.monotonic() - self._expiry
        if self._idle and self._idle[0].idle_since <= oldest:
            self._expire(oldest)
        if not self._idle:
            raise queue.Empty
        return self._idle.pop()

    def _expire(self, oldest: float) -> None:
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().close()

    def clear(self) -> None:
        """Close all of them."""
        while self._idle:
            self._idle.pop().close()

    def __len__(self) -> int:
        return len(self._idle)


class GreenPool(HTTPConnectionPool):
    """Lends a connection to each exchange, and only takes a sound one back."""

    ConnectionCls = GreenConnection
    QueueCls = IdleConnections  # type: ignore[assignment]
    forwards = False  # whether it leads to a proxy that wants to be told the whole URL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _pools.add(self)

    def exchange(self, message: Message, timeout: float | None, deadline: float | None) -> Answer:
        """Make an exchange over an idle connection or a new one; see `Wire.exchange`.

        Args:
            message: The request.
            timeout: Seconds for each phase (connect, write, read). None: no limit.
            deadline: When a timer will kill this greenlet, by `time.monotonic()`. None: there is
                none.

        Raises:
            TransportError: As `Transport.request`.
        """
        # Each address of a host has its share of the time to connect, so that one counts anyway.
        connect_timeout = timeout
        if timeout is not None and deadline is not None:
            now = time.monotonic()
            if now < deadline <= now + timeout:  # one that is over has no timer any more
                timeout = None  # no phase can end later
        # urllib3's own `_get_conn` and `_put_conn` do the same with more calls, in every request.
        try:
            connection: Any = self.pool.get()  # type: ignore[union-attr]  # not closed while in use
        except queue.Empty:
            connection = self._new_conn()
        try:
            wire = connection.wire
            if wire is None or wire.has_come():
                connection.close()  # where it is stale
                self._connect(connection, connect_timeout)
                wire = connection.wire
            answer, can_go_on = wire.exchange(message, timeout)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise exchange_fault(exc) from exc
        except BaseException:  # a kill too: nobody may find what is left of its answer
            connection.close()
            raise
        if can_go_on and self.pool is not None:
            self.pool.put(connection)
        else:
            connection.close()
        return answer  # type: ignore[no-any-return]

    @property
    def idle(self) -> int:
        """How many connections wait for their next exchange."""
        idle: Any = self.pool  # None: closed
        return 0 if idle is None else len(idle)

    def close_idle(self) -> None:
        """Close the idle connections; the pool goes on."""
        if self.pool is not None:
            self.pool.clear()  # type: ignore[attr-defined]

    def _connect(self, connection: Any, timeout: float | None) -> None:
        connection.timeout = timeout
        try:
            if self.proxy is not None and not self.forwards:
                self._prepare_proxy(connection)  # connects too
            else:
                connection.connect()
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise connect_fault(exc) from exc


class GreenTLSPool(GreenPool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = GreenTLSConnection


_pools: weakref.WeakSet[GreenPool] = weakref.WeakSet()


class TransportStats(TypedDict):
    """The connections of this process.

    Attributes:
        origins: Servers and proxies that live clients are connected with; each client counts.
        idle: Connections that wait for their next exchange.
        opened: Connections that were opened so far.
    """

    origins: int
    idle: int
    opened: int


def transport_statistics() -> TransportStats:
    """Return the statistics of the connections of this process's live clients."""
    pools = list(_pools)
    return {
        "origins": len(pools),
        "idle": sum(pool.idle for pool in pools),
        "opened": sum(pool.num_connections for pool in pools),
    }


class GreenAdapter(HTTPAdapter):
    """requests' own adapter, on the pools above, for direct connections and through proxies.

    Args:
        verify: Whether to verify TLS certificates.
    """

    pool_classes: ClassVar[dict[str, type[GreenPool]]] = {"http": GreenPool, "https": GreenTLSPool}

    def __init__(self, *, verify: bool) -> None:
        self._verify: bool | str = verify
        self._contexts: dict[Any, ssl.SSLContext] = {}
        super().__init__(pool_connections=_ORIGINS, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make requests' pool manager, with our pools in it."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make requests' manager for a proxy, with our pools in it.

        Raises:
            InvalidSchema: The proxy speaks SOCKS, which upstream does not support either.
        """
        if proxy.lower().startswith("socks"):
            raise InvalidSchema("SOCKS proxies are not supported: name an HTTP proxy")
        if proxy.lower().startswith("https"):
            context = self._context(self._verify, None)
            # The second name is for older urllib3, where the first counts for tunnels alone.
            kwargs |= {"proxy_ssl_context": context, "ssl_context": context}
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self.pool_classes
        return manager

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Name host and TLS context of a request; requests' hook for contexts of one's own."""
        if verify != self._verify:
            self._verify = verify
            self.proxy_manager.clear()  # which hold the context for the proxy itself
        host, _ = super().build_connection_pool_key_attributes(request, verify, None)
        if host["scheme"] != "https":
            return host, {}
        return host, {"ssl_context": self._context(verify, cert)}

    def _context(self, verify: Any, cert: Any) -> ssl.SSLContext:
        """Return the one context for all connections; pools, and their connections, go by it."""
        current = config.settings()
        key = (verify, repr(cert), current.ca_bundle, current.client_cert, current.client_key)
        if key not in self._contexts:
            self._contexts[key] = make_context(verify, cert)
        return self._contexts[key]

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Leave the pool as it is: its context says whom we trust, and requests would add to it."""

    def close(self) -> None:
        """Close all idle connections; files of certificates are read again afterwards."""
        super().close()
        self.proxy_manager.clear()
        self._contexts.clear()


def _forget_connections() -> None:
    """Close this process's copies of the idle connections, which the parent goes on using."""
    resolver.clear()
    for pool in list(_pools):
        with contextlib.suppress(OSError):
            pool.close_idle()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
