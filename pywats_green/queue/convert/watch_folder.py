"""The watched folder: which source files are complete."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pywats_green.queue.convert.sharing import is_open_elsewhere
from pywats_green.queue.held_files import patiently

SETTLE = 10.0  # seconds, the default

# Names under which programs write a file before they rename it.
UNFINISHED_NAMES = (".*", "~*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload")

Signature = tuple[int, int]


class SourceFile(NamedTuple):
    """A complete file.

    Attributes:
        path: Where it is.
        signature: Its size and mtime. Not its inode: some network drives make that up anew.
    """

    path: Path
    signature: Signature


class Look(NamedTuple):
    """The result of one scan.

    Attributes:
        complete: Files that can be converted, oldest first.
        unfinished: How many may still be being written.
    """

    complete: list[SourceFile]
    unfinished: int


class WatchFolder:
    """A folder that others put files into.

    A file is complete when its size and its mtime have stood still for a while, and, where the
    system tells, when no other program has it open. Our own clock measures that while: an mtime is
    only ever compared with an earlier one of the same file, since a file server's clock may be off.

    Args:
        folder: The folder; subfolders are ignored.
        patterns: Only files whose names match one of these, case-insensitively, are considered.
        settle: Seconds without a change. 0: every file is complete.
        timer: Seconds, monotonic.
        is_open_elsewhere: Whether another program has the file with this path open.
    """

    def __init__(
        self,
        folder: Path,
        patterns: Sequence[str] = ("*",),
        settle: float = SETTLE,
        *,
        timer: Callable[[], float] = time.monotonic,
        is_open_elsewhere: Callable[[str], bool] = is_open_elsewhere,
    ) -> None:
        self._folder = folder
        self._patterns = tuple(pattern.lower() for pattern in patterns)
        self._settle = settle
        self._timer = timer
        self._is_open_elsewhere = is_open_elsewhere
        self._seen: dict[str, tuple[Signature, float]] = {}

    def look(self) -> Look:
        """Scan the folder; this may take long, so call it off the hub.

        Raises:
            OSError: The folder cannot be read.
        """
        complete, seen = [], {}
        with patiently(partial(os.scandir, self._folder)) as entries:
            for entry in entries:
                if not self._concerns(entry.name):
                    continue
                status = _status(entry.path)
                if status is None or not stat.S_ISREG(status.st_mode):
                    continue
                signature = _signature(status)
                now = self._timer()  # of this file: a scan of a network drive takes seconds
                before, since = self._seen.get(entry.name, (None, now))
                if before != signature:
                    since = now
                seen[entry.name] = (signature, since)
                if now - since >= self._settle:
                    complete.append(SourceFile(Path(entry.path), signature))
        self._seen = seen
        complete.sort(key=lambda source: (source.signature[1], source.path.name))
        return Look(complete, len(seen) - len(complete))

    def can_be_taken(self, source: SourceFile) -> bool:
        """Return whether a file is still there and complete, and no other program has it open.

        Raises:
            OSError: It cannot be told at the moment.
        """
        try:
            signature = _signature(patiently(source.path.stat))
        except FileNotFoundError:
            return False
        return signature == source.signature and not self._is_open_elsewhere(str(source.path))

    def _concerns(self, name: str) -> bool:
        lower = name.lower()
        return any(fnmatch(lower, pattern) for pattern in self._patterns) and not any(
            fnmatch(lower, pattern) for pattern in UNFINISHED_NAMES
        )


def has_changed(source: SourceFile) -> bool:
    """Return whether a file has changed since it was scanned; False if it is gone.

    Raises:
        OSError: It cannot be told at the moment.
    """
    try:
        return _signature(patiently(source.path.stat)) != source.signature
    except FileNotFoundError:
        return False


def _status(path: str) -> os.stat_result | None:
    """Return the status of a file; None: it was removed just now, or is a link without an end."""
    try:
        return patiently(partial(os.stat, path))  # on Windows that of os.scandir is a cached value
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise


def _signature(status: os.stat_result) -> Signature:
    return status.st_size, status.st_mtime_ns
