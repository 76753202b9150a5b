"""The processors of this process, and what they do, added up."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from pywats_green.queue.drain.source import Source


class Counted(Protocol):
    """A processor as its statistics see it."""

    @property
    def source(self) -> Source:
        """The queue that is drained."""

    def stats(self) -> dict[str, Any]:
        """Return what goes on."""


_processors: weakref.WeakSet[Counted] = weakref.WeakSet()


def register(processor: Counted) -> None:
    """Count a processor in, for as long as it lives."""
    _processors.add(processor)


def queue_statistics() -> dict[str, Any]:
    """Return the statistics of all processors of this process, added up.

    Returns:
        "processors"; "depth" and "oldest_age" over their queues, each queue once (one that cannot
        be read is left out); "in_flight", "rate", "submitted", "retried", "quarantined" and
        "released"; "paused", how many are.
    """
    processors = list(_processors)
    total: dict[str, Any] = {"processors": len(processors), "depth": 0, "oldest_age": None}
    sums = ("in_flight", "rate", "submitted", "retried", "quarantined", "released")
    total.update(dict.fromkeys((*sums, "paused"), 0))
    seen: set[int] = set()
    for processor in processors:
        try:
            found = processor.stats()
        except OSError:
            continue
        for name in sums:
            total[name] += found[name]
        total["paused"] += found["paused"] is not None
        if id(processor.source) not in seen:
            seen.add(id(processor.source))
            total["depth"] += found["depth"]
            ages = [age for age in (total["oldest_age"], found["oldest_age"]) if age is not None]
            total["oldest_age"] = max(ages, default=None)
    return total
