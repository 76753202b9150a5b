"""What people do to a queue, by hand or by `python -m pywats_green queue`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.queue.folder.inspection import Inspection, QueueItem, State
from pywats_green.queue.folder.view import View


class OperatedQueue:
    """The operators' half of a `FolderQueue`. It works while other processes drain the folder.

    Args:
        inspection: Shows and changes what is in the folder.
        view: Scans again after each change.
    """

    def __init__(self, inspection: Inspection, view: View) -> None:
        self._inspection = inspection
        self._view = view

    def list(self, state: State | None = None) -> Sequence[QueueItem]:
        """Return the items in the order in which they are sent, without reading the reports.

        Args:
            state: `waiting`, `claimed`, `quarantined` or `sent`. None: all of them.

        Raises:
            QueueFolderError: The folder cannot be read.
            InvalidArgumentError: There is no such state.
        """
        return self._inspection.list(state)

    def show(self, item_id: str) -> dict[str, Any]:
        """Return everything about an item: the fields of its `QueueItem`, `reason` and `body`.

        Args:
            item_id: Its id, or the name of its file if several have that id.

        Raises:
            QueueItemError: There is no such item, or there are several.
            QueueFolderError: The folder cannot be read.
        """
        return self._inspection.show(item_id)

    def requeue(
        self,
        item_id: str | None = None,
        *,
        reason: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """Move an item from quarantine back to waiting, due at once and with no attempt counted.

        An item that is waiting becomes due at once.

        Args:
            item_id: Its id, or the name of its file. None: everything in quarantine that the other
                two arguments choose.
            reason: Part of the reason for the quarantine, in upper or lower case. None: any.
            older_than: Seconds for which it has been in quarantine at least. None: any time.

        Returns:
            The number of items.

        Raises:
            QueueItemError: There is no such item, there are several, or it is claimed. Without an
                id: some could not be moved, but all others were.
            InvalidArgumentError: An id was given together with another argument.
            QueueFolderError: The folder cannot be read or written.
        """
        if item_id is not None and (reason is not None or older_than is not None):
            raise InvalidArgumentError("give the id of an item, or a reason and an age")
        try:
            return self._inspection.requeue(item_id, reason=reason, older_than=older_than)
        finally:
            self._view.forget()

    def release(self, item_id: str | None = None) -> int:
        """Move claimed items back to waiting by hand, before their owner counts as dead.

        If it lives after all, on another host, they may be sent twice, under the same id.

        Args:
            item_id: Its id, or the name of its file. None: all whose owner does not certainly live
                (in this process, or holding its lock).

        Returns:
            The number of items.

        Raises:
            QueueItemError: There is no such item, there are several, nobody has claimed it, or its
                owner certainly lives.
            QueueFolderError: The folder cannot be read or written.
        """
        try:
            return self._inspection.release(item_id)
        finally:
            self._view.forget()

    def discard(self, item_id: str) -> None:
        """Delete a waiting or quarantined item for good.

        Args:
            item_id: Its id, or the name of its file if several have that id.

        Raises:
            QueueItemError: There is no such item, there are several, or it is claimed.
            QueueFolderError: The folder cannot be read or written.
        """
        self._inspection.discard(item_id)
        self._view.forget()

    def discard_all(self, state: State = "quarantined") -> int:
        """Delete all items in a state for good.

        Args:
            state: `quarantined` or `waiting`.

        Returns:
            The number of items.

        Raises:
            QueueItemError: Some could not be deleted, but all others were.
            InvalidArgumentError: It is another state.
            QueueFolderError: The folder cannot be read.
        """
        try:
            return self._inspection.discard_all(state)
        finally:
            self._view.forget()
