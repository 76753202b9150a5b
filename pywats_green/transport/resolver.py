"""Name resolution, once per host and port.

gevent resolves names in native threads. Asking for every new connection, a burst of calls grew
them from 1 to 11; so an answer is kept for a while, and one asker per name does the asking.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gevent.lock import Semaphore


class Address(NamedTuple):
    """One address to connect to.

    Attributes:
        family: As `socket.socket` takes it.
        sockaddr: As `socket.connect` takes it; its host is numeric.
    """

    family: int
    sockaddr: Any


class Resolver:
    """Resolves host names and keeps the answers.

    Args:
        lookup: As `socket.getaddrinfo`.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        lookup: Callable[..., Any] = socket.getaddrinfo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._answers: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], Semaphore] = {}

    def resolve(self, host: str, port: int, ttl: float) -> list[Address]:
        """Return the addresses of a host.

        Args:
            host: A name, or an IP address, which asks nobody.
            port: The port.
            ttl: Seconds for which an answer may be reused. 0: ask every time.

        Returns:
            At least one address, in the order in which to try them.

        Raises:
            OSError: The name does not resolve (`socket.gaierror`).
        """
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        key = (host, port)
        known = self._fresh(key, ttl)
        if known is not None:
            return known
        # Held across the lookup on purpose: it is the queue of those who want this one answer.
        with self._asking.setdefault(key, Semaphore()):
            known = self._fresh(key, ttl)
            if known is None:
                found = self._lookup(host, port, 0, socket.SOCK_STREAM)
                known = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
                self._answers[key] = (self._clock(), known)
        return known

    def forget(self, host: str, port: int) -> None:
        """Ask again next time, because a connection to the kept answer failed."""
        self._answers.pop((host, port), None)

    def _fresh(self, key: tuple[str, int], ttl: float) -> list[Address] | None:
        asked_at, addresses = self._answers.get(key, (0.0, []))
        return addresses if addresses and self._clock() - asked_at < ttl else None


def _literal(host: str, port: int) -> Address | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return Address(family, (host, port) if family == socket.AF_INET else (host, port, 0, 0))
    return None
