"""The server's counters."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Statistics:
    """Counters of requests and connections."""

    def __init__(self) -> None:
        self.open = 0
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Reset to zero, except for what is open or in flight."""
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.total = 0
        self.opened = 0
        self.highest = self.in_flight

    def begin(self, template: str) -> None:
        """Count a request that has arrived completely."""
        self.total += 1
        self.requests[template] += 1
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)

    def finish(self, status: int | None) -> None:
        """Count a request that was answered with `status`. None: it was not answered."""
        self.in_flight -= 1
        if status is not None:
            self.statuses[status] += 1

    def snapshot(self, faults: int) -> dict[str, Any]:
        """Return the counters for JSON."""
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
