"""Cached name resolution, with one look-up in flight per host and port.

gevent resolves names in native threads. With a look-up for every new connection, a burst of calls
grew the pool from 1 thread to 11.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent


class Address(NamedTuple):
    """One address to connect to.

    Attributes:
        family: Address family, for `socket.socket`.
        sockaddr: Address, for `socket.connect`; its host is numeric.
    """

    family: int
    sockaddr: Any


class Resolver:
    """Resolves host names and caches the results.

    Each look-up runs in its own greenlet and is shared by all callers that wait for it, so any of
    them can be killed or time out without affecting the others.

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
        self.clear()

    def clear(self) -> None:
        """Forget all results and running look-ups, as a forked process must."""
        self._answers: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[Any, gevent.Greenlet[..., Any]] = {}

    def resolve(
        self, host: str, port: int, ttl: float, timeout: float | None = None
    ) -> list[Address]:
        """Return the addresses of a host.

        Args:
            host: A host name, or an IP address, which needs no look-up.
            port: The port.
            ttl: Seconds for which a result may be reused. 0: look up every time.
            timeout: Seconds to wait for the result. None: no limit.

        Returns:
            At least one address, in the order in which to try them.

        Raises:
            OSError: The name does not resolve (`socket.gaierror`), or not in time
                (`TimeoutError`).
        """
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        try:
            host.encode("idna")  # fails here rather than in the look-up greenlet
        except UnicodeError as exc:  # cannot be a host name
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from exc
        asked_at, addresses = self._answers.get((host, port), (0.0, []))
        if addresses and self._clock() - asked_at < ttl:
            return addresses
        # Greenlets of different native threads, and so hubs, cannot wait for each other.
        question = (gevent.get_hub(), host, port)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = gevent.spawn(self._ask, question)
        asking.join(timeout)
        if not asking.ready():
            raise TimeoutError("timed out")  # the message of a socket
        answer = asking.value
        if isinstance(answer, list):
            return answer
        raise socket.gaierror(*getattr(answer, "args", ()))

    def prefer(self, host: str, port: int, address: Address) -> None:
        """Try this address first from now on, because another one failed."""
        asked_at, addresses = self._answers.get((host, port), (0.0, []))
        if address in addresses:
            others = [other for other in addresses if other != address]
            self._answers[host, port] = (asked_at, [address, *others])

    def forget(self, host: str, port: int) -> None:
        """Look up again next time, because the cached addresses failed."""
        self._answers.pop((host, port), None)

    def _ask(self, question: tuple[Any, str, int]) -> list[Address] | Exception:
        _, host, port = question
        try:
            found = self._lookup(host, port, 0, socket.SOCK_STREAM)
        except OSError as exc:
            return exc
        else:
            addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
            self._answers[host, port] = (self._clock(), addresses)
            return addresses
        finally:
            self._asking.pop(question, None)


def _literal(host: str, port: int) -> Address | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return Address(family, (host, port) if family == socket.AF_INET else (host, port, 0, 0))
    return None
