"""The last hour, as points for charts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import gevent

INTERVAL = 10.0
"""Seconds between two points."""

_POINTS = 361  # an hour, and its first moment


class Point(NamedTuple):
    """The state at a moment.

    Attributes:
        at: When, in seconds since the epoch.
        submitted: Reports submitted until then.
        requests: Requests sent until then.
        failures: Calls failed until then.
        depth: Reports waiting.
        in_flight: Reports being sent.
        waiting: Calls waiting for admission.
    """

    at: float
    submitted: int
    requests: int
    failures: int
    depth: int
    in_flight: int
    waiting: int


class History:
    """Takes a point every `INTERVAL` seconds and keeps an hour of them.

    Args:
        take: Returns the point of this moment.
    """

    def __init__(self, take: Callable[[], Point]) -> None:
        self._take = take
        self.points: deque[Point] = deque(maxlen=_POINTS)

    def add(self) -> None:
        """Take a point."""
        self.points.append(self._take())

    def run(self) -> None:
        """Take points until killed."""
        while True:
            self.add()
            gevent.sleep(INTERVAL)
