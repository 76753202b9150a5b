"""The watched folder: which source files are complete, and where they go afterwards."""

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

# Names under which programs write a file before they give it its own.
UNFINISHED_NAMES = (".*", "~*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload")

Signature = tuple[int, int, int]


class SourceFile(NamedTuple):
    """A file that is complete.

    Attributes:
        path: Where it is.
        signature: Its size, time of last change and file number.
    """

    path: Path
    signature: Signature


class Look(NamedTuple):
    """What one look at the folder found.

    Attributes:
        complete: Files that can be converted, oldest first.
        unfinished: How many may still be written to.
    """

    complete: list[SourceFile]
    unfinished: int


class WatchFolder:
    """A folder into which others put files.

    A file is complete when it has not changed for a while, be it by its own time of last change
    or, where the clocks do not agree, because it looked the same for so long.

    Args:
        folder: The folder; what is in its folders is left alone.
        patterns: Only files whose name matches one of these, in any case, are looked at.
        settle: Seconds for which a file must not have changed. 0: every file is complete.
        wall_clock: Seconds since the epoch, as the file system counts them.
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
        """Make the folders for what was dealt with.

        Raises:
            OSError: One cannot be made.
        """
        for name in (DONE, ERROR):
            (self._folder / name).mkdir(exist_ok=True)

    def look(self) -> Look:
        """Look at every file once; it may take long, so not in the hub's thread.

        Raises:
            OSError: The folder cannot be read.
        """
        complete, seen = [], {}
        now, wall = self._clock(), self._wall_clock()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not self._concerns(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):  # taken away just now
                    if not entry.is_file():
                        continue
                    # Not entry.stat(): on Windows that is what the folder remembers of the file.
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
        """Move a file to `done`; nothing where it is gone already.

        Raises:
            OSError: It cannot be moved just now.
        """
        target = self._target(DONE, source)
        with contextlib.suppress(FileNotFoundError):
            source.path.rename(target)

    def fail(self, source: SourceFile, reason: str) -> None:
        """Write down the reason in `error`, then move the file there.

        Args:
            source: The file; where it is gone, the reason alone is kept.
            reason: What to tell the person who looks there.

        Raises:
            OSError: It cannot be moved just now.
        """
        target = self._target(ERROR, source)
        note = target.with_name(target.name + REASON_SUFFIX)
        note.write_text(reason, encoding="utf-8", errors="backslashreplace")
        with contextlib.suppress(FileNotFoundError):
            source.path.rename(target)

    def _target(self, folder: str, source: SourceFile) -> Path:
        target = self._folder / folder / source.path.name
        target.parent.mkdir(exist_ok=True)  # someone may have tidied it away
        while os.path.lexists(target):
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
            target = target.with_name(f"{source.path.stem}-{stamp}{source.path.suffix}")
        return target


def has_changed(source: SourceFile) -> bool:
    """Tell whether a file is there, but is not what was looked at; False where it is gone."""
    try:
        return _signature(source.path.stat()) != source.signature
    except FileNotFoundError:
        return False


def _signature(status: os.stat_result) -> Signature:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _is_open_elsewhere(path: str) -> bool:
    """Tell whether a program has the file open; only Windows lets us know.

    A copy in Explorer has its full size from the start, so that size and time alone tell nothing.
    """
    if os.name != "nt":
        return False
    try:
        os.rename(path, path)  # noqa: PTH104
    except PermissionError:
        return True
    return False
