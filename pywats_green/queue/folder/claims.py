"""The claims of one owner: how they begin, and what their ends do to the folder and the view."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from pywats_green.exceptions import UnreadableReportError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import Document
from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.files import folder_error
from pywats_green.queue.folder.group import Grouping
from pywats_green.queue.folder.meta import Meta, read_meta
from pywats_green.queue.folder.owner import Owner
from pywats_green.queue.folder.schedule import Entry
from pywats_green.queue.folder.store import Store
from pywats_green.queue.folder.view import View

logger = logging.getLogger(__name__)

# What could not be renamed just now (a virus scanner has it open) is tried again after this.
_TRY_AGAIN = 1.0


class Claims:
    """Takes claims, and carries out their ends.

    But for reading a body nothing here waits or switches: a greenlet is killed before or after a
    change of state, never in the middle of one.

    Args:
        store: The folder.
        view: What waits in it.
        group_of: Tells the group of a report. None: there are no groups.
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
        self._unfinished: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._open)

    def take(self) -> FolderClaim | None:
        """Claim the next item that is due; None: none is.

        Raises:
            QueueFolderError: The folder must not be written.
        """
        self._leave_to_parent()
        self._try_again()
        if self._owner is not None:
            self._owner.beat()
        while (entry := self._view.schedule.take(self._timer())) is not None:
            claim = self._claim(entry)
            if claim is not None and self._may_go(claim):
                return claim
        return None

    def close(self) -> None:
        """Give back all claims, and end the owner."""
        self._leave_to_parent()
        for claim in list(self._open.values()):
            claim.release()
        self._try_again()
        owner, self._owner, self._view.owner = self._owner, None, None
        if owner is not None:
            owner.close()

    def read(self, claim: FolderClaim) -> Document:
        """Read the claimed file, after giving it an id if it has none."""
        return self._store.read(claim.claimed_name)

    def finish(self, claim: FolderClaim) -> None:
        """Remove the claimed file."""
        self._forget(claim)
        self._end(claim, lambda: self._store.finish(claim.claimed_name, claim.entry))
        self._view.schedule.let_go(claim.group, claim.claimed_name)

    def put_back(self, claim: FolderClaim, meta: Meta | None) -> None:
        """Return the file to waiting; None: with its side-car as it is."""
        entry = claim.entry
        self._forget(claim)
        if meta is not None:
            entry.due_at = meta.due_at = self._clock() + meta.delay
            entry.due = self._timer() + meta.delay if meta.delay else 0.0
            entry.has_meta = True
            self._store.write_meta(entry, meta)

        def rename() -> None:
            self._store.put_back(claim.claimed_name, entry)
            self._view.touch(entry.name)
            self._view.schedule.add(entry)

        self._end(claim, rename)
        self._view.schedule.let_go(claim.group, claim.claimed_name)

    def set_aside(self, claim: FolderClaim, reason: str) -> None:
        """Move the file to quarantine."""
        self._forget(claim)

        def move() -> None:
            self._store.set_aside(claim.claimed_name, claim.entry, claim.meta, reason)
            self._view.quarantined += 1

        self._end(claim, move)
        self._view.schedule.let_go(claim.group, claim.claimed_name)

    def _claim(self, entry: Entry) -> FolderClaim | None:
        """Rename the file; None: another has it, or it is not due after all."""
        owner = self._own(entry)
        self._view.touch(entry.name)
        try:
            claimed = self._store.claim(entry, owner.owner_id)
        except FileNotFoundError:
            self._view.doubt(entry)
            return None
        except OSError as error:
            self._view.schedule.add(entry)
            if not os.access(self._store.folder, os.W_OK):
                raise folder_error("claim a report", self._store.folder, error) from error
            logger.warning("Cannot claim %s just now: %s", entry.name, error)
            entry.due = self._timer() + _TRY_AGAIN
            self._view.schedule.add(entry)
            return None
        found = read_meta(self._store.folder / names.meta_name(entry.name))
        entry.has_meta = found is not None
        meta = found or Meta()
        claim = FolderClaim(self, entry, claimed, meta)
        self._open[claimed] = claim
        self._view.schedule.hold(entry.group, claimed)
        if meta.due_at != entry.due_at:  # another owner had it, and put it off
            entry.due_at, wait = meta.due_at, meta.wait(self._clock())
            if wait:
                entry.due = self._timer() + wait
                claim.release()
                return None
        return claim

    def _own(self, entry: Entry) -> Owner:
        if self._owner is None:
            try:
                self._owner = Owner(self._store.folder, self._lease, self._timer)
            except BaseException:
                self._view.schedule.add(entry)
                raise
            self._view.owner = self._owner.owner_id
        return self._owner

    def _may_go(self, claim: FolderClaim) -> bool:
        """Find out the group of a report that was not put in here; give it back if that is busy."""
        entry = claim.entry
        if self._group_of is None or entry.knows_group:
            return True
        try:
            entry.group = self._look_up_group(claim, self._group_of)
            entry.knows_group = True
        except BaseException:
            claim.release()
            raise
        if entry.group is None:
            return True
        claim.group = entry.group
        if self._view.schedule.join(entry):
            self._view.schedule.hold(entry.group, claim.claimed_name)
            return True
        claim.release()
        return False

    def _look_up_group(self, claim: FolderClaim, group_of: Grouping) -> str | None:
        try:
            document = self.read(claim)
        except (UnreadableReportError, OSError):
            return None  # whoever loads it will learn of it
        claim.document = document
        try:
            group = group_of(document)
        except Exception:
            logger.exception("order_by failed on %s, which goes without a group", entry_of(claim))
            return None
        return None if group is None else names.group_token(group)

    def _forget(self, claim: FolderClaim) -> None:
        self._open.pop(claim.claimed_name, None)
        self._view.touch(claim.entry.name)

    def _end(self, claim: FolderClaim, change: Callable[[], None]) -> None:
        """Carry out an end; where the system will not have it now, try again later.

        Until then the file stays claimed, so nobody sends it.
        """
        try:
            change()
        except FileNotFoundError:
            logger.warning("Was taken from its owner: %s", entry_of(claim))
        except OSError as error:
            logger.warning("Stays claimed for now: %s: %s", entry_of(claim), error)
            self._unfinished.append(lambda: self._end(claim, change))

    def _leave_to_parent(self) -> None:
        """In a forked child drop what was copied: it is the parent's still."""
        if self._owner is not None and self._owner.is_inherited:
            self._owner.close()
            self._owner = self._view.owner = None
            self._open.clear()
            self._unfinished.clear()

    def _try_again(self) -> None:
        unfinished, self._unfinished = self._unfinished, []
        for end in unfinished:
            end()


def entry_of(claim: FolderClaim) -> str:
    """Return the name of the waiting file of a claim."""
    return claim.entry.name
