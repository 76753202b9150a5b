"""Where finished source files go: `done` and `error`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pywats_green.queue.convert.watch_folder import SourceFile, has_changed
from pywats_green.queue.folder.files import move_new, remove_patiently
from pywats_green.queue.held_files import patiently

DONE = "done"
ERROR = "error"
REASON_SUFFIX = ".reason.txt"

AFTERWARDS = 60.0  # seconds after which a moved file is looked at once more

_EXPIRY_PAUSE = 600.0  # seconds between two looks for what has been in `done` for too long

_LONGEST_NAME = 255  # bytes; file systems take no longer ones
_LONGEST_SUFFIX = 20  # bytes; what is longer is no file type

# On Windows, the ctime is that of creation.
_MOVES_SHOW = os.name != "nt"


class _Moved(NamedTuple):
    source: SourceFile
    note: Path | None
    at: float


class FinishedFiles:
    """The folders of finished files.

    A program that opened a file before it was moved can go on writing to it. So each is looked at
    once more after a minute, and moves back into the watched folder if it has changed.

    Args:
        folder: The watched folder.
        keep_done: Seconds after which a file in `done` is deleted. None: never.
        timer: Seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_done: float | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._keep_done = keep_done
        self._timer = timer
        self._expired_at: float | None = None
        self._moved: dict[Path, _Moved] = {}  # in the order of their moves

    def prepare(self) -> None:
        """Create the folders.

        Raises:
            OSError: One cannot be created.
        """
        for name in (DONE, ERROR):
            patiently(partial((self._folder / name).mkdir, exist_ok=True))

    def finish(self, source: SourceFile) -> None:
        """Move a file to `done`, unless it is gone.

        Raises:
            OSError: It cannot be moved at the moment.
        """
        self._move(source, self._target(DONE, source.path.name))

    def fail(self, source: SourceFile, reason: str) -> None:
        """Write the reason into `error`, then move the file there.

        Args:
            source: The file; if it is gone, only the reason is kept.
            reason: For the person who looks there.

        Raises:
            OSError: It cannot be moved at the moment.
        """
        name = source.path.name
        target = self._target(ERROR, name, len(REASON_SUFFIX))
        note = target.with_name(target.name + REASON_SUFFIX)
        if len(os.fsencode(name)) > _LONGEST_NAME - len(REASON_SUFFIX):
            reason += f"\nThe name was too long for this folder. It was: {name}\n"
        patiently(partial(note.write_text, reason, encoding="utf-8", errors="backslashreplace"))
        self._move(source, target, note)

    def bring_back(self, *, at_once: bool = False) -> list[str]:
        """Move files back into the watched folder that have changed after they were taken.

        Args:
            at_once: Look at all, not only at those whose minute is over.

        Returns:
            Their names.
        """
        names = []
        now = self._timer()
        for target, moved in list(self._moved.items()):
            if moved.at > now - AFTERWARDS and not at_once:
                break
            try:
                changed = has_changed(SourceFile(target, moved.source.signature))
                if changed:
                    move_new(target, moved.source.path)
            except FileExistsError:  # a new file has the name
                self._look_again(target, now)
                continue
            except OSError:  # it would be the same with the others, after two seconds each
                self._look_again(target, now)
                break
            del self._moved[target]
            if changed:
                names.append(moved.source.path.name)
                if moved.note is not None:
                    remove_patiently(moved.note)
        return names

    def expire(self) -> int:
        """Delete what has been in `done` for longer than `keep_done`; looks every ten minutes.

        Returns:
            How many files.
        """
        now = self._timer()
        if self._keep_done is None or (
            self._expired_at is not None and now - self._expired_at < _EXPIRY_PAUSE
        ):
            return 0
        self._expired_at = now
        count = 0
        paths: list[Path] = []
        with contextlib.suppress(OSError):  # someone may have removed it
            paths = list((self._folder / DONE).iterdir())
        for path in paths:
            with contextlib.suppress(OSError):  # it is tried again next time
                if path in self._moved or not path.is_file():
                    continue
                if time.time() - _moved_at(path.stat()) >= self._keep_done:
                    path.unlink()
                    count += 1
        return count

    def _look_again(self, target: Path, now: float) -> None:
        self._moved[target] = self._moved.pop(target)._replace(at=now)

    def _move(self, source: SourceFile, target: Path, note: Path | None = None) -> None:
        with contextlib.suppress(FileNotFoundError):
            patiently(partial(source.path.rename, target))
            _stamp(target)
            self._moved[target] = _Moved(source, note, self._timer())

    def _target(self, folder: str, name: str, reserve: int = 0) -> Path:
        """Return a path that is free, with so many bytes to spare for a longer name beside it."""
        parent = self._folder / folder
        parent.mkdir(exist_ok=True)  # someone may have removed it
        target = parent / _fitting(name, "", _LONGEST_NAME - reserve)
        while os.path.lexists(target):
            stamp = datetime.now(timezone.utc).strftime("-%Y%m%dT%H%M%S%fZ")
            target = parent / _fitting(name, stamp, _LONGEST_NAME - reserve)
        return target


def _stamp(path: Path) -> None:
    """Have a file tell when it was moved, where the system does not; its mtime stays."""
    if not _MOVES_SHOW:
        with contextlib.suppress(OSError):  # then it seems to have been moved earlier
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _moved_at(status: os.stat_result) -> float:
    return max(status.st_mtime, status.st_ctime if _MOVES_SHOW else status.st_atime)


def _fitting(name: str, addition: str, room: int) -> str:
    """Return a name with an addition before its suffix, cut to so many bytes."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a name, which may be no path
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    while len(os.fsencode(stem + addition + suffix)) > room:
        stem = stem[:-1]  # by characters: half of one is no name everywhere
    return stem + addition + suffix
