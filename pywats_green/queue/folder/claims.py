"""The claims of one owner: how they begin, and what their ends do to folder and view."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TypeAlias

from pywats_green.exceptions import UnreadableReportError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import Document
from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.files import folder_error
from pywats_green.queue.folder.meta import Meta
from pywats_green.queue.folder.owners import Owner
from pywats_green.queue.folder.schedule import WaitingItem
from pywats_green.queue.folder.store import Store
from pywats_green.queue.folder.view import View

logger = logging.getLogger(__name__)

Grouping: TypeAlias = "Callable[[Document], object]"

# Seconds until a file that cannot be renamed (a virus scanner has it open) is tried again.
_TRY_AGAIN = 1.0


class Claims:
    """Claims items, and carries out the ends of claims.

    Greenlets switch only while a report is read, and while a file is waited for that another
    program holds. A greenlet killed then leaves a claim that is still to be ended.

    Args:
        store: The folder.
        view: What is waiting in it.
        group_of: Returns the group of a report. None: there are no groups.
        lease: Seconds; see `Owner`.
        timer: Seconds, monotonic.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        view: View,
        group_of: Grouping | None,
        *,
        lease: float,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._view = view
        self._group_of = group_of
        self._lease = lease
        self._timer = timer
        self._clock = clock
        self._owner: Owner | None = None
        self._open: dict[str, FolderClaim] = {}
        self._unfinished: list[tuple[FolderClaim, Callable[[], None]]] = []
        self._failed_when = 0.0

    def __len__(self) -> int:
        return len(self._open) + len(self._unfinished)

    def take(self, *, probe: bool = False, alone: bool = True) -> FolderClaim | None:
        """Claim the next item that is due; None: none is.

        Args:
            probe: Whether items that have not failed come first.
            alone: Whether it may be one whose sending ended with its process.

        Raises:
            QueueFolderError: The folder is not writable.
        """
        self._leave_to_parent()
        self._end_late(1)  # each may take two seconds
        if self._owner is not None:
            self._owner.beat()
        schedule = self._view.schedule
        while (item := schedule.take(self._timer(), probe=probe, alone=alone)) is not None:
            was_untried = not item.failed_when
            claim = self._claim(item, alone)
            if claim is None:
                continue
            if probe and was_untried and item.failed_when and self._view.has_untried():
                claim.release()  # another owner has tried it meanwhile
            elif self._may_go(claim):
                return claim
        return None

    def end_late(self) -> None:
        """Carry out the ends that the system refused before."""
        self._leave_to_parent()
        self._end_late(len(self._unfinished))

    def close(self) -> None:
        """Put back all claims, and end the owner."""
        self._leave_to_parent()
        for claim in list(self._open.values()):
            claim.release()
        self.end_late()
        refused = [claim for claim, _ in self._unfinished if claim.reason is not None]
        self._unfinished = [late for late in self._unfinished if late[0].reason is None]
        for claim in refused:  # the disk is full: the next owner gets it refused again
            self.put_back(claim, claim.meta)
        owner, self._owner, self._view.owner = self._owner, None, None
        if owner is not None:
            owner.close()

    def read(self, claim: FolderClaim) -> Document:
        """Read the claimed file; a report without an id gets one."""
        return self._store.read(claim.claimed_name)

    def finish(self, claim: FolderClaim) -> None:
        """Remove the claimed file."""
        self._forget(claim)
        self._end(claim, lambda: self._store.finish(claim.claimed_name, claim.item))

    def put_back(self, claim: FolderClaim, meta: Meta | None, *, has_failed: bool = False) -> None:
        """Put the file back to waiting, with new metadata; None: with the old."""
        item = claim.item
        self._forget(claim)
        if meta is not None:
            if has_failed:
                # Grows even if the clock jumps.
                self._failed_when = max(self._failed_when + 1e-6, self._clock())
                item.failed_when = meta.failed_when = self._failed_when
            item.due_at = meta.due_at = self._clock() + meta.delay
            item.due = self._timer() + meta.delay if meta.delay else 0.0
            item.killed = meta.killed > 0
            item.has_meta = True

        def change() -> None:
            self._store.put_back(claim.claimed_name, item, meta)
            self._view.touch(item.name)
            self._view.schedule.add(item)

        self._end(claim, change)

    def set_aside(self, claim: FolderClaim, reason: str) -> None:
        """Move the file to quarantine; while there is no room for the reason, it stays claimed."""
        self._forget(claim)
        claim.reason = reason

        def move() -> None:
            self._store.set_aside(claim.claimed_name, claim.item, claim.meta, reason)
            self._view.quarantined += 1

        self._end(claim, move)

    def _claim(self, item: WaitingItem, alone: bool) -> FolderClaim | None:
        """Rename the file; None: another owner has it, or it is not due after all."""
        owner = self._own(item)
        self._view.touch(item.name)
        try:
            claimed = self._store.claim(item, owner.owner_id)
        except FileNotFoundError:
            self._view.doubt(item)
            return None
        except OSError as error:
            self._view.schedule.add(item)
            if not os.access(self._store.folder, os.W_OK):
                raise folder_error("claim a report", self._store.folder, error) from error
            self._later(item, error)
            self._view.schedule.add(item)
            return None
        try:
            found = self._store.claim_meta(item, owner.owner_id)
        except OSError as error:
            self._later(item, error)
            self.put_back(FolderClaim(self, item, claimed, Meta()), None)
            return None
        item.refusal = None
        item.has_meta = found is not None
        meta = found or Meta()
        item.failed_when = meta.failed_when
        item.killed = meta.killed > 0
        claim = FolderClaim(self, item, claimed, meta)
        self._open[claimed] = claim
        self._view.schedule.hold(item.group, claimed)
        if meta.due_at != item.due_at:  # another owner had it and delayed it
            item.due_at, wait = meta.due_at, meta.wait(self._clock())
            if wait:
                item.due = self._timer() + wait
                claim.release()
                return None
        if item.killed and not alone:  # another owner died with it just now
            claim.release()
            return None
        return claim

    def _later(self, item: WaitingItem, error: OSError) -> None:
        if item.refusal is None:  # once, not once a second
            logger.warning("Cannot claim %s just now: %s", item.name, error)
        item.refusal = str(error)
        item.due = self._timer() + _TRY_AGAIN

    def _own(self, item: WaitingItem) -> Owner:
        if self._owner is None:
            try:
                self._owner = Owner(self._store.folder, self._lease, self._timer)
            except BaseException:
                self._view.schedule.add(item)
                raise
            self._view.owner = self._owner.owner_id
        return self._owner

    def _may_go(self, claim: FolderClaim) -> bool:
        """Determine the group of a report that was not put here; release it if that is busy."""
        item = claim.item
        if self._group_of is None or item.knows_group:
            return True
        try:
            item.group = self._look_up_group(claim, self._group_of)
            item.knows_group = claim.document is not None
        except BaseException:
            claim.release()
            raise
        if item.group is None:
            return True
        claim.group = item.group
        if self._view.schedule.join(item):
            self._view.schedule.hold(item.group, claim.claimed_name)
            return True
        claim.release()
        return False

    def _look_up_group(self, claim: FolderClaim, group_of: Grouping) -> str | None:
        try:
            document = self.read(claim)
        except (UnreadableReportError, OSError):
            return None  # whoever loads it will see the error
        claim.document = document
        try:
            group = group_of(document)
        except Exception:
            logger.exception("order_by failed on %s, which goes without a group", claim.item.name)
            return None
        return None if group is None else names.group_token(group)

    def _forget(self, claim: FolderClaim) -> None:
        self._open.pop(claim.claimed_name, None)
        self._view.touch(claim.item.name)

    def _end(self, claim: FolderClaim, change: Callable[[], None]) -> None:
        """Carry out an end; if the system refuses it now, try again later.

        Until then the file stays claimed, so nobody sends it, nor another of its group.
        """
        try:
            change()
        except FileNotFoundError:
            logger.warning("Was taken from its owner: %s", claim.item.name)
        except OSError as error:
            if not claim.is_late:
                claim.is_late = True
                logger.warning("Stays claimed for now: %s: %s", claim.item.name, error)
            self._unfinished.append((claim, change))
            return
        except BaseException:  # killed while another program held the file
            self._unfinished.append((claim, change))
            raise
        self._view.schedule.let_go(claim.group, claim.claimed_name)

    def _leave_to_parent(self) -> None:
        """In a forked child, drop the copied claims: they still belong to the parent."""
        if self._owner is not None and self._owner.is_inherited:
            self._owner.close()
            self._owner = self._view.owner = None
            self._open.clear()
            self._unfinished.clear()

    def _end_late(self, count: int) -> None:
        for _ in range(min(count, len(self._unfinished))):
            self._end(*self._unfinished.pop(0))  # which notes it again if it fails
