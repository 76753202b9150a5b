"""Everything that the status page shows, as one JSON document."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from pywats_green._version import __version__
from pywats_green.events import subscribe
from pywats_green.observe.health import complaints
from pywats_green.observe.history import History, Point
from pywats_green.observe.traffic import Traffic

_MOST_ROUTES = 30
_MOST_FAILURES = 20


class Quarantined(TypedDict):
    """A report in quarantine, as the page shows it."""

    id: str
    reason: str | None
    attempts: int
    since: float


class QueueState(TypedDict):
    """A queue, as the page shows it.

    Attributes:
        name: Its folder, or its type.
        stats: As returned by its processor's `stats()`.
        quarantined: Reports in quarantine.
        quarantine: The latest of them.
    """

    name: str
    stats: Mapping[str, Any]
    quarantined: int
    quarantine: list[Quarantined]


class FindingState(TypedDict):
    """Avoidable calls, as the page shows them."""

    kind: str
    route: str
    caller: str
    count: int
    advice: str


class Board:
    """Collects what there is to show, from the moment it is made.

    Args:
        stats: Returns the statistics of the process.
        queues: Returns the state of each queue.
        findings: Returns what the profiler found; empty if it is off.
        oldest: Seconds for which a report may wait before the state is unhealthy. None: no limit.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        stats: Callable[[], Mapping[str, Any]],
        queues: Callable[[], list[QueueState]],
        findings: Callable[[], Iterable[FindingState]],
        oldest: float | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stats = stats
        self._queues = queues
        self._findings = findings
        self._oldest = oldest
        self._clock = clock
        self._started = clock()
        self.traffic = Traffic(clock)
        self.history = History(self._point)
        self._unsubscribe = subscribe(self.traffic)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def complaints(self) -> list[str]:
        """Return what is wrong now; nothing: all is well."""
        return complaints(self._stats(), self._oldest)

    def document(self) -> Any:
        """Return everything, as values that JSON has."""
        stats = self._stats()
        document = {
            "version": __version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._started,
            "now": self._clock(),
            "complaints": complaints(stats, self._oldest),
            "stats": stats,
            "queues": self._queues(),
            "routes": [vars(counts) for counts in self.traffic.routes()[:_MOST_ROUTES]],
            "failures": [call._asdict() for call in self.traffic.last_failures(_MOST_FAILURES)],
            "findings": [*self._findings()],
            "history": {"fields": Point._fields, "points": [*self.history.points]},
        }
        return _finite(document)

    def _point(self) -> Point:
        stats = self._stats()
        queue, (requests, failures) = stats["queue"], self.traffic.totals()
        return Point(
            at=self._clock(),
            submitted=queue["submitted"],
            requests=requests,
            failures=failures,
            depth=queue["depth"],
            in_flight=queue["in_flight"],
            waiting=stats["throttle"]["waiting"],
        )


def _finite(value: Any) -> Any:
    """Return a value with None for infinity and NaN, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [*map(_finite, value)]
    return value
