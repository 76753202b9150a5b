"""A claim on a report in a folder, and the four ways in which it ends."""

from __future__ import annotations

from typing import Any, Protocol

from pywats_green.queue.folder.body import Document
from pywats_green.queue.folder.meta import Meta
from pywats_green.queue.folder.schedule import Entry


class Keeper(Protocol):
    """The queue as a claim sees it."""

    def read(self, claim: FolderClaim) -> Document:
        """Read the claimed file, after giving it an id if it has none."""

    def finish(self, claim: FolderClaim) -> None:
        """Remove the claimed file."""

    def put_back(self, claim: FolderClaim, meta: Meta | None) -> None:
        """Return the file to waiting; None: with its side-car as it is."""

    def set_aside(self, claim: FolderClaim, reason: str) -> None:
        """Move the file to quarantine."""


class FolderClaim:
    """A report that this owner alone may send. It stays claimed until one of its ends is called.

    After the first end the others do nothing, so `release` may stand in a `finally`.

    Attributes:
        item_id: The id of the item.
        attempts: How many attempts were counted before this one.
        group: The token of its group; None: in no group.
    """

    def __init__(self, keeper: Keeper, entry: Entry, claimed_name: str, meta: Meta) -> None:
        self.item_id = entry.item_id
        self.attempts = meta.attempts
        self.group = entry.group
        self.entry = entry
        self.claimed_name = claimed_name
        self.meta = meta
        self.document: Document | None = None
        self._keeper = keeper
        self._is_open = True

    def load(self) -> Any:
        """Read the report; off the hub when it is not small.

        Returns:
            The parsed dict, which has an id that is on disk, too.

        Raises:
            UnreadableReportError: There is nothing there that could be sent.
            OSError: It could not be read just now.
        """
        if self.document is None:
            return self._keeper.read(self)
        document, self.document = self.document, None  # once: a claim holds no body in memory
        return document

    def delivered(self) -> None:
        """Remove the report: the server has it."""
        if self._end():
            self._keeper.finish(self)

    def retry(self, error: str, delay: float) -> None:
        """Count the attempt and put the report back.

        Args:
            error: What went wrong.
            delay: Seconds until it is due again; 0: at once.
        """
        if self._end():
            self.meta.attempts += 1
            self.meta.last_error = error
            self.meta.delay = max(0.0, delay)
            self._keeper.put_back(self, self.meta)

    def quarantine(self, reason: str) -> None:
        """Count the attempt and move the report to `quarantine/`, with the reason."""
        if self._end():
            self.meta.attempts += 1
            self._keeper.set_aside(self, reason)

    def release(self) -> None:
        """Put the report back as it was."""
        if self._end():
            self._keeper.put_back(self, None)

    def _end(self) -> bool:
        was_open, self._is_open = self._is_open, False
        return was_open
