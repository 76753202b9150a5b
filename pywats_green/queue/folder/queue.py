"""FolderQueue: a durable queue of reports in a folder."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pywats_green.arguments import require_count, require_seconds
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import document_of, encode
from pywats_green.queue.folder.capacity import Capacity
from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.claims import Claims, Grouping
from pywats_green.queue.folder.drain_state import DrainStateFile, LastClosure
from pywats_green.queue.folder.files import off_hub
from pywats_green.queue.folder.long_paths import extended
from pywats_green.queue.folder.operated import OperatedQueue
from pywats_green.queue.folder.order import OrderBy, OrderFile
from pywats_green.queue.folder.recovery import Recovery
from pywats_green.queue.folder.schedule import WaitingItem
from pywats_green.queue.folder.store import Store
from pywats_green.queue.folder.view import View
from pywats_green.queue.source import DrainState, Elsewhere, QueueCounts


class FolderQueue(OperatedQueue):
    """A durable queue of reports in a folder that several processes may fill and drain at once.

    A report is one file, its state is part of the file's name, and each change of state is one
    rename. Upstream's `*.queued` and `{id}.pending.wsjf` files are items like any other; what a
    crashed upstream left in `.processing` is recovered after 30 minutes, as upstream itself does.
    Do not let upstream drain the same folder at the same time: it ignores claims.

    Use an object in one native thread, from any number of greenlets. It owns nothing and runs no
    greenlet before the first `claim`; `close` puts back what is claimed. If the process dies,
    others on this host recover its claims at once.

    Args:
        path: The folder; it is created if it is missing.
        order_by: Groups reports: those of one group are sent one after another, in order; groups
            are sent side by side. A field of the report ("sn"), or a function of the parsed report
            that returns its group (None: in no group). Within a group, priority still counts. It
            is kept in the folder (a function by its module and name); a process with another one
            is refused, unless it only puts and has none. None: only priority counts, then first
            in, first out.
        lease: Seconds without a heartbeat after which an owner on another host is considered dead;
            longer than anything that may suspend this process.
        max_reports: How many reports may be waiting or claimed; `put` refuses more. None: no limit.
        max_bytes: How many bytes they may have. None: no limit. Several processes may together
            exceed a limit by what they put within five seconds, or longer if it takes half a second
            or more to count the folder.
        keep_quarantined: Seconds after which an item in quarantine is deleted, by a process that
            drains. None: never.
        scan_interval: Seconds between two scans for items of other processes: at most that while
            idle, at least that while busy.
        timer: Seconds, monotonic.
        clock: Seconds since the epoch.

    Raises:
        QueueFolderError: The folder cannot be created.
        ArgumentTypeError: An argument has the wrong type.
        InvalidArgumentError: A time is not above 0, a limit below 1, or `order_by` empty.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        order_by: OrderBy = None,
        max_reports: int | None = None,
        max_bytes: int | None = None,
        keep_quarantined: float | None = None,
        lease: float = 60.0,
        scan_interval: float = 0.5,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        require_seconds("lease", lease)
        require_seconds("scan_interval", scan_interval)
        if keep_quarantined is not None:
            require_seconds("keep_quarantined", keep_quarantined)
        for name, limit in (("max_reports", max_reports), ("max_bytes", max_bytes)):
            if limit is not None:
                require_count(name, limit)
        if not (order_by is None or isinstance(order_by, str) or callable(order_by)):
            raise ArgumentTypeError(f"order_by must be a field or a function, not {order_by!r}")
        if order_by == "":
            raise InvalidArgumentError("order_by must name a field; None: no order")
        self.path = Path(path)
        folder = extended(self.path)
        store = Store(folder)
        view = View(
            store,
            Recovery(store, lease, keep_quarantined, timer),
            is_ordered=order_by is not None,
            interval=scan_interval,
            timer=timer,
            clock=clock,
        )
        super().__init__(store, view, DrainStateFile(folder, clock), clock)
        self._group_of = _grouping(order_by)
        self._order = OrderFile(folder, order_by)
        self._claims = Claims(store, view, self._group_of, lease=lease, timer=timer, clock=clock)
        self._capacity = Capacity(folder, max_reports, max_bytes, timer)

    def __repr__(self) -> str:
        return f"<FolderQueue {str(self.path)!r}>"

    def put(self, report: object, *, item_id: str | None = None, priority: int = 5) -> str:
        """Add a report; when this returns it is on disk, fsynced off the hub.

        Args:
            report: A dict, JSON text or bytes, or a report of pywats. It is not changed; on disk
                it always has an id, so that the server recognises every retry.
            item_id: Names the item. None: the report's own id, if that can be part of a file name.
                While an item of that id waits or is claimed, the same report is put once, and
                another one is refused. The body is compared byte by byte.
            priority: 1 is sent first, 10 last.

        Returns:
            The item's id.

        Raises:
            QueueFolderError: It could not be written, and nothing of it is left.
            QueueFullError: The queue holds as much as it may; it is a QueueFolderError.
                ReportTooLargeError: this report alone exceeds `max_bytes`.
            UnreadableReportError: The text is not a JSON object.
            ArgumentTypeError: The report is none of these, the id is not a string, or the priority
                is not a whole number.
            InvalidArgumentError: The id cannot name a file, the priority is out of range, or the
                report contains what no request can carry: NaN, a lone surrogate, an object.
            QueueOrderError: The folder is used with another `order_by`; an InvalidArgumentError.
            QueueItemError: Another report of this id is in the queue, or somebody else has been
                putting one for 30 s.
        """
        names.check_priority(priority)
        if item_id is not None:
            names.check_id(item_id)
        document, raw, is_new_id = document_of(report)
        unique = item_id
        if item_id is None:
            own = document["id"]
            item_id = own if names.flaw_of_id(own) is None else str(uuid.uuid4())
            if item_id == own and not is_new_id:
                unique = own
        group = names.UNKNOWN_GROUP
        if self._group_of is not None:
            group = names.group_token(self._group_of(document))
        self._order.agree(only_putting=True)
        sequence = self._store.next_sequence(self._clock())
        name = names.waiting_name(priority, sequence, group, item_id)
        room: AbstractContextManager[None] = nullcontext()
        if self._capacity.is_limited:
            raw = off_hub(lambda: encode(document)) if raw is None else raw
            room = self._capacity.room_for(name, len(raw))
        with room:
            is_new = self._store.put(name, document, raw, unique, is_new_id=is_new_id)
        if is_new:
            self._view.add_own(WaitingItem(name, item_id, priority, sequence), group)
        return item_id

    def claim(self, *, probe: bool = False, alone: bool = True) -> FolderClaim | None:
        """Take the next item that is due; None: none is. The file is renamed, not read.

        Args:
            probe: Whether it will probe the server: items that have not failed come first, then
                the one that failed longest ago.
            alone: Whether nothing else is being sent, so that it may be one whose sending ended
                with its process. Those come last.

        Returns:
            The claim; it lasts until one of its ends is called, or `close`.

        Raises:
            QueueOrderError: The folder is used with another `order_by`.
            QueueFolderError: The folder is gone or not writable.
        """
        self._view.refresh()
        self._order.agree(is_kept=self._view.has_order)
        return self._claims.take(probe=probe, alone=alone)

    def due_in(self) -> float | None:
        """Return the seconds until the next item is due; 0: now; None: nothing is waiting.

        If only items of busy groups are waiting, it is the time after which to ask again.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        if not self._view.schedule:
            return None
        due = self._view.next_due()
        return self._view.idle_pause if due is None else due

    def has_untried(self) -> bool:
        """Return whether an item is due that has not failed.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        return self._view.has_untried()

    def refusal(self) -> str | None:
        """Return why none of what waits can be claimed. None: some may be, or nothing waits."""
        refusal = self._view.schedule.refusal()
        return None if refusal is None else f"no report here can be claimed ({refusal})"

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

    def elsewhere(self) -> Elsewhere:
        """Return how many items others have claimed, and who: other processes, and upstream.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        return self._view.elsewhere

    def oldest_age(self) -> float | None:
        """Return for how many seconds the oldest item has been waiting; None: none is waiting.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._view.refresh()
        oldest = self._view.schedule.oldest()
        return None if oldest is None else max(0.0, self._clock() - oldest / 1e6)

    def refresh(self) -> None:
        """Scan the folder now. The queue does so by itself about every `scan_interval`.

        First the ends of claims are carried out whose files another program held; so does `claim`.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        self._claims.end_late()
        self._view.refresh(force=True)

    def recall(self) -> DrainState | None:
        """Return what the processors of this folder had it keep. None: nothing."""
        return self._state_file.read()

    def remember(self, state: DrainState | None) -> None:
        """Keep this on disk for the processors of the folder. None: forget it."""
        self._state_file.write(state)

    def last_closure(self) -> LastClosure | None:
        """Return why nothing was being sent when last drained. None: nothing prevented it."""
        return self._state_file.last_closure()

    def close(self) -> None:
        """Put back every claim, and remove the owner's files. The queue may be used again."""
        self._claims.close()


def _grouping(order_by: OrderBy) -> Grouping | None:
    """Return the function that tells the group of a report; None: there are no groups."""
    if isinstance(order_by, str):
        field = order_by
        return lambda document: document.get(field)
    return order_by
