"""Which ids are in a queue: so that an id that is put twice is found without a scan.

    ids/<hash of the id>      the name of the file that was put under it, and a hash of its body
    ids/<two of its digits>.lock  locked while a report is put whose hash begins with them

A note is there from before a report is named until it is delivered or discarded. One that is left
over is of no account, because the file that it names is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import gevent
from filelock import BaseFileLock, Timeout

from pywats_green.exceptions import QueueItemBusyError, QueueItemError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.files import off_hub, remove_patiently, write_small
from pywats_green.queue.folder.owners import OWNERS, make_shared, try_lock
from pywats_green.queue.held_files import patiently

T = TypeVar("T")

IDS = "ids"
_LOCK = ".lock"

# Notes beyond twice the reports that may be left over.
_SLACK = 1000

# Seconds within which a put has named its report.
_YOUNG = 600.0

# Tries to lock an id, and the seconds between two: 30 s in all.
_TRIES = 3000
_PAUSE = 0.01


class Runner(Protocol):
    """Runs a function off the hub, and returns what it returns."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """Run it."""


class Ids:
    """Notes the ids that were given to `put`. All but `locked` runs off the hub.

    Args:
        folder: The queue's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room = folder / IDS

    @contextlib.contextmanager
    def locked(self, item_id: str | None) -> Iterator[Runner]:
        """Keep all others from putting a report of this id during the block.

        Yields `off_hub`, for what notes the id: if the greenlet is killed meanwhile, others are
        kept away until the thread has ended, too. Without an id, nobody is kept away.

        Between its note and its name a report is nowhere to be found, so two that are put at once
        would take each other's note for a left-over one. It is a lock of the system's, for other
        processes, too: while it waits, other greenlets run, and a process that dies frees it.
        Where there are no locks, there remains a gap.

        Raises:
            QueueItemBusyError: Another has been putting one for 30 s.
            OSError: The folder of the notes cannot be created, or this process lacks descriptors.
        """
        lock, abandoned = None, list[Any]()
        if item_id is not None:
            make_shared(self._room)
            lock = self._lock(item_id)
        try:
            yield lambda function: off_hub(function, abandoned)
        finally:
            if lock is not None and abandoned:
                abandoned[0].rawlink(lambda _: lock.release())
            elif lock is not None:
                lock.release()

    def note(self, item_id: str, name: str, data: bytes) -> bool:
        """Note an id before its report is named.

        Args:
            item_id: The id.
            name: The waiting name of the report.
            data: Its body.

        Returns:
            Whether it is new; otherwise this very report is in the queue already.

        Raises:
            QueueItemError: Another report of this id is in the queue.
            OSError: It cannot be noted.
        """
        path = self._path(item_id)
        told = {"name": name, "body": hashlib.sha256(data).hexdigest()}
        text = json.dumps(told).encode("ascii")
        try:
            with patiently(lambda: path.open("xb")) as file:
                file.write(text)
        except FileExistsError:
            other = self._read(path)
            if other is None or not self._is_there(str(other.get("name"))):
                write_small(path, text)
                return True
            if other.get("body") == told["body"]:
                return False
            raise QueueItemError(
                f"another report of the id {item_id!r} is in the queue: {other['name']}"
            ) from None
        return True

    def other(self, item_id: str, name: str) -> str | None:
        """Return the name of another report of an id that is in the queue; None: there is none.

        Args:
            item_id: The id.
            name: The waiting name of the report that asks.
        """
        told = self._read(self._path(item_id))
        other = None if told is None else str(told.get("name"))
        return other if other not in (None, name) and self._is_there(str(other)) else None

    def forget(self, item_id: str, name: str) -> None:
        """Note that an id may be put anew, unless the note is another report's by now.

        Args:
            item_id: The id.
            name: The waiting name of the report that it named.
        """
        path = self._path(item_id)
        with contextlib.suppress(OSError):
            other = self._read(path)
            if other is None or other.get("name", name) == name:
                remove_patiently(path)

    def sweep(self, present: set[str]) -> None:
        """Remove notes that are left over, if there are many.

        Args:
            present: The waiting names of all reports in the queue.
        """
        try:
            notes = [path for path in self._room.iterdir() if path.suffix != _LOCK]
        except OSError:
            return  # nobody has noted anything yet
        if len(notes) <= 2 * len(present) + _SLACK:
            return
        now = time.time()
        for path in notes:
            with contextlib.suppress(OSError):
                told = self._read(path)
                # A put notes its id before its report is there.
                if now - path.stat().st_mtime > _YOUNG and (told or {}).get("name") not in present:
                    path.unlink()

    def _lock(self, item_id: str) -> BaseFileLock | None:
        path = self._room / f"{self._path(item_id).name[:2]}{_LOCK}"
        for _ in range(_TRIES):
            try:
                return try_lock(path)
            except Timeout:
                gevent.sleep(_PAUSE)
        raise QueueItemBusyError(
            f"somebody else has been putting a report of the id {item_id!r} for 30 s: try again"
        )

    def _path(self, item_id: str) -> Path:
        digest = hashlib.sha256(item_id.encode("utf-8", "surrogateescape")).hexdigest()
        return self._room / digest[:32]

    def _read(self, path: Path) -> dict[str, object] | None:
        try:
            told = json.loads(patiently(path.read_bytes))
        except (FileNotFoundError, ValueError):  # gone just now, or torn
            return None
        return told if isinstance(told, dict) else None

    def _is_there(self, name: str) -> bool:
        """Return whether a report waits, or is claimed by an owner that is known.

        One in quarantine does not count: what was corrected must find its way.
        """
        owners = {path.stem for path in (self._folder / OWNERS).glob("*.*")}
        places = [
            self._folder / name,
            *(self._folder / names.claimed_name(name, owner) for owner in owners),
            self._folder / name,  # it may have gone from place to place meanwhile
        ]
        return any(patiently(path.exists) for path in places)
