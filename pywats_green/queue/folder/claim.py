"""One claimed report, until one of its ends is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pywats_green.queue.folder.body import Document
from pywats_green.queue.folder.meta import Meta
from pywats_green.queue.folder.schedule import WaitingItem

if TYPE_CHECKING:
    from pywats_green.queue.folder.claims import Claims


class FolderClaim:
    """A report that only this owner may send. It stays claimed until one of its ends is called.

    After the first end the others do nothing, so `release` may stand in a `finally`.

    Attributes:
        item_id: The item's id.
        attempts: Attempts counted so far.
        failed_at: The receipts at its last failure; see `Claim`.
        last_error: The error of the last attempt; None: there is none.
        killed: How many times in a row its sending ended with its process.
        group: The token of its group; None: in no group.
    """

    def __init__(self, claims: Claims, item: WaitingItem, claimed_name: str, meta: Meta) -> None:
        self.item_id = item.item_id
        self.attempts = meta.attempts
        self.failed_at = meta.failed_at
        self.last_error = meta.last_error
        self.killed = meta.killed
        self.group = item.group
        self.item = item
        self.claimed_name = claimed_name
        self.meta = meta
        self.document: Document | None = None
        self.reason: str | None = None
        self.is_late = False
        self._claims = claims
        self._is_open = True

    def load(self) -> Any:
        """Read the report, off the hub unless it is small.

        Returns:
            The parsed dict, with an id that is on disk, too.

        Raises:
            UnreadableReportError: It contains nothing that could be sent.
            OSError: It could not be read at the moment.
        """
        if self.document is None:
            return self._claims.read(self)
        document, self.document = self.document, None  # a claim keeps no report in memory
        return document

    def delivered(self) -> None:
        """Remove the report: the server has it."""
        if self._end():
            self._claims.finish(self)

    def retry(self, error: str, delay: float) -> None:
        """Count the attempt and put the report back.

        Args:
            error: What went wrong.
            delay: Seconds until it is due again; 0: at once.
        """
        if self._end():
            self.meta.attempts += 1
            self.meta.failed_at = None
            self.meta.killed = 0
            self.meta.last_error = error
            self.meta.delay = max(0.0, delay)
            self._claims.put_back(self, self.meta)

    def postpone(
        self,
        error: str,
        delay: float,
        attempts: int,
        failed_at: int | None,
        *,
        killed: bool = False,
    ) -> None:
        """Put the report back after a failure that may be the server's.

        Args:
            error: What went wrong.
            delay: Seconds until it is due again; 0: at once.
            attempts: Attempts to be counted for it.
            failed_at: The receipts at this failure; None: it was not the report's fault.
            killed: Whether the failure ended the process.
        """
        if self._end():
            self.meta.attempts = attempts
            self.meta.last_error = error
            self.meta.delay = max(0.0, delay)
            self.meta.failed_at = failed_at
            self.meta.killed = self.meta.killed + 1 if killed else 0
            self._claims.put_back(self, self.meta, has_failed=True)

    def quarantine(self, reason: str, attempts: int | None = None) -> None:
        """Move the report to `quarantine/`, with the reason.

        Args:
            reason: Why.
            attempts: Attempts to be counted for it. None: one more.
        """
        if self._end():
            self.meta.attempts = self.meta.attempts + 1 if attempts is None else attempts
            self._claims.set_aside(self, reason)

    def release(self) -> None:
        """Put the report back unchanged."""
        if self._end():
            self._claims.put_back(self, None)

    def _end(self) -> bool:
        was_open, self._is_open = self._is_open, False
        return was_open
