"""Shows people what is in a queue's folder, and lets them change it."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pywats_green.exceptions import InvalidArgumentError, QueueItemError, UnreadableReportError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import read
from pywats_green.queue.folder.drain_state import DrainStateFile
from pywats_green.queue.folder.files import folder_error, off_hub
from pywats_green.queue.folder.long_paths import extended, plain
from pywats_green.queue.folder.meta import Meta, glance_at_meta, moment
from pywats_green.queue.folder.scan import QUARANTINE, is_upstreams, quarantined_names
from pywats_green.queue.folder.store import Store
from pywats_green.queue.held_files import patiently
from pywats_green.queue.source import is_proven

State: TypeAlias = Literal["waiting", "claimed", "quarantined", "sent"]

STATES: tuple[State, ...] = get_args(State)


# The owner of what upstream's own queue took last.
UPSTREAM = "upstream"


@dataclass(frozen=True)
class QueueItem:
    """An item of a `FolderQueue`.

    Attributes:
        item_id: Its id.
        state: `waiting`, `claimed`, `quarantined` or `sent` (delivered, but could not be removed).
        priority: 1 is sent before 10.
        attempts: Attempts counted so far.
        age: Seconds since it was put.
        since: Seconds for which it has been in its state, as far as its file tells.
        due_in: Seconds until it may be sent; 0: now.
        last_error: The error of the last attempt, or the reason for the quarantine; None: neither.
        size: Bytes.
        owner: The owner that has claimed it, `upstream` among them; None: nobody has.
        name: The name of its file without the state; unique, which ids may not be.
        path: The file.
    """

    item_id: str
    state: State
    priority: int
    attempts: int
    age: float
    since: float
    due_in: float
    last_error: str | None
    size: int
    owner: str | None
    name: str
    path: Path


class InspectedQueue:
    """What people see of a `FolderQueue`, even while other processes drain the folder.

    Args:
        store: The queue's folder.
        state_file: What the folder keeps; it decides which failures count.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, store: Store, state_file: DrainStateFile, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._state_file = state_file
        self._clock = clock

    def list(self, state: State | None = None) -> Sequence[QueueItem]:
        """Return the items in the order in which they are sent, without reading the reports.

        Args:
            state: `waiting`, `claimed`, `quarantined` or `sent`. None: all of them.

        Raises:
            QueueFolderError: The folder cannot be read.
            InvalidArgumentError: There is no such state.
        """
        if state is not None and state not in STATES:
            raise InvalidArgumentError(f"state is one of {', '.join(STATES)}, not {state!r}")
        items = self._read(lambda: [*self._items(state)])
        return sorted(items, key=lambda item: (item.priority, -item.age, item.name))

    def show(self, item_id: str) -> dict[str, Any]:
        """Return everything about an item: the fields of its `QueueItem`, `reason` and `body`.

        Args:
            item_id: Its id, or the name of its file if several have that id.

        Raises:
            QueueItemError: There is no such item, there are several, or it has just gone.
            QueueFolderError: The folder cannot be read.
        """
        item = self._find(item_id)
        body: Any
        try:
            body, reason = read(extended(item.path)), item.last_error
        except UnreadableReportError as error:
            body, reason = None, item.last_error or str(error)
        except FileNotFoundError:
            raise gone(item) from None
        except OSError as error:
            raise folder_error(f"read {item.name}", self._store.folder, error) from error
        return {**dataclasses.asdict(item), "path": str(item.path), "reason": reason, "body": body}

    def _find(self, key: str) -> QueueItem:
        items = self.list()
        found = [item for item in items if item.name == key]
        found = found or [item for item in items if item.item_id == key]
        if not found:
            folder = plain(str(self._store.folder))
            raise QueueItemError(f"there is no item {key!r} in {folder}")
        if len(found) > 1:
            listed = ", ".join(item.name for item in found)
            raise QueueItemError(f"several items have the id {key!r}; say which file: {listed}")
        return found[0]

    def _read(self, work: Callable[[], Sequence[QueueItem]]) -> Sequence[QueueItem]:
        try:
            return off_hub(work)
        except OSError as error:
            raise folder_error("look", self._store.folder, error) from error

    def _items(self, state: State | None) -> Iterator[QueueItem]:
        with patiently(lambda: os.scandir(self._store.folder)) as entries:
            found = [name for entry in entries if not (name := entry.name).endswith(names.META)]
        for name in found:
            if (item := self._in_folder(name)) and state in (None, item.state):
                yield item
        if state in (None, "quarantined"):
            for name in quarantined_names(self._store.folder):
                waiting = names.read_waiting(name)
                if waiting and (item := self._quarantined(waiting)):
                    yield item

    def _in_folder(self, name: str) -> QueueItem | None:
        """Return the item with that file; None: it is not the queue's, or has just gone on."""
        if waiting := names.read_waiting(name):
            return self._item("waiting", waiting, name, names.meta_name(name))
        if claimed := names.read_claimed(name):
            waiting = names.read_waiting(claimed[0]) or names.WaitingName(*claimed)
            meta_name = names.claim_meta_name(*claimed)
            return self._item("claimed", waiting, name, meta_name, claimed[1])
        if waiting := names.read_sent(name):
            return self._item("sent", waiting, name, names.meta_name(waiting.name))
        if waiting := names.read_set_aside(name):
            return self._item("quarantined", waiting, name, names.meta_name(name))
        ending = names.left_by_upstream(name)
        if ending is None or not is_upstreams(self._store.folder / name, ending):
            return None
        item_id = name.removesuffix(ending)
        waiting = names.WaitingName(item_id + names.UPSTREAM_LEFT[ending], item_id)
        return self._item("claimed", waiting, name, names.meta_name(name), UPSTREAM)

    def _item(
        self,
        state: State,
        waiting: names.WaitingName,
        name: str,
        meta_name: str,
        owner: str | None = None,
    ) -> QueueItem | None:
        meta = glance_at_meta(self._store.folder / meta_name) or Meta()
        return self._make(state, waiting, self._store.folder / name, meta, owner)

    def _quarantined(self, waiting: names.WaitingName) -> QueueItem | None:
        path = self._store.folder / QUARANTINE / waiting.name
        try:
            told = json.loads(patiently(path.with_name(names.reason_name(waiting.name)).read_bytes))
            meta = Meta(
                attempts=int(told["attempts"]),
                last_error=str(told["reason"]),
                priority=int(told["priority"]),
                moved=moment(told.get("quarantined_at")),
            )
        except (OSError, ValueError, LookupError, TypeError):
            meta = Meta(last_error="the file with the reason is missing or damaged")
        return self._make("quarantined", waiting, path, meta, None)

    def _make(
        self,
        state: State,
        waiting: names.WaitingName,
        path: Path,
        meta: Meta,
        owner: str | None,
    ) -> QueueItem | None:
        try:
            status = patiently(path.lstat)
        except FileNotFoundError:
            return None  # it has just gone on
        now = self._clock()
        born = status.st_mtime if waiting.sequence is None else waiting.sequence / 1e6
        if waiting.sequence is None and meta.created is not None:
            born = meta.created
        told = meta.priority if waiting.priority is None else waiting.priority
        return QueueItem(
            item_id=waiting.item_id,
            state=state,
            priority=names.DEFAULT_PRIORITY if told is None else told,
            attempts=meta.attempts + is_proven(meta.failed_at, self._state_file.read()),
            age=max(0.0, now - born),
            since=max(0.0, now - (meta.moved or max(status.st_mtime, status.st_ctime))),
            due_in=meta.wait(now) if state == "waiting" else 0.0,
            last_error=meta.last_error,
            size=0 if stat.S_ISDIR(status.st_mode) else status.st_size,
            owner=owner,
            name=waiting.name,
            path=Path(plain(str(path))),
        )


def gone(item: QueueItem) -> QueueItemError:
    """Return the error for an item that another process has just changed."""
    return QueueItemError(f"{item.item_id} has just gone; look again")
