"""Connections and their pool, hung into requests by the hooks that urllib3 offers for it."""

from __future__ import annotations

import queue
import select
import socket
import ssl
import sys
import time
from collections import deque
from typing import Any

from gevent import monkey
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.ssl_match_hostname import CertificateError

from pywats_green.config import settings
from pywats_green.transport.resolver import Resolver

_resolver = Resolver()

# gevent's poll switches to the hub even for a timeout of 0; the native one is a system call.
# Windows has no poll; its select has no limit on the number of the descriptor.
_has_poll = hasattr(select, "poll")
_native_poll = monkey.get_original("select", "poll" if _has_poll else "select")


def _is_readable(sock: Any) -> bool:
    """Tell, without waiting, whether there is something to read, be it the end of the stream."""
    if not _has_poll:
        return bool(_native_poll([sock.fileno()], [], [], 0)[0])
    poll = _native_poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class HandshakeError(NewConnectionError):
    """TLS was refused, by us or by the server, before any request was written."""


class _GreenConnection(HTTPConnection):
    """Resolves once per origin, and knows a dead connection without a switch to the hub."""

    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        host, port = self._dns_host, self.port or self.default_port
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        try:
            addresses = _resolver.resolve(host, port, settings().dns_ttl)
        except socket.gaierror as exc:
            raise NameResolutionError(self.host, self, exc) from exc
        error: OSError | None = None
        for address in addresses:
            try:
                return self._connect_to(address, deadline)
            except OSError as exc:
                error = exc
        _resolver.forget(host, port)
        if isinstance(error, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
        raise NewConnectionError(self, str(error)) from error

    def _connect_to(self, address: Any, deadline: float | None) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            if deadline is not None:
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
            if self.source_address:
                sock.bind(self.source_address)
            sock.connect(address.sockaddr)
        except BaseException:  # a kill too must not leave the descriptor behind
            sock.close()
            raise
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    @property
    def is_connected(self) -> bool:
        return self.sock is not None and not _is_readable(self.sock)


class _GreenTLSConnection(_GreenConnection, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except (ssl.SSLError, CertificateError) as exc:
            raise HandshakeError(self, str(exc)) from exc


class _IdleConnections:
    """The idle connections of an origin, last used first; what urllib3 calls the pool's queue.

    It has no bound: as many connections stay as were used at once, and those that were not used
    for `keepalive_expiry` are closed when another one comes or goes. Appending to a deque and
    popping from it cannot be interrupted by another greenlet, so it needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        del maxsize  # urllib3 gives its own bound; see above
        self._idle: deque[Any] = deque()

    def put(self, connection: Any, block: bool = False) -> None:  # noqa: ARG002  # urllib3's call
        if connection is None:  # urllib3's mark for a connection that was thrown away
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        self._expire(connection.idle_since)

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002
        self._expire(time.monotonic())
        if not self._idle:
            raise queue.Empty  # urllib3 then makes a new connection
        return self._idle.pop()

    def _expire(self, now: float) -> None:
        oldest = now - settings().keepalive_expiry
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().close()

    def __len__(self) -> int:
        return len(self._idle)


class _GreenPool(HTTPConnectionPool):
    ConnectionCls = _GreenConnection
    QueueCls = _IdleConnections  # type: ignore[assignment]


class _GreenTLSPool(HTTPSConnectionPool):
    ConnectionCls = _GreenTLSConnection
    QueueCls = _IdleConnections  # type: ignore[assignment]


_POOL_CLASSES = {"http": _GreenPool, "https": _GreenTLSPool}


class GreenAdapter(HTTPAdapter):
    """requests' own adapter, on the pools above, for direct connections and through proxies."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make requests' pool manager, with our pools in it."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make requests' manager for a proxy, with our pools in it unless it speaks SOCKS."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those pools have connections of their own
            manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager
