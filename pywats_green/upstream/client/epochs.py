"""What writes invalidate, for all clients of a server in this process.

A write bumps the epochs of the families that it touches. Keys hold the epoch of their family, so
what was cached, or is being read, under an old one is never seen again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from pywats.core.client import Response
from pywats.core.exceptions import ConnectionError as WatsConnectionError

from pywats_green.transport import server_of

UPSTREAM_TIMEOUT = 30.0  # what pyWATS gives its client when the user says nothing, in seconds

epochs: dict[tuple[str, str], int] = {}  # by server and family; 0 where there is none

# Of all families together: native threads may begin epochs at once, and none may come twice.
_next_epoch = count(1).__next__

# A proxy says these when it lost the server, which may have got the request all the same.
_LOST = frozenset({502, 504})

# Until when a family is not cached at a server, because a write may be under way unseen.
unsettled: dict[tuple[str, str], float] = {}


def wrote(client: Any, families: Iterable[str], outcome: Response | BaseException) -> None:
    """Take note of a request that may have written, for all clients of its server in the process.

    Args:
        client: The client that made it, whether it has a cache or not.
        families: Those that it touches.
        outcome: The answer, or what the write raised. It counts all the same, unless it cannot
            have reached the server.
    """
    if isinstance(outcome, WatsConnectionError) and not client.retry_config.enabled:
        return
    invalidate(client, families)
    if isinstance(outcome, BaseException) or outcome.status_code in _LOST:
        # The server may carry it out yet, after who comes now has read: keep nothing for a while.
        until = time.monotonic() + (client.timeout or UPSTREAM_TIMEOUT)
        for family in families:
            place = server_of(client.base_url), family
            unsettled[place] = max(until, unsettled.get(place, until))


def invalidate(client: Any, families: Iterable[str]) -> None:
    """Begin a new epoch of families at a client's server: nothing read before is served again."""
    for family in families:
        epochs[server_of(client.base_url), family] = _next_epoch()


def is_unsettled(server: str, family: str) -> bool:
    """Tell whether a write of unknown outcome may be on its way still."""
    until = unsettled.get((server, family))
    if until is None:
        return False
    if time.monotonic() < until:
        return True
    unsettled.pop((server, family), None)
    return False
