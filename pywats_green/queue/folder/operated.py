"""What people do to a queue, by hand or by `python -m pywats_green queue`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from pywats_green.arguments import require_seconds_or_zero
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError, QueueItemError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.drain_state import DrainStateFile
from pywats_green.queue.folder.files import folder_error, off_hub, remove_patiently
from pywats_green.queue.folder.inspection import InspectedQueue, QueueItem, State, gone
from pywats_green.queue.folder.long_paths import extended
from pywats_green.queue.folder.meta import Meta, write_meta
from pywats_green.queue.folder.owners import is_alive_here
from pywats_green.queue.folder.store import Store
from pywats_green.queue.folder.view import View
from pywats_green.queue.held_files import patiently


class OperatedQueue(InspectedQueue):
    """The operators' half of a `FolderQueue`. It works while other processes drain the folder.

    Args:
        store: The queue's folder.
        view: Scans again after each change.
        state_file: What the folder keeps; it decides which failures count.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, store: Store, view: View, state_file: DrainStateFile, clock: Callable[[], float]
    ) -> None:
        super().__init__(store, state_file, clock)
        self._view = view

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
            InvalidArgumentError: An id was given together with another argument, or the age is
                below 0.
            ArgumentTypeError: The reason or the age has the wrong type.
            QueueFolderError: The folder cannot be read or written.
        """
        if item_id is not None and (reason is not None or older_than is not None):
            raise InvalidArgumentError("give the id of an item, or a reason or an age")
        if not (reason is None or isinstance(reason, str)):
            raise ArgumentTypeError(f"reason must be a string, or None, not {reason!r}")
        if older_than is not None:
            require_seconds_or_zero("older_than", older_than)
        if item_id is not None:
            item = self._find(item_id)
            self._refuse_claimed(item)
            return self._one("requeue", item, self._requeue)
        items = [
            item
            for item in self.list("quarantined")
            if (reason is None or reason.lower() in (item.last_error or "").lower())
            and (older_than is None or item.since >= older_than)
        ]
        return self._each("requeue", items, self._requeue)

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
        if item_id is None:
            free = [item for item in self.list("claimed") if not self._is_alive_here(item.owner)]
            return self._each("release", free, self._release)
        item = self._find(item_id)
        if item.owner is None:
            raise QueueItemError(f"{item.item_id} is {item.state}: nobody has claimed it")
        if self._is_alive_here(item.owner):
            raise QueueItemError(
                f"{item.item_id} is being sent by owner {item.owner}, which lives on this machine; "
                "wait, or stop that process"
            )
        return self._one("release", item, self._release)

    def discard(self, item_id: str) -> None:
        """Delete a waiting or quarantined item for good.

        Args:
            item_id: Its id, or the name of its file if several have that id.

        Raises:
            QueueItemError: There is no such item, there are several, or it is claimed.
            QueueFolderError: The folder cannot be read or written.
        """
        item = self._find(item_id)
        self._refuse_claimed(item)
        self._one("discard", item, self._discard)

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
        if state not in ("waiting", "quarantined"):
            raise InvalidArgumentError(f"only waiting and quarantined items, not {state!r}")
        return self._each("discard", self.list(state), self._discard)

    def _one(self, doing: str, item: QueueItem, change: Callable[[QueueItem], None]) -> int:
        try:
            change(item)
        except FileNotFoundError:
            raise gone(item) from None
        except OSError as error:
            raise folder_error(f"{doing} {item.name}", self._store.folder, error) from error
        finally:
            self._view.forget()
        return 1

    def _each(
        self, doing: str, items: Sequence[QueueItem], change: Callable[[QueueItem], None]
    ) -> int:
        """Change each item, off the hub; go on past those that cannot be changed.

        Raises:
            QueueItemError: Some could not; the message says how many were, and the first reason.
        """
        refused: list[str] = []

        def work() -> int:
            count = 0
            for item in items:
                try:
                    change(item)
                    count += 1
                except FileNotFoundError:
                    pass  # another process took it on
                except (QueueItemError, OSError) as error:
                    refused.append(f"{item.item_id}: {error}")
            return count

        try:
            count = off_hub(work)
        finally:
            self._view.forget()
        if refused:
            raise QueueItemError(
                f"{doing}: {count} done, {len(refused)} not, the first because of {refused[0]}"
            )
        return count

    def _discard(self, item: QueueItem) -> None:
        path = extended(item.path)
        if patiently(path.is_dir):
            raise QueueItemError(f"{item.path} is a folder: look into it and remove it by hand")
        patiently(path.unlink)
        remove_patiently(self._beside(item))
        self._store.ids.forget(item.item_id, item.name)

    def _requeue(self, item: QueueItem) -> None:
        waiting = names.read_waiting(item.name)
        says_priority = waiting is not None and waiting.is_own
        meta_path = self._store.folder / names.meta_name(item.name)
        if item.state == "waiting":
            if says_priority:
                remove_patiently(meta_path)
            else:
                write_meta(meta_path, item.item_id, item.priority, Meta())
            return
        beside = self._beside(item)
        if names.read_set_aside(item.name):  # by upstream, in its place
            item = dataclasses.replace(item, name=item.item_id + names.PENDING)
            meta_path = self._store.folder / names.meta_name(item.name)
        target = self._store.folder / item.name
        if patiently(target.exists):
            raise QueueItemError(f"{item.name} is waiting already; discard one of the two first")
        if (other := self._store.ids.other(item.item_id, item.name)) is not None:
            raise QueueItemError(
                f"another report of this id is in the queue: {other}. If that is the corrected "
                f"one, discard {item.name}"
            )
        if not says_priority:
            write_meta(meta_path, item.item_id, item.priority, Meta())
        patiently(lambda: extended(item.path).rename(target))
        remove_patiently(beside)

    def _release(self, item: QueueItem) -> None:
        self._store.take_back(item.path.name, item.name)

    def _is_alive_here(self, owner: str | None) -> bool:
        try:
            return owner is not None and is_alive_here(self._store.folder, owner)
        except OSError as error:
            raise folder_error(f"look for owner {owner}", self._store.folder, error) from error

    def _beside(self, item: QueueItem) -> Path:
        """Return the path of what is told about an item that nobody has claimed."""
        path = extended(item.path)
        if path.parent == self._store.folder:
            return self._store.folder / names.meta_name(item.name)
        return path.with_name(names.reason_name(item.name))

    def _refuse_claimed(self, item: QueueItem) -> None:
        if item.state == "claimed":
            raise QueueItemError(
                f"{item.item_id} is being sent by owner {item.owner}; wait, stop that process, or "
                "release it"
            )
        if item.state == "sent":
            raise QueueItemError(f"{item.item_id} was delivered; remove {item.path} by hand")
