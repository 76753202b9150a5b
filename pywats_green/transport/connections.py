"""Connections, hung into urllib3: cooperative, resolved once per origin, closed by every error."""

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
    """Has a wire while it is connected, and knows a dead one without a switch to the hub."""

    idle_since = 0.0
    wire: Wire | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers.

        Raises:
            OSError: None did. A TimeoutError when the time is over, a `socket.gaierror` when the
                name does not resolve.
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
            # Headers and body are two writes; a proxy too shall not wait in between.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect(address.sockaddr)
        except BaseException:  # a kill too must not leave the descriptor behind
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        """Connect, with TLS and through a proxy where that is asked for."""
        super().connect()
        self.wire = Wire(self.sock)

    @property
    def is_connected(self) -> bool:
        """Whether the server has kept it open; urllib3 asks before it lends a connection."""
        return self.wire is not None and not self.wire.has_come()

    def close(self) -> None:
        """Close it; it can be connected again."""
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close()
        super().close()

    # What reads any answer where requests itself sends.
    response_class = Response


class GreenTLSConnection(GreenConnection, HTTPSConnection):
    """The same over TLS."""


def _share(deadline: float | None, left: int) -> float | None:
    """Divide what is left of the time among the addresses that are left, in seconds."""
    return None if deadline is None else max((deadline - time.monotonic()) / left, 0.001)
