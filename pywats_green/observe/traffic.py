"""Counts the calls of this process by route, and keeps the last failures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pywats_green.events import RequestEvent

_MOST_ROUTES = 500
_MOST_FAILURES = 50
_LONGEST_TEXT = 200  # characters
_FIRST_BAD = 400

OTHER = "(other routes)"


@dataclass
class RouteCounts:
    """What the calls of one route have come to.

    Attributes:
        method: HTTP method.
        route: Route template.
        calls: Calls that have ended.
        requests: Requests they sent, retries included.
        failures: Calls that raised, or were answered with a status of 400 or more.
        from_cache: Calls that were answered without a request of their own.
        seconds: Duration of all calls together, waits for admission included.
        waited: Seconds of these that they waited for admission.
    """

    method: str
    route: str
    calls: int = 0
    requests: int = 0
    failures: int = 0
    from_cache: int = 0
    seconds: float = 0.0
    waited: float = 0.0


class FailedCall(NamedTuple):
    """A call that failed.

    Attributes:
        at: When, in seconds since the epoch.
        method: HTTP method.
        route: Route template.
        what: The error, or the status.
    """

    at: float
    method: str
    route: str
    what: str


class Traffic:
    """Listens to events; each call costs a look-up and a few additions.

    Args:
        clock: Seconds since the epoch.

    Attributes:
        failures: The last failures, oldest first.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._routes: dict[tuple[str, str], RouteCounts] = {}
        self.failures: deque[FailedCall] = deque(maxlen=_MOST_FAILURES)

    def __call__(self, event: RequestEvent) -> None:
        """Count a call."""
        counts = self._counts_of(event.method, event.route)
        counts.calls += 1
        counts.requests += event.attempts
        counts.from_cache += event.attempts == 0 and event.status is not None
        counts.seconds += event.elapsed
        counts.waited += event.waited
        what = _failure_of(event)
        if what is not None:
            counts.failures += 1
            self.failures.append(FailedCall(self._clock(), event.method, counts.route, what))

    def routes(self) -> list[RouteCounts]:
        """Return the counts, the route with the most requests first."""
        return sorted(self._routes.values(), key=lambda counts: (-counts.requests, counts.route))

    def totals(self) -> tuple[int, int]:
        """Return the requests and the failures of all routes together."""
        found = self._routes.values()
        return sum(counts.requests for counts in found), sum(counts.failures for counts in found)

    def last_failures(self, count: int) -> list[FailedCall]:
        """Return the latest failures, newest first."""
        return [*islice(reversed(self.failures), count)]

    def _counts_of(self, method: str, route: str) -> RouteCounts:
        key = method, route
        found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _MOST_ROUTES:
                key = method, OTHER
            found = self._routes.setdefault(key, RouteCounts(*key))
        return found


def _failure_of(event: RequestEvent) -> str | None:
    if event.error is not None:
        text = f"{type(event.error).__name__}: {event.error}"
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
    if event.status is not None and event.status >= _FIRST_BAD:
        return f"HTTP {event.status}"
    return None
