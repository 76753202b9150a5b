"""Where a queue and its processor meet: claims on items, and when the next one is due."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict


class QueueCounts(TypedDict):
    """How many items a queue holds.

    Attributes:
        waiting: Items that are waiting, due or not.
        in_flight: Items claimed by this owner.
        quarantined: Items in quarantine.
    """

    waiting: int
    in_flight: int
    quarantined: int


class Claim(Protocol):
    """An item taken for sending; exactly one of its four ends must be called.

    Attributes:
        item_id: The item's id.
        attempts: Attempts counted so far.
        group: Items of one group are handed out one at a time; None: in no group.
    """

    item_id: str
    attempts: int
    group: str | None

    def load(self) -> Any:
        """Read the report.

        Returns:
            The parsed dict of a file; from a memory queue the object that was put in.

        Raises:
            UnreadableReportError: It contains nothing that could be sent.
            OSError: It could not be read at the moment.
        """

    def delivered(self) -> None:
        """Record that the server has the report: it is never sent again."""

    def retry(self, error: str, delay: float) -> None:
        """Count the attempt and put the item back, due in `delay` seconds."""

    def quarantine(self, reason: str) -> None:
        """Count the attempt and move the item to quarantine, with the reason."""

    def release(self) -> None:
        """Put the item back unchanged; the attempt does not count."""


class Source(Protocol):
    """A queue as its processor sees it. Nothing here waits for anything but the disk."""

    def claim(self) -> Claim | None:
        """Take the next item that is due, by priority, then first in, first out; None: none is."""

    def due_in(self) -> float | None:
        """Return the seconds until the next item is due; 0: now; None: nothing is waiting."""

    def counts(self) -> QueueCounts:
        """Return how many items there are."""

    def oldest_age(self) -> float | None:
        """Return for how many seconds the oldest item has been waiting; None: none is waiting."""

    def close(self) -> None:
        """Put back what this owner holds."""
