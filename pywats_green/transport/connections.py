"""urllib3 connections with cached name resolution that close on every error."""

from __future__ import annotations

import socket
import sys
import time

from urllib3.connection import HTTPConnection, HTTPSConnection

from pywats_green.config import settings
from pywats_green.transport.resolver import Address, Resolver
from pywats_green.transport.responses import Response
from pywats_green.transport.wire import Wire

resolver = Resolver()


class GreenConnection(HTTPConnection):
    """Has a `Wire` while connected, and detects a dead one without switching to the hub."""

    idle_since = 0.0
    wire: Wire | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that responds.

        Raises:
            OSError: None did; a TimeoutError after a timeout, a `socket.gaierror` if the name does
                not resolve.
        """
        host, port = self._dns_host, self.port
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        addresses = resolver.resolve(host, port, settings().dns_ttl, self.timeout)
        error: OSError | None = None
        for position, address in enumerate(addresses):
            left = len(addresses) - position
            try:
                sock = self._connect_to(address, _share(deadline, left))
            except OSError as exc:
                error = exc
                continue
            if position:
                resolver.prefer(host, port, address)
            sys.audit("http.client.connect", self, self.host, port)
            return sock
        resolver.forget(host, port)
        raise error or OSError(f"no address for {host}")

    def _connect_to(self, address: Address, timeout: float | None) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            # Head and body may be two writes, which Nagle's algorithm would delay.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect(address.sockaddr)
        except BaseException:  # a kill must not leak the descriptor either
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        """Connect, with TLS and through a proxy if configured."""
        super().connect()
        self.wire = Wire(self.sock)

    @property
    def is_connected(self) -> bool:
        """Whether the server has kept it open; urllib3 checks before reusing a connection."""
        return self.wire is not None and not self.wire.has_come()

    def close(self) -> None:
        """Close it; it can be connected again."""
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close()
        super().close()

    # Reads the response if requests itself sends the request.
    response_class = Response


class GreenTLSConnection(GreenConnection, HTTPSConnection):
    """A `GreenConnection` over TLS."""


def _share(deadline: float | None, left: int) -> float | None:
    """Divide the remaining time among the remaining addresses, in seconds."""
    return None if deadline is None else max((deadline - time.monotonic()) / left, 0.001)
