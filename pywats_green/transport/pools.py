"""Connection pools, one per origin, plugged into requests by its own extension points."""

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
from requests.utils import select_proxy
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import proxy_from_url

from pywats_green import config
from pywats_green.redaction import without_frames
from pywats_green.timers import Timer, start_timer
from pywats_green.transport.answers import Answer
from pywats_green.transport.connections import GreenConnection, GreenTLSConnection, resolver
from pywats_green.transport.faults import connect_fault, exchange_fault
from pywats_green.transport.proxies import proxy_of
from pywats_green.transport.tls import make_context
from pywats_green.transport.writing import Message

MOST_ORIGINS = 1_000  # of a client; only endless redirects could need more
_LONGEST_TIMER = 3_600.0  # seconds


class IdleConnections:
    """The idle connections of an origin, most recently used first; urllib3's pool queue.

    Unbounded: as many connections are kept as were in use at once. Those idle for longer than
    `keepalive_expiry` are closed, whether or not another call comes. Deque operations cannot be
    interrupted by another greenlet, so it needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        del maxsize  # urllib3's bound; unused, see above
        self._idle: deque[GreenConnection] = deque()
        self._expiry = config.in_force.keepalive_expiry
        self._timer: Timer | None = None

    def put(self, connection: GreenConnection | None, block: bool = False) -> None:  # noqa: ARG002  # urllib3's call
        """Take a connection back. A closed one, or None, is dropped."""
        if connection is None or connection.sock is None:
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        oldest = connection.idle_since - self._expiry
        if self._idle[0].idle_since <= oldest:
            self._expire(oldest)
        if self._timer is None and self._idle:
            self._start_timer(self._expiry)

    def get(self, block: bool = False, timeout: float | None = None) -> GreenConnection:  # noqa: ARG002
        """Return the most recently used connection.

        Raises:
            queue.Empty: There is none; urllib3 then makes a new one.
        """
        self._expiry = config.in_force.keepalive_expiry  # also for the next `put`
        oldest = time.monotonic() - self._expiry
        if self._idle and self._idle[0].idle_since <= oldest:
            self._expire(oldest)
        if not self._idle:
            raise queue.Empty
        return self._idle.pop()

    def _expire(self, oldest: float) -> None:
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().close()

    def _start_timer(self, seconds: float) -> None:
        """Start the one timer, which keeps neither the event loop nor this pool alive."""
        this = weakref.ref(self)

        def go_off() -> None:
            timer.close()
            if (idle := this()) is not None:
                idle.look()

        timer = self._timer = start_timer(min(seconds, _LONGEST_TIMER), go_off, ref=False)

    def look(self) -> None:
        """Close what has expired; called by the timer, in the hub."""
        self._timer = None
        now = time.monotonic()
        self._expire(now - self._expiry)
        if self._idle:
            self._start_timer(self._idle[0].idle_since + self._expiry - now)

    def clear(self) -> None:
        """Close all of them."""
        while self._idle:
            self._idle.pop().close()

    def __len__(self) -> int:
        return len(self._idle)


class GreenPool(HTTPConnectionPool):
    """Provides a connection for each exchange, and takes only reusable ones back."""

    ConnectionCls = GreenConnection
    QueueCls = IdleConnections  # type: ignore[assignment]
    forwards = False  # whether it leads to a forwarding proxy, which needs the absolute URL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _pools.add(self)

    def exchange(self, message: Message, timeout: float | None, deadline: float | None) -> Answer:
        """Make an exchange over an idle connection or a new one; see `Wire.exchange`.

        Args:
            message: The request.
            timeout: Seconds for each phase (connect, write, read). None: no limit.
            deadline: When a timer will kill this greenlet, on the `time.monotonic()` clock. None:
                never.

        Raises:
            TransportError: As `Transport.request`.
        """
        # Kept even if the deadline comes first: it is divided among the addresses of the host.
        connect_timeout = timeout
        if timeout is not None and deadline is not None:
            now = time.monotonic()
            if now < deadline <= now + timeout:  # a past deadline has no timer any more
                timeout = None  # the deadline ends every phase
        # urllib3's `_get_conn` and `_put_conn` do the same with more calls per request.
        try:
            connection: Any = self.pool.get()  # type: ignore[union-attr]  # not closed while in use
        except queue.Empty:
            connection = self._new_conn()
        is_kept = True
        try:
            wire = connection.wire
            if wire is None or wire.has_come():
                is_kept = False
                connection.close()  # if it is stale
                self._connect(connection, connect_timeout)
                wire = connection.wire
            answer, can_go_on = wire.exchange(message, timeout)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            fault = exchange_fault(exc)
            fault.is_stale = is_kept and wire.is_silent
            raise fault from exc
        except BaseException:  # also a kill: the next exchange must not read this one's response
            connection.close()
            raise
        if can_go_on and self.pool is not None:
            self.pool.put(connection)
        else:
            connection.close()
        return answer  # type: ignore[no-any-return]

    @property
    def idle(self) -> int:
        """Number of idle connections."""
        idle: Any = self.pool  # None: closed
        return 0 if idle is None else len(idle)

    def close_idle(self) -> None:
        """Close the idle connections; the pool can still be used."""
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
            raise connect_fault(exc) from without_frames(exc)
        except BaseException as exc:  # a kill
            without_frames(exc)
            raise


class GreenTLSPool(GreenPool, HTTPSConnectionPool):
    """A `GreenPool` over TLS."""

    ConnectionCls = GreenTLSConnection


_pools: weakref.WeakSet[GreenPool] = weakref.WeakSet()


class TransportStats(TypedDict):
    """The connections of this process.

    Attributes:
        origins: Servers and proxies that live clients use, counted per client.
        idle: Idle connections.
        opened: Connections opened so far.
    """

    origins: int
    idle: int
    opened: int


def transport_statistics() -> TransportStats:
    """Return the connection statistics of this process's live clients."""
    pools = list(_pools)
    return {
        "origins": len(pools),
        "idle": sum(pool.idle for pool in pools),
        "opened": sum(pool.num_connections for pool in pools),
    }


class GreenAdapter(HTTPAdapter):
    """requests' adapter on green pools, for direct and proxied connections.

    Args:
        verify: Whether to verify TLS certificates.
    """

    pool_classes: ClassVar[dict[str, type[GreenPool]]] = {"http": GreenPool, "https": GreenTLSPool}

    def __init__(self, *, verify: bool) -> None:
        self._verify: bool | str = verify
        self._contexts: dict[Any, ssl.SSLContext] = {}
        super().__init__(pool_connections=MOST_ORIGINS, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make requests' pool manager, with green pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool of a request; requests' hook.

        Raises:
            TransportSetupError: The proxy cannot be used.
        """
        proxy = select_proxy(request.url, proxies)
        host, tls = self.build_connection_pool_key_attributes(request, verify, cert)
        manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
        return manager.connection_from_host(**host, pool_kwargs=tls)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make requests' manager for a proxy, with green pools.

        Raises:
            TransportSetupError: The proxy cannot be used.
        """
        found = proxy_of(proxy)
        key: Any = (found, *found.headers.values())
        if key not in self.proxy_manager:
            if found.startswith("https"):
                # As upstream, a proxy is verified even if the server is not.
                context = self._context(self._verify or True, None)
                # The second is for older urllib3, where the first applies to tunnels only.
                kwargs |= {"proxy_ssl_context": context, "ssl_context": context}
            manager = proxy_from_url(
                found, proxy_headers=found.headers, num_pools=MOST_ORIGINS, maxsize=1, **kwargs
            )
            manager.pool_classes_by_scheme = self.pool_classes
            self.proxy_manager[key] = manager
        return self.proxy_manager[key]

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return host and TLS context of a request; requests' hook for custom contexts."""
        if verify != self._verify:
            self._verify = verify
            self.proxy_manager.clear()  # they hold the context for the proxy itself
        host, _ = super().build_connection_pool_key_attributes(request, verify, None)
        if host["scheme"] != "https":
            return host, {}
        return host, {"ssl_context": self._context(verify, cert)}

    def _context(self, verify: Any, cert: Any) -> ssl.SSLContext:
        """Return the context for these settings, shared by all connections; a part of pool keys."""
        current = config.settings()
        trust = (verify, current.trust, current.ca_bundle)
        key = (*trust, repr(cert), current.client_cert, current.client_key)
        if key not in self._contexts:
            self._contexts[key] = make_context(verify, cert)
        return self._contexts[key]

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the pool's context is complete, and requests would add to it."""

    def close(self) -> None:
        """Close all idle connections; certificate files are read again afterwards."""
        super().close()
        self.proxy_manager.clear()
        self._contexts.clear()


def _forget_connections() -> None:
    """Close a forked process's copies of the idle connections; the parent keeps using them."""
    resolver.clear()
    for pool in list(_pools):
        with contextlib.suppress(OSError):
            pool.close_idle()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
