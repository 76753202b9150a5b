"""What a queue processor needs of a queue: claims on items, and when the next one is due."""

from __future__ import annotations

from typing import Any, Protocol


class Claim(Protocol):
    """An item that was taken for sending; exactly one of its four ends must be called.

    Attributes:
        item_id: The id of the item.
        attempts: How many attempts were counted before this one.
        group: Items of one group are handed out one after another; None: in no group.
    """

    item_id: str
    attempts: int
    group: str | None

    def load(self) -> Any:
        """Read the report.

        Returns:
            The parsed dict of a file; from a memory queue the object that was put in.

        Raises:
            UnreadableReportError: There is nothing there that could be sent.
            OSError: It could not be read just now.
        """

    def delivered(self) -> None:
        """Record that the server has it: it is never sent again."""

    def retry(self, error: str, delay: float) -> None:
        """Count the attempt and put the item back, due in `delay` seconds."""

    def quarantine(self, reason: str) -> None:
        """Count the attempt and set the item aside for a person to look at, with the reason."""

    def release(self) -> None:
        """Put the item back as it was; the attempt does not count."""


class Source(Protocol):
    """A queue as its processor sees it. Nothing here waits, but for the disk."""

    def claim(self) -> Claim | None:
        """Take the next item that is due, by priority, then first in first out; None: none is."""

    def due_in(self) -> float | None:
        """Return in how many seconds the next item is due; 0: now; None: nothing is waiting."""

    def counts(self) -> dict[str, int]:
        """Return how many items are `waiting`, `in_flight` (of this owner) and `quarantined`."""

    def oldest_age(self) -> float | None:
        """Return the seconds for which the oldest waiting item has waited; None: none waits."""

    def close(self) -> None:
        """Give back what this owner holds."""
