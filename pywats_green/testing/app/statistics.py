"""What the server counts."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Statistics:
    """Counters of requests, connections and of what is in flight."""

    def __init__(self) -> None:
        self.open = 0
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Start again from zero; what is open or in flight stays counted."""
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.total = 0
        self.opened = 0
        self.highest = self.in_flight

    def begin(self, template: str) -> None:
        """A request has arrived in full."""
        self.total += 1
        self.requests[template] += 1
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)

    def finish(self, status: int | None) -> None:
        """A request was answered with `status`; None where it never was."""
        self.in_flight -= 1
        if status is not None:
            self.statuses[status] += 1

    def snapshot(self, faults: int) -> dict[str, Any]:
        """The counters as JSON."""
        return {
            "requests": dict(self.requests),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "total": self.total,
            "in_flight": self.in_flight,
            "highest_concurrency": self.highest,
            "connections_opened": self.opened,
            "connections_open": self.open,
            "faults": faults,
        }
