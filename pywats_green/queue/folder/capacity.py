"""How much a queue's folder may hold."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from gevent.event import Event

from pywats_green.exceptions import QueueFullError, ReportTooLargeError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.files import folder_error, off_hub
from pywats_green.queue.folder.long_paths import plain
from pywats_green.queue.held_files import patiently

# Seconds after which others may have changed so much that the folder is counted anew.
_FRESH = 5.0

# Counting rests for so many times what it took, lest each put into a full folder count all of it.
_REST = 10
_SHORTEST_REST = 0.5  # seconds; below, it costs little, and room is found at once


class Capacity:
    """Counts what is waiting or claimed, and refuses what would be too much.

    It counts anew every few seconds, and whenever the queue seems full; less often where that takes
    long, and one greenlet for all. In between it knows only what is put here, so several processes
    may together exceed a limit by what they put meanwhile.

    Args:
        folder: The queue's folder.
        max_reports: How many reports it may hold. None: no limit.
        max_bytes: How many bytes they may have. None: no limit.
        timer: Seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        max_reports: int | None,
        max_bytes: int | None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._max_reports = float("inf") if max_reports is None else max_reports
        self._max_bytes = float("inf") if max_bytes is None else max_bytes
        self.is_limited = max_reports is not None or max_bytes is not None
        self._timer = timer
        self._reports = 0
        self._bytes = 0
        self._being_put: dict[str, int] = {}
        self._counting: list[dict[str, int]] = []
        self._counted_at: float | None = None
        self._took = 0.0
        self._has_counted: Event | None = None  # while a greenlet counts

    @contextlib.contextmanager
    def room_for(self, name: str, size: int) -> Iterator[None]:
        """Reserve room for a report while it is put; it is given back if that fails.

        Args:
            name: Its waiting name.
            size: Bytes.

        Raises:
            QueueFullError: There is none; ReportTooLargeError, if there never will be.
            QueueFolderError: The folder cannot be read.
        """
        if size > self._max_bytes:
            raise ReportTooLargeError(
                f"The report has {size} bytes, and max_bytes of the queue is {self._max_bytes}"
            )
        if self._is_to_be_counted(size):
            self._count()
        if not self._has_room(size):
            raise QueueFullError(self._told(size))
        self._reports += 1
        self._bytes += size
        for known in (self._being_put, *self._counting):
            known[name] = size
        try:
            yield
        except BaseException:
            self._reports -= 1
            self._bytes -= size
            for known in self._counting:
                known.pop(name, None)
            raise
        finally:
            del self._being_put[name]

    def _is_to_be_counted(self, size: int) -> bool:
        if self._counted_at is None:
            return True
        age, rest = self._timer() - self._counted_at, _REST * self._took
        if age > max(_FRESH, rest):
            return True
        return not self._has_room(size) and (rest < _SHORTEST_REST or age > rest)

    def _has_room(self, size: int) -> bool:
        return self._reports < self._max_reports and self._bytes + size <= self._max_bytes

    def _told(self, size: int) -> str:
        if self._reports >= self._max_reports:
            limit = f"{self._reports} reports, and max_reports is {self._max_reports}"
        else:
            limit = f"{self._bytes} bytes; {size} more exceed max_bytes, {self._max_bytes}"
        folder = plain(str(self._folder))
        return f"The queue folder {folder} is full: {limit}. Drain it, or raise the limit"

    def _count(self) -> None:
        before = self._counted_at
        while self._has_counted is not None:
            self._has_counted.wait()
            if self._counted_at != before:  # otherwise it failed, or was killed
                return
        has_counted = self._has_counted = Event()
        started = self._timer()
        known = dict(self._being_put)  # and what others put meanwhile: on disk yet, or not
        self._counting.append(known)
        try:
            reports, size = off_hub(lambda: self._look(known))
        except OSError as error:
            raise folder_error("look", self._folder, error) from error
        finally:
            self._counting = [each for each in self._counting if each is not known]
            self._has_counted = None
            has_counted.set()
        self._reports = reports + len(known)
        self._bytes = size + sum(known.values())
        self._counted_at = self._timer()
        self._took = self._counted_at - started

    def _look(self, known: Container[str]) -> tuple[int, int]:
        reports = size = 0
        with patiently(lambda: os.scandir(self._folder)) as entries:
            for entry in entries:
                waiting = names.read_waiting(entry.name)
                claimed = None if waiting else names.read_claimed(entry.name)
                name = waiting.name if waiting else claimed[0] if claimed else None
                if name is None or name in known:
                    continue
                reports += 1
                if self._max_bytes < float("inf"):
                    with contextlib.suppress(OSError):  # it has just gone on
                        size += entry.stat().st_size
        return reports, size
