"""Changes the state of reports on disk, by one atomic rename each."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from datetime import datetime, timezone
from pathlib import Path

from pywats_green.exceptions import QueueItemError, UnfinishedReportError, UnreadableReportError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import Document, encode, is_without_id, lasting_id, read
from pywats_green.queue.folder.files import (
    FULL,
    Draft,
    folder_error,
    move_new,
    off_hub,
    remove,
    remove_patiently,
    sync_folder,
    write_small,
)
from pywats_green.queue.folder.ids import Ids
from pywats_green.queue.folder.meta import Meta, read_meta, write_meta
from pywats_green.queue.folder.owners import make_shared
from pywats_green.queue.folder.scan import QUARANTINE
from pywats_green.queue.folder.schedule import WaitingItem
from pywats_green.queue.held_files import patiently

logger = logging.getLogger(__name__)

# Seconds for which a file that upstream or another program writes in its place may be unfinished.
_YOUNG = 60.0


class Store:
    """A queue's folder on disk. It knows nothing of what is in memory.

    Args:
        folder: The folder; it is created if it is missing.

    Raises:
        QueueFolderError: It cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.latest = 0
        self.ids = Ids(folder)
        try:
            patiently(lambda: folder.mkdir(parents=True, exist_ok=True))
        except OSError as error:
            raise folder_error("work", folder, error) from error

    def next_sequence(self, now: float) -> int:
        """Return microseconds since the epoch, increasing even if the clock jumps.

        When something last came into the folder says how far others are, without a scan.
        """
        with contextlib.suppress(OSError):  # whoever writes there next will see the error
            now = max(now, self.folder.stat().st_mtime)
        self.latest = max(self.latest + 1, int(now * 1e6))
        return self.latest

    def put(
        self,
        name: str,
        document: Document,
        raw: bytes | None = None,
        item_id: str | None = None,
        *,
        is_new_id: bool = False,
    ) -> bool:
        """Write a waiting report; when this returns, the file and its name are on disk.

        Args:
            name: Its waiting name.
            document: The report.
            raw: Its JSON. None: the document is encoded.
            item_id: Its id, which must not be in the queue. None: nobody else can have it.
            is_new_id: Whether the id in the report is not to be compared, because it is new.

        Returns:
            Whether it is new; otherwise this very report is in the queue already.

        Raises:
            QueueFolderError: It could not be written; nothing of it is left.
            InvalidArgumentError: JSON cannot express it; nothing of it is left.
            QueueItemError: Another report of that id is in the queue.
        """
        try:
            return self._put(name, document, raw, item_id, is_new_id)
        except OSError as error:
            raise folder_error("write a report", self.folder, error) from error

    def _put(
        self, name: str, document: Document, raw: bytes | None, item_id: str | None, is_new_id: bool
    ) -> bool:
        target, draft = self.folder / name, Draft(self.folder, name)
        is_new, noted = False, list[str]()

        def write() -> bytes | None:
            data = encode(document) if raw is None else raw
            if item_id is not None:
                told = encode({**document, "id": None}) if is_new_id else data
                if not self.ids.note(item_id, name, told):
                    return None
                noted.append(item_id)
            draft.write(data)
            return data

        with self.ids.locked(item_id) as run:
            try:
                data = run(write)
                try:
                    # Not in the thread: if the greenlet was killed meanwhile, it must not happen.
                    if data is not None:
                        move_new(draft.path, target)
                        is_new = True
                except FileExistsError:  # another put one of this id in the same microsecond
                    if patiently(target.read_bytes) != data:
                        raise QueueItemError(f"another report of this id was put: {name}") from None
                    draft.drop()
                off_hub(lambda: sync_folder(self.folder))  # for another's report, too
            except BaseException:  # undone before anybody else may look, and rely on it
                draft.drop()
                if is_new:
                    remove_patiently(target)
                for each in noted:
                    self.ids.forget(each, name)
                raise
        return data is not None

    def claim(self, item: WaitingItem, owner: str) -> str:
        """Rename a waiting report for its owner, without its sidecar; return the new name.

        Raises:
            FileNotFoundError: Another has it.
            OSError: It could not be renamed at the moment.
        """
        if names.is_too_long(item.name):
            old, item.item_id = item.name, names.short_id(item.item_id)
            item.name = self._own_name(item)
            (self.folder / old).rename(self.folder / item.name)
            meta, new_meta = (self.folder / names.meta_name(name) for name in (old, item.name))
            with contextlib.suppress(OSError):
                meta.rename(new_meta)
        claimed = names.claimed_name(item.name, owner)
        (self.folder / item.name).rename(self.folder / claimed)
        return claimed

    def claim_meta(self, item: WaitingItem, owner: str) -> Meta | None:
        """Take over the sidecar of a claimed report; None: it has none.

        Raises:
            OSError: It is held at the moment.
        """
        path = self.folder / names.claim_meta_name(item.name, owner)
        try:
            (self.folder / names.meta_name(item.name)).rename(path)
        except FileNotFoundError:
            return None
        return read_meta(path)

    def read(self, claimed: str) -> Document:
        """Read a claimed report; one without an id gets one, on disk before it is ever sent.

        Where the disk is full it gets the same one at each attempt, from name, time and content.

        Raises:
            UnreadableReportError: It contains nothing that could be sent; UnfinishedReportError, if
                it may still be being written. The message has its waiting name.
            OSError: It could not be read or written.
        """
        path = self.folder / claimed
        waiting, _ = names.read_claimed(claimed) or (claimed, "")
        try:
            document = read(path)
        except UnreadableReportError as error:
            parsed = names.read_waiting(waiting)
            age = time.time() - patiently(path.lstat).st_mtime
            is_young = parsed and not parsed.is_own and abs(age) < _YOUNG
            kind = UnfinishedReportError if is_young else UnreadableReportError
            raise kind(f"{waiting}: {error}") from error
        if is_without_id(document):
            document["id"] = lasting_id(waiting, patiently(path.stat).st_mtime_ns, document)
            self._rewrite(path, document)
        return document

    def _rewrite(self, path: Path, document: Document) -> None:
        draft = Draft(self.folder)
        try:
            off_hub(lambda: draft.write(encode(document)))
            path.lstat()  # recovered by another meanwhile: it must not exist twice
            patiently(lambda: draft.path.replace(path))
            off_hub(lambda: sync_folder(self.folder))
        except OSError as error:
            if error.errno not in FULL:
                raise
            logger.warning("The disk is full, so the id of %s is not on it: %s", path.name, error)
        finally:
            draft.drop()

    def finish(self, claimed: str, item: WaitingItem) -> None:
        """Remove a delivered report, or at least make sure that it is never sent again.

        Raises:
            OSError: Neither was possible.
        """
        path = self.folder / claimed
        waiting = item.name
        try:
            patiently(path.unlink)
        except FileNotFoundError:
            # We were taken for dead. If nobody else has it yet, it need not be sent again.
            if (name := names.read_waiting(waiting)) and name.is_own:
                remove_patiently(self.folder / waiting)
                remove_patiently(self.folder / names.meta_name(waiting))
        except OSError as error:
            patiently(lambda: path.rename(self.folder / (waiting + names.SENT)))
            logger.warning("Delivered, but cannot be removed, so renamed: %s (%s)", waiting, error)
        if item.has_meta:
            remove_patiently(self._claim_meta(claimed))
        self.ids.forget(item.item_id, waiting)

    def put_back(self, claimed: str, item: WaitingItem, meta: Meta | None) -> None:
        """Put a claimed report back to waiting, under a new name if its own is taken.

        Args:
            claimed: The claimed name.
            item: The item; it gets the name.
            meta: What its sidecar is to hold. None: what it held.

        Raises:
            FileNotFoundError: It was taken from us.
            OSError: It could not be renamed just now.
        """
        item.name = patiently(lambda: self._return(claimed, item, meta))

    def take_back(self, name: str, waiting: str, *, died_at: float | None = None) -> None:
        """Return a report of a dead owner or of upstream to waiting; one try.

        Args:
            name: Its name.
            waiting: Its waiting name.
            died_at: When its owner was found dead, in seconds since the epoch, which counts as an
                attempt. None: it was not.

        Raises:
            FileNotFoundError: Another has returned it.
            OSError: It could not be renamed just now.
        """
        parsed = names.read_waiting(waiting) or names.WaitingName(waiting, waiting)
        priority = parsed.priority or names.DEFAULT_PRIORITY
        sequence = parsed.sequence or int(time.time() * 1e6)
        item = WaitingItem(waiting, parsed.item_id, priority, sequence)
        meta = None
        if died_at is not None:
            meta = self._meta_of(name, waiting)
            meta.attempts += 1
            meta.killed += 1
            meta.failed_when = died_at
            meta.last_error = "the process that was sending it died"
            if parsed.priority is None and meta.priority is not None:
                item.priority = meta.priority
        self._return(name, item, meta)

    def _meta_of(self, claimed: str, waiting: str) -> Meta:
        beside = read_meta(self._claim_meta(claimed))
        if beside is None and not (self.folder / waiting).exists():
            beside = read_meta(self.folder / names.meta_name(waiting))
        return beside or Meta()

    def _return(self, claimed: str, item: WaitingItem, meta: Meta | None) -> str:
        """Rename the sidecar, then the report, so that none waits without its own."""
        path, beside = self.folder / claimed, self._claim_meta(claimed)
        name = self._free_name(path, item)
        target = self.folder / names.meta_name(name)
        if meta is not None:
            try:
                write_meta(target, item.item_id, item.priority, meta)
            except OSError as error:  # which must not keep the report
                logger.warning("An attempt was not counted for %s: %s", name, error)
        elif not target.exists():  # else this was killed, or refused, between the two
            with contextlib.suppress(FileNotFoundError):
                beside.rename(target)
        path.rename(self.folder / name)
        if meta is not None:
            remove(beside)
        return name

    def _free_name(self, path: Path, item: WaitingItem) -> str:
        """Return the waiting name of an item, or a new one if that is taken.

        Raises:
            FileNotFoundError: The file itself is gone.
        """
        path.lstat()
        taken = (self.folder / item.name).exists()  # upstream wrote another report of this id
        return self._own_name(item) if taken else item.name

    def _claim_meta(self, claimed: str) -> Path:
        claim = names.read_claimed(claimed)
        name = names.claim_meta_name(*claim) if claim else names.meta_name(claimed)
        return self.folder / name

    def set_aside(self, claimed: str, item: WaitingItem, meta: Meta, reason: str) -> None:
        """Move a claimed report to quarantine.

        The reason is written first, so no report is in quarantine without one.

        Raises:
            FileNotFoundError: It was taken from us.
            OSError: It could not be moved at the moment.
        """
        path = self.folder / claimed
        patiently(path.lstat)
        room = self.folder / QUARANTINE
        make_shared(room)
        name = item.name
        if patiently((room / name).exists):
            name = patiently(lambda: self._own_name(item))
        told = {
            "id": item.item_id,
            "reason": reason,
            "attempts": meta.attempts,
            "priority": item.priority,
            "quarantined_at": datetime.now(timezone.utc).isoformat(),
        }
        data = json.dumps(told, indent=2).encode("ascii")
        write_small(room / names.reason_name(name), data)
        patiently(lambda: path.rename(room / name))
        remove_patiently(self._claim_meta(claimed))

    def _own_name(self, item: WaitingItem) -> str:
        """Return a new name for a file whose own is taken or too long; it keeps its rank."""
        self.latest = max(self.latest, item.sequence)
        sequence = item.sequence
        item_id = item.item_id
        if len(os.fsencode(item_id)) > names.LONGEST_ID:
            item_id = names.short_id(item_id)
        while True:
            name = names.waiting_name(item.priority, sequence, names.UNKNOWN_GROUP, item_id)
            if not (self.folder / name).exists() and not (self.folder / QUARANTINE / name).exists():
                return name
            sequence += 1
