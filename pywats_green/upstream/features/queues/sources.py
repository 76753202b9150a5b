"""Upstream's `MemoryQueue`, and the `PersistentQueue` derived from it, as a source of reports."""

from __future__ import annotations

import copy
import errno
import heapq
import os
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent

from pywats_green.exceptions import ArgumentTypeError, QueueFolderError
from pywats_green.queue.source import DrainState, Elsewhere, QueueCounts, Source

# Where an item keeps the id of a report that came without one, so that all attempts share it.
_REPORT_ID = "pywats_green_report_id"


def source_of(source: Any) -> tuple[Source, bool]:
    """Return the queue to drain, and whether it was opened here and must be closed.

    Args:
        source: A folder, a `Source`, or one of upstream's queues.

    Raises:
        ArgumentTypeError: It is none of these.
        QueueFolderError: There is no such folder, or it cannot be used as a queue.
    """
    if isinstance(source, (str, os.PathLike)):
        # Imported here, so that draining another kind of queue does not load it.
        from pywats_green.queue.folder.queue import FolderQueue  # noqa: PLC0415
        from pywats_green.queue.held_files import patiently  # noqa: PLC0415

        if not patiently(Path(source).exists):  # whoever mistypes it wants no new one
            error = QueueFolderError(
                f"There is no queue folder {os.fspath(source)!r}: name an existing one, or create "
                f"it with FolderQueue({os.fspath(source)!r})"
            )
            error.errno = errno.ENOENT
            raise error
        return FolderQueue(source), True
    if is_upstream_queue(source):
        return UpstreamSource(source), True
    missing = [name for name in vars(Source) if name[0] != "_" and not hasattr(source, name)]
    if missing:
        raise ArgumentTypeError(
            f"source must be a folder, a FolderQueue, or another queue, not {source!r}: "
            f"it has no {missing[0]}()"
        )
    return source, False


def is_upstream_queue(source: object) -> bool:
    """Return whether an object is one of upstream's queues, without importing any.

    `pywats_client` needs a GUI toolkit, so its PersistentQueue is known by its base class.
    """
    return any(
        kind.__module__.startswith("pywats.queue") and kind.__name__ == "MemoryQueue"
        for kind in type(source).__mro__
    )


