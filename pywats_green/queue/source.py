"""Where a queue and its processor meet: claims on items, and when the next one is due."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypedDict


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


class Elsewhere(NamedTuple):
    """What others than this owner have claimed.

    Attributes:
        items: How many.
        waits: Seconds until the first of them may count as dead, and its items are waiting again;
            None: all of them show that they live.
        told: Who has how many, for people; None: nobody has any.
    """

    items: int = 0
    waits: float | None = None
    told: str | None = None


class DrainState(NamedTuple):
    """What a queue keeps for its processors, across restarts; see `Ledger`.

    Attributes:
        receipts: How often a report has got through after another failed.
        pardoned: Failures at fewer receipts than this were the server's fault.
        failures: How many failures have been noted.
        cause: Why the submissions gate is closed. None: it is open.
    """

    receipts: int = 0
    pardoned: int = 0
    failures: int = 0
    cause: str | None = None


def is_proven(failed_at: int | None, state: DrainState | None) -> bool:
    """Return whether a failure counts against its report: another one got through after it.

    Args:
        failed_at: The receipts at the failure. None: there is none to be judged.
        state: What the queue keeps. None: nothing.
    """
    if failed_at is None or state is None:
        return False
    return state.pardoned <= failed_at < state.receipts


class Claim(Protocol):
    """An item taken for sending; exactly one of its five ends must be called.

    Attributes:
        item_id: The item's id.
        attempts: Attempts counted so far.
        failed_at: The receipts at its last failure, if it is not known yet whose fault that was.
            None: it is known, or there was no failure.
        last_error: The error of the last attempt; None: there is none.
        killed: How many times in a row its sending ended with its process. Above 0, nothing else
            is to be sent beside it.
        group: Items of one group are handed out one at a time; None: in no group.
    """

    item_id: str
    attempts: int
    failed_at: int | None
    last_error: str | None
    killed: int
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

    def postpone(
        self,
        error: str,
        delay: float,
        attempts: int,
        failed_at: int | None,
        *,
        killed: bool = False,
    ) -> None:
        """Put the item back after a failure that may be the server's, due in `delay` seconds.

        As a probe, it now comes after all others.

        Args:
            error: What went wrong.
            delay: Seconds. 0: it is due at once.
            attempts: The attempts that count so far.
            failed_at: The receipts at this failure. None: it was not the report's fault.
            killed: Whether the failure ended the process.
        """

    def quarantine(self, reason: str, attempts: int | None = None) -> None:
        """Move the item to quarantine.

        Args:
            reason: Why.
            attempts: Attempts to be counted for it. None: one more.
        """

    def release(self) -> None:
        """Put the item back unchanged; the attempt does not count."""


class Source(Protocol):
    """A queue as its processor sees it. Nothing here waits for anything but the disk."""

    def claim(self, *, probe: bool = False, alone: bool = True) -> Claim | None:
        """Take the next item that is due, by priority, then first in, first out; None: none is.

        Args:
            probe: Whether it will probe the server: items that have not failed come first, then
                the one that failed longest ago.
            alone: Whether nothing else is being sent, so that it may be one whose sending ended
                with its process. Those come last.
        """

    def due_in(self) -> float | None:
        """Return the seconds until the next item is due; 0: now; None: nothing is waiting."""

    def has_untried(self) -> bool:
        """Return whether an item is due that has not failed."""

    def refusal(self) -> str | None:
        """Return why none of what waits can be claimed. None: some may be, or nothing waits."""

    def counts(self) -> QueueCounts:
        """Return how many items there are."""

    def elsewhere(self) -> Elsewhere:
        """Return what others have claimed."""

    def oldest_age(self) -> float | None:
        """Return for how many seconds the oldest item has been waiting; None: none is waiting."""

    def recall(self) -> DrainState | None:
        """Return what a processor last had it keep, this one or another. None: nothing."""

    def remember(self, state: DrainState | None) -> None:
        """Keep this for the processors of the queue. None: forget it. Never raises."""

    def close(self) -> None:
        """Put back what this owner holds."""


def remaining_in(source: Source) -> int:
    """Return how many items are left in a queue, whoever holds them."""
    counts = source.counts()
    return counts["waiting"] + counts["in_flight"] + source.elsewhere().items
