"""A queue of reports in a folder: what is put in is on disk, and is sent at least once."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pywats_green.arguments import require_seconds
from pywats_green.exceptions import ArgumentTypeError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import Document, document_of
from pywats_green.queue.folder.claims import Claims, FolderClaim, Grouping
from pywats_green.queue.folder.inspection import Inspection, QueueItem, State
from pywats_green.queue.folder.recovery import Recovery
from pywats_green.queue.folder.schedule import WaitingItem
from pywats_green.queue.folder.store import Store
from pywats_green.queue.folder.view import View
from pywats_green.queue.source import QueueCounts

OrderBy: TypeAlias = "str | Callable[[Document], object] | None"


class FolderQueue:
    """A durable queue of reports in a folder, which several processes may fill and drain at once.

    A report is one file, its state is the file's name, and each change of state is one rename.
    Upstream's `*.queued` and `{id}.pending.wsjf` files are items like any other; what a crashed
    upstream left in `.processing` is taken over after 30 minutes, as upstream itself does. Do not
    let upstream drain the same folder at the same time: it takes no heed of claims.

    Use an object in one native thread, by any number of greenlets. Nothing is owned, and no
    greenlet runs, before the first `claim`; `close` gives back what is claimed. If the process
    dies, others on this host take its claims back at once.

    Args:
        path: The folder; it is made if it is missing.
        order_by: Reports of one group go one after another, in order, groups side by side: a
            field of the report ("sn"), or a function of the parsed report that returns the group
            (None: in no group). Within a group, too, a higher priority goes first. All that use
            the folder must say the same. None: no order but priority, then first in first out.
        lease: Seconds without a heartbeat after which an owner on another host counts as dead.
            Longer than anything that may stop this process for a while.
        scan_interval: Seconds between two looks for what others have put in: at most that with
            nothing to do, and at least that while there is.
        timer: Seconds, monotonic.
        clock: Seconds since the epoch.

    Raises:
        QueueFolderError: The folder cannot be made.
        ArgumentTypeError: An argument has the wrong type.
        InvalidArgumentError: A time is not above 0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        order_by: OrderBy = None,
        lease: float = 60.0,
        scan_interval: float = 0.5,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        require_seconds("lease", lease)
        require_seconds("scan_interval", scan_interval)
        if not (order_by is None or isinstance(order_by, str) or callable(order_by)):
            raise ArgumentTypeError(f"order_by must be a field or a function, not {order_by!r}")
        self.path = Path(path)
        self._clock = clock
        self._group_of = _grouping(order_by)
        self._store = Store(self.path)
        self._view = View(
            self._store,
            Recovery(self._store, lease, timer),
            is_ordered=order_by is not None,
            interval=scan_interval,
            timer=timer,
            clock=clock,
        )
        self._claims = Claims(
            self._store, self._view, self._group_of, lease=lease, timer=timer, clock=clock
        )
        self._inspection = Inspection(self.path, clock)

    def __repr__(self) -> str:
        return f"<FolderQueue {str(self.path)!r}>"

    def put(self, report: object, *, item_id: str | None = None, priority: int = 5) -> str:
        """Add a report; it is on disk when this returns, fsynced off the hub.

        Args:
            report: A dict, JSON text or bytes, or a report of pywats. It is not changed; on disk
                it has an id in any case, so that the server knows every re-sending of it.
            item_id: Names the item. None: the report's own id, if it can name a file. The same
                name twice makes two items.
            priority: 1 goes first, 10 last.

        Returns:
            The id of the item.

        Raises:
            QueueFolderError: It could not be written, and nothing of it is left.
            UnreadableReportError: The text is no JSON object.
            ArgumentTypeError: The report is none of these, the id is not a string, or the priority
                is not a whole number.
            InvalidArgumentError: The id cannot name a file, the priority is out of range, or the
                report contains what JSON cannot express.
        """
        names.check_priority(priority)
        if item_id is not None:
            names.check_id(item_id)
        document, raw = document_of(report)
        if item_id is None:
            own = document["id"]
            item_id = own if names.flaw_of_id(own) is None else str(uuid.uuid4())
        group = names.UNKNOWN_GROUP
        if self._group_of is not None:
            group = names.group_token(self._group_of(document))
        self._view.refresh_for_put()
        sequence = self._store.next_sequence(self._clock())
        name = names.waiting_name(priority, sequence, group, item_id)
        self._store.put(name, document, raw)
        self._view.add_own(WaitingItem(name, item_id, priority, sequence), group)
        return item_id

    def claim(self) -> FolderClaim | None:
        """Take the next item that is due; None: none is. It is renamed, not read.

        Returns:
            The claim; it stays until one of its ends is called, or `close`.

        Raises:
            QueueFolderError: The folder is gone, or must not be written.
        """
        self._view.refresh()
        return self._claims.take()

    def due_in(self) -> float | None:
        """Return in how many seconds the next item is due; 0: now; None: nothing is waiting.

        For items whose group is busy that is the time after which to ask again.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        if not self._view.schedule:
            return None
        due = self._view.next_due()
        return self._view.idle_pause if due is None else due

    def counts(self) -> QueueCounts:
        """Return how many items are waiting, claimed by this owner, and in quarantine.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        return {
            "waiting": len(self._view.schedule),
            "in_flight": len(self._claims),
            "quarantined": self._view.quarantined,
        }

    def oldest_age(self) -> float | None:
        """Return the seconds for which the oldest waiting item has waited; None: none waits.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        oldest = self._view.schedule.oldest()
        return None if oldest is None else max(0.0, self._clock() - oldest / 1e6)

    def refresh(self) -> None:
        """Look at the folder now. The queue does it by itself about every `scan_interval`.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh(force=True)

    def close(self) -> None:
        """Give back every claim of this owner, and the owner's file. The next claim begins anew."""
        self._claims.close()

    def list(self, state: State | None = None) -> Sequence[QueueItem]:
        """Return what is in the folder, in the order in which it goes; no body is read.

        Args:
            state: `waiting`, `claimed`, `quarantined` or `sent`. None: all of them.

        Raises:
            QueueFolderError: The folder cannot be read.
            InvalidArgumentError: There is no such state.
        """
        return self._inspection.list(state)

    def show(self, item_id: str) -> dict[str, Any]:
        """Return all about an item: the fields of its `QueueItem`, `reason` and `body`.

        Args:
            item_id: Its id, or the name of its file where several have that id.

        Raises:
            QueueItemError: There is none, or there are several.
            QueueFolderError: The folder cannot be read.
        """
        return self._inspection.show(item_id)

    def requeue(self, item_id: str | None = None) -> int:
        """Return an item from quarantine to waiting, with no attempt counted, and due at once.

        A waiting one becomes due at once.

        Args:
            item_id: Its id, or the name of its file. None: all that are in quarantine.

        Returns:
            How many there were.

        Raises:
            QueueItemError: There is none, there are several, or it is claimed.
            QueueFolderError: The folder cannot be read or written.
        """
        count = self._inspection.requeue(item_id)
        self._view.forget()
        return count

    def discard(self, item_id: str) -> None:
        """Delete a waiting or quarantined item for good.

        Args:
            item_id: Its id, or the name of its file where several have that id.

        Raises:
            QueueItemError: There is none, there are several, or it is claimed.
            QueueFolderError: The folder cannot be read or written.
        """
        self._inspection.discard(item_id)
        self._view.forget()


def _grouping(order_by: OrderBy) -> Grouping | None:
    """Return the function that tells the group of a report; None: there are no groups."""
    if isinstance(order_by, str):
        field = order_by
        return lambda document: document.get(field)
    return order_by
