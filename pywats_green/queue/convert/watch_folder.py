"""The watched folder: which source files are complete, and where they are moved."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

DONE = "done"
ERROR = "error"
REASON_SUFFIX = ".reason.txt"

# Names under which programs write a file before they rename it.
UNFINISHED_NAMES = (".*", "~*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload")

Signature = tuple[int, int, int]


class SourceFile(NamedTuple):
    """A complete file.

    Attributes:
        path: Where it is.
        signature: Its size, mtime and inode.
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

    A file is complete if it has not changed for a while, according to its mtime or, if clocks
    disagree, because it looked the same for that long.

    Args:
        folder: The folder; subfolders are ignored.
        patterns: Only files whose names match one of these, case-insensitively, are considered.
        settle: Seconds without a change. 0: every file is complete.
        wall_clock: Seconds since the epoch, on the file system's clock.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        patterns: Sequence[str] = ("*",),
        settle: float = 1.0,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._patterns = tuple(pattern.lower() for pattern in patterns)
        self._settle = settle
        self._wall_clock = wall_clock
        self._clock = clock
        self._seen: dict[str, tuple[Signature, float]] = {}

    def prepare(self) -> None:
        """Create the folders for finished files.

        Raises:
            OSError: One cannot be created.
        """
        for name in (DONE, ERROR):
            (self._folder / name).mkdir(exist_ok=True)

    def look(self) -> Look:
        """Scan the folder; this may take long, so call it off the hub.

        Raises:
            OSError: The folder cannot be read.
        """
        complete, seen = [], {}
        now, wall = self._clock(), self._wall_clock()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not self._concerns(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):  # removed just now
                    if not entry.is_file():
                        continue
                    # Not entry.stat(): on Windows that is a cached value.
                    signature = _signature(os.stat(entry.path))  # noqa: PTH116
                    before, since = self._seen.get(entry.name, (None, now))
                    seen[entry.name] = (signature, since if before == signature else now)
                    quiet = max(now - seen[entry.name][1], wall - signature[1] / 1e9)
                    if quiet >= self._settle and not _is_open_elsewhere(entry.path):
                        complete.append(SourceFile(Path(entry.path), signature))
        self._seen = seen
        complete.sort(key=lambda source: (source.signature[1], source.path.name))
        return Look(complete, len(seen) - len(complete))

    def _concerns(self, name: str) -> bool:
        lower = name.lower()
        return any(fnmatch(lower, pattern) for pattern in self._patterns) and not any(
            fnmatch(lower, pattern) for pattern in UNFINISHED_NAMES
        )

    def finish(self, source: SourceFile) -> None:
        """Move a file to `done`, unless it is gone.

        Raises:
            OSError: It cannot be moved at the moment.
        """
        target = self._target(DONE, source)
        with contextlib.suppress(FileNotFoundError):
            source.path.rename(target)

    def fail(self, source: SourceFile, reason: str) -> None:
        """Write the reason into `error`, then move the file there.

        Args:
            source: The file; if it is gone, only the reason is kept.
            reason: For the person who looks there.

        Raises:
            OSError: It cannot be moved at the moment.
        """
        target = self._target(ERROR, source)
        note = target.with_name(target.name + REASON_SUFFIX)
        note.write_text(reason, encoding="utf-8", errors="backslashreplace")
        with contextlib.suppress(FileNotFoundError):
            source.path.rename(target)

    def _target(self, folder: str, source: SourceFile) -> Path:
        target = self._folder / folder / source.path.name
        target.parent.mkdir(exist_ok=True)  # someone may have removed it
        while os.path.lexists(target):
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
            target = target.with_name(f"{source.path.stem}-{stamp}{source.path.suffix}")
        return target


def has_changed(source: SourceFile) -> bool:
    """Tell whether a file has changed since it was scanned; False if it is gone."""
    try:
        return _signature(source.path.stat()) != source.signature
    except FileNotFoundError:
        return False


def _signature(status: os.stat_result) -> Signature:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _is_open_elsewhere(path: str) -> bool:
    """Tell whether a program has the file open; only Windows reveals that.

    A copy in Explorer has its full size from the start, so size and mtime are not enough.
    """
    if os.name != "nt":
        return False
    try:
        os.rename(path, path)  # noqa: PTH104
    except PermissionError:
        return True
    return False
