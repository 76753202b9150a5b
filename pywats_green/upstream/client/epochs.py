"""Invalidation by writes, across all clients of a server in this process.

A write bumps the epochs of the families it touches. Cache keys contain the epoch of their family,
so whatever was cached, or is being loaded, under an old one is never served again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from pywats.core.client import Response
from pywats.core.exceptions import ConnectionError as WatsConnectionError

from pywats_green import config
from pywats_green.exceptions import AdmissionTimeoutError
from pywats_green.transport import server_of

UPSTREAM_TIMEOUT = 30.0  # seconds; pyWATS' default

epochs: dict[tuple[str, str], int] = {}  # by server and family; 0 where there is none

# Shared by all families and atomic: native threads may start epochs at once, and none may repeat.
_next_epoch = count(1).__next__

# The attempt that raises these was not sent; an earlier one may have been.
_UNSENT = (WatsConnectionError, AdmissionTimeoutError)

# From a proxy that lost the server, which may have received the request all the same.
_LOST = frozenset({502, 504})

# By server and family: until when nothing is cached, because a write may still take effect.
unsettled: dict[tuple[str, str], float] = {}


def wrote(client: Any, families: Iterable[str], outcome: Response | BaseException) -> None:
    """Invalidate what a write touches, for all clients of its server in this process.

    Args:
        client: The client that made the write, with or without a cache.
        families: The families it touches.
        outcome: The response, or what the write raised. A failed write invalidates, too, unless it
            cannot have reached the server.
    """
    if isinstance(outcome, _UNSENT) and not client.retry_config.enabled:
        return
    invalidate(client, families)
    if isinstance(outcome, BaseException) or outcome.status_code in _LOST:
        # The server may still execute it after the next read, so cache nothing for a while.
        until = time.monotonic() + (client.timeout or UPSTREAM_TIMEOUT)
        for family in families:
            place = server_of(client.base_url), family
            unsettled[place] = max(until, unsettled.get(place, until))


def invalidate(client: Any, families: Iterable[str]) -> None:
    """Start a new epoch of families at a client's server: nothing read before is served again."""
    server = server_of(client.base_url)
    begin(server, families)
    if config.in_force.fleet is not None and config.in_force.fleet_invalidation:
        # Imported here, because redis is optional.
        from pywats_green.upstream.client import fleet  # noqa: PLC0415

        fleet.tell_wrote(server, families)


def begin(server: str, families: Iterable[str]) -> None:
    """Start a new epoch of families at a server, for this process."""
    for family in families:
        epochs[server, family] = _next_epoch()


def is_unsettled(server: str, family: str) -> bool:
    """Return whether a write of unknown outcome may still take effect."""
    until = unsettled.get((server, family))
    if until is None:
        return False
    if time.monotonic() < until:
        return True
    unsettled.pop((server, family), None)
    return False