class UpstreamSource:
    """Adapts upstream's queues to `Source`, and works around their defects.

    Every change of state is passed to `update` as a copy: it compares with the stored item, so if
    given that very item, a `PersistentQueue` sees no change and renames no file. Items that
    `retry_failed` made pending without queueing them are found as well. A PersistentQueue writes
    in the threadpool.

    Delivered items become completed; quarantined ones failed, with the reason as `last_error`.

    Args:
        queue: A `MemoryQueue`, or a queue derived from it.
        timer: Seconds, monotonic.
        clock: The local time, as upstream takes it.
    """

    def __init__(
        self,
        queue: Any,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._queue = queue
        self._timer = timer
        self._clock = clock
        self._claims: dict[str, UpstreamClaim] = {}
        self._due: dict[str, float] = {}
        self.failed: dict[str, int | None] = {}  # the receipts at the failure; the oldest first
        self._state: DrainState | None = None
        self._delayed: list[tuple[float, str]] = []

    def claim(self, *, probe: bool = False, alone: bool = True) -> UpstreamClaim | None:  # noqa: ARG002
        """Take the next item that is due; None: none is.

        Args:
            probe: Whether items that have not failed come first, then the one that failed longest
                ago.
            alone: Ignored: here it is not known which item ended a process.
        """
        self._offer_due()
        item = self._next_probe() if probe else self._next()
        if item is None:
            return None
        fresh = copy.copy(item)
        if isinstance(fresh.data, dict) and not fresh.data.get("id"):
            fresh.metadata = {_REPORT_ID: str(uuid.uuid4()), **fresh.metadata}
        fresh.mark_processing()
        claim = self._claims[item.id] = UpstreamClaim(self, fresh, item)
        try:
            self.record(fresh)
        except BaseException:
            claim.release()
            raise
        return claim

    def due_in(self) -> float | None:
        """Return the seconds until the next item is due; 0: now; None: nothing is waiting."""
        pending = [item.id for item in self._queue.list_pending()]
        if not pending:
            return None
        now = self._timer()
        return max(0.0, min(self._due.get(item_id, now) - now for item_id in pending))

    def has_untried(self) -> bool:
        """Return whether an item is due that has not failed."""
        pending = self._queue.list_pending()
        return any(self._is_free(item.id) and item.id not in self.failed for item in pending)

    def refusal(self) -> str | None:
        """Return None: upstream's queues refuse nothing."""
        return None

    def counts(self) -> QueueCounts:
        """Return how many items there are."""
        return {
            "waiting": self._queue.count_pending(),
            "in_flight": len(self._claims),
            "quarantined": self._queue.count_failed(),
        }

    def elsewhere(self) -> Elsewhere:
        """Return that nobody else has any: upstream's queues live in this process."""
        return Elsewhere()

    def oldest_age(self) -> float | None:
        """Return how many seconds the oldest item has been waiting. None: none is waiting."""
        born = [item.created_at for item in self._queue.list_pending()]
        return max(0.0, (self._clock() - min(born)).total_seconds()) if born else None

    def recall(self) -> DrainState | None:
        """Return what was kept, in this process."""
        return self._state

    def remember(self, state: DrainState | None) -> None:
        """Keep this in memory: upstream's queues have no place for it."""
        self._state = state

    def close(self) -> None:
        """Put claimed items and those waiting for a retry back where upstream finds them."""
        for claim in list(self._claims.values()):
            claim.release()
        for item_id in self._due:
            self._offer(item_id)

    def record(self, item: Any) -> None:
        """Store an item in its new state; on disk, too, if the queue is persistent."""
        stored = self._queue.get(item.id)
        if stored is None:
            return  # removed meanwhile by the owner of the queue
        to_disk = getattr(self._queue, "_update_item_on_disk", None)
        if to_disk is None:
            self._queue.update(item)
            return
        # The two halves of PersistentQueue.update: memory under its lock, disk in the threadpool.
        _memory(self._queue).update(self._queue, item)
        gevent.get_hub().threadpool.apply(to_disk, (item, stored.status))

    def end(self, claim: UpstreamClaim, delay: float | None = None) -> None:
        """Record the end of a claim.

        Args:
            claim: The claim, its item already in the new state.
            delay: Seconds until the item is due again. None: at once, or never.
        """
        item = claim.item
        if delay:
            self._due[item.id] = due = self._timer() + delay
            heapq.heappush(self._delayed, (due, item.id))
        try:
            self.record(item)
        finally:
            self._claims.pop(item.id, None)

    def _next(self) -> Any | None:
        while (item := self._queue.get_next()) is not None:
            if self._is_free(item.id):
                return item
        # Upstream does not queue what `retry_failed` made pending.
        return next((item for item in self._queue.list_pending() if self._is_free(item.id)), None)

    def _next_probe(self) -> Any | None:
        """Return an item that has not failed, else the one that failed longest ago."""
        failed = {item_id: place for place, item_id in enumerate(self.failed, start=1)}
        free = [item for item in self._queue.list_pending() if self._is_free(item.id)]
        return min(
            free,
            key=lambda item: (failed.get(item.id, 0), item.priority, item.created_at),
            default=None,
        )

    def _is_free(self, item_id: str) -> bool:
        return item_id not in self._due and item_id not in self._claims

    def _offer_due(self) -> None:
        now = self._timer()
        while self._delayed and self._delayed[0][0] <= now:
            due, item_id = heapq.heappop(self._delayed)
            if self._due.get(item_id) == due:
                del self._due[item_id]
                self._offer(item_id)

    def _offer(self, item_id: str) -> None:
        """Put a pending item back on upstream's heap, from which `get_next` took it."""
        item = self._queue.get(item_id)
        if item is not None and item.is_pending:
            _memory(self._queue).update(self._queue, item)


class UpstreamClaim:
    """An item taken for sending.

    Attributes:
        item_id: The item's id.
        attempts: Attempts counted so far.
        failed_at: The receipts at its last failure; see `Claim`.
        last_error: The error of the last attempt; None: there is none.
        killed: 0; upstream does not note it.
        group: None; upstream has no groups.
        item: A copy of upstream's item, in the state to be recorded.
    """

    group: str | None = None
    killed = 0

    def __init__(self, source: UpstreamSource, item: Any, waiting: Any) -> None:
        self._source = source
        self.item = item
        self.item_id: str = item.id
        self.attempts: int = waiting.attempts
        self.failed_at = source.failed.get(item.id)
        self.last_error: str | None = waiting.last_error

    def load(self) -> Any:
        """Return the queued object; a dict without an id is copied and given one."""
        data = self.item.data
        if isinstance(data, dict) and not data.get("id"):
            return {**data, "id": self.item.metadata[_REPORT_ID]}
        return data

    def delivered(self) -> None:
        """Mark it completed."""
        self.item = copy.copy(self.item)
        self.item.mark_completed()
        self._source.failed.pop(self.item_id, None)
        self._source.end(self)

    def retry(self, error: str, delay: float) -> None:
        """Count the attempt and make it pending again, due in `delay` seconds."""
        self.item = copy.copy(self.item)
        self.item.last_error = error
        self.item.reset_to_pending()
        self._source.failed.pop(self.item_id, None)
        self._source.end(self, delay)

    def postpone(
        self,
        error: str,
        delay: float,
        attempts: int,
        failed_at: int | None,
        *,
        killed: bool = False,  # noqa: ARG002
    ) -> None:
        """Make it pending again after a failure that may be the server's."""
        self.item = copy.copy(self.item)
        self.item.last_error = error
        self.item.attempts = attempts
        self.item.reset_to_pending()
        self._source.failed.pop(self.item_id, None)  # to the end
        self._source.failed[self.item_id] = failed_at
        self._source.end(self, delay)

    def quarantine(self, reason: str, attempts: int | None = None) -> None:
        """Mark it failed, with the reason; None: count one more attempt."""
        self.item = copy.copy(self.item)
        if attempts is not None:
            self.item.attempts = attempts
        self.item.mark_failed(reason)
        self._source.failed.pop(self.item_id, None)
        self._source.end(self)

    def release(self) -> None:
        """Make it pending again; the attempt does not count."""
        self.item = copy.copy(self.item)
        self.item.attempts = self.attempts
        self.item.reset_to_pending()
        self._source.end(self)


def _memory(queue: Any) -> Any:
    """Return upstream's `MemoryQueue` itself."""
    return next(kind for kind in type(queue).__mro__ if kind.__name__ == "MemoryQueue")
