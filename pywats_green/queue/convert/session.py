"""One drain or run of a ConverterPool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import gevent
import gevent.pool
from gevent.event import Event

from pywats_green.exceptions import ConverterImportError, PywatsGreenError, QueueItemError
from pywats_green.progress import ProgressCallback
from pywats_green.queue.convert.child import (
    CONVERTED,
    FAILED,
    OUT_OF_MEMORY,
    SUSPENDED,
    ConversionReply,
)
from pywats_green.queue.convert.finished import FinishedFiles
from pywats_green.queue.convert.isolation import Converter
from pywats_green.queue.convert.results import (
    ConversionCounts,
    ConversionResult,
    ConversionStatus,
    ConversionSummary,
)
from pywats_green.queue.convert.watch_folder import SourceFile, WatchFolder, has_changed
from pywats_green.queue.folder.files import off_hub
from pywats_green.queue.held_files import patiently
from pywats_green.timers import SHORTEST

POLL = 0.25  # seconds between two scans of the folder
AGAIN = 5.0  # seconds after which what the disk refused is retried
NO_MEMORY = 60.0  # seconds after which a file is retried for which there was no memory

_log = logging.getLogger("pywats_green.queue")


class ReportQueue(Protocol):
    """What a ConverterPool needs of a queue; `FolderQueue` is one."""

    def put(self, report: Any, *, priority: int = 5) -> str:
        """Add a report; when this returns, it survives a crash."""


class Work(NamedTuple):
    """What to do.

    Attributes:
        folder: Where the files come from.
        finished: Where they go.
        new_converter: Makes a converter; it is used by one lane at a time.
        queue: Where the reports go.
        concurrency: How many files are converted at once.
        priority: The priority of the reports in the queue.
        on_result: Called after each file.
        timer: Seconds, monotonic.
    """

    folder: WatchFolder
    finished: FinishedFiles
    new_converter: Callable[[], Converter]
    queue: ReportQueue
    concurrency: int
    priority: int
    on_result: Callable[[ConversionResult], object] | None
    timer: Callable[[], float]


class _Outcome(NamedTuple):
    """What is known of a file that only has to be moved."""

    source: SourceFile
    result: ConversionResult
    text: str  # for the person who looks into `error`


class _SourceRefusedError(OSError):
    """The system did not let the converter read its file."""

    def __init__(self, reply: ConversionReply) -> None:
        super().__init__(reply["errno"], reply["reason"])
        self.reply = reply


class Session:
    """Converts files until it is stopped, or until the folder is empty.

    Args:
        work: What to do.
        until_empty: Whether it ends when nothing is left; if so, disk errors end it, too.
        timeout: Seconds for the whole session. None: no limit.
        progress: Called with (files done, files seen).
    """

    def __init__(
        self,
        work: Work,
        *,
        until_empty: bool,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._work = work
        self._until_empty = until_empty
        self._timer = work.timer
        self._started = self._timer()
        self._end = float("inf") if timeout is None else self._started + timeout
        self._progress = progress
        self._counts = ConversionCounts()
        self._seen = 0
        self._idle: list[Converter] = []
        self._taken: set[str] = set()
        self._later: dict[str, float] = {}  # by file name: when to retry
        self._told_of: set[str] = set()  # file names: that they wait for an earlier report
        self._unmoved: dict[str, _Outcome] = {}  # by file name
        self._error: Exception | None = None
        self._wake = Event()
        self._stopping = False
        self._stop_timeout: float | None = 0.0

    def stop(self, timeout: float | None) -> None:
        """Take no more files; does not block, so a signal handler may call it.

        Args:
            timeout: Seconds for those being converted. None: no limit.
        """
        self._stopping, self._stop_timeout = True, timeout
        self._wake.set()

    def run(self) -> ConversionSummary:
        """Convert.

        Returns:
            What was done.

        Raises:
            ConverterImportError: No child can import the converter.
            OSError: The folders for finished files cannot be created; with `until_empty`, also:
                the folder cannot be read, or the queue cannot write.
            PywatsGreenError: With `until_empty`: the queue takes no more.
            Exception: Whatever `on_result` raised.
        """
        lanes = gevent.pool.Pool(self._work.concurrency)
        try:
            off_hub(self._work.finished.prepare)
            self._idle.append(self._work.new_converter())
            self._idle[0].start()  # here we learn whether a child can import the converter
            self._loop(lanes)
            lanes.join(timeout=self._stop_timeout)
        finally:
            lanes.kill()
            for converter in self._idle:
                converter.close()
        if self._error is not None:
            raise self._error
        self._bring_back(at_once=True)
        return self._counts.summary(self._remaining(), self._timer() - self._started)

    def _loop(self, lanes: gevent.pool.Pool) -> None:
        while not self._is_over():
            was_busy = len(lanes) > 0
            due, unfinished = self._look()
            for source in due:
                while lanes.full() and not self._is_over():
                    lanes.wait_available(timeout=self._pause())
                if self._is_over():
                    return
                self._taken.add(source.path.name)
                lane: Any = gevent.Greenlet(self._handle, source)
                lanes.start(lane)
                lane.rawlink(lambda _lane: self._wake.set())  # after the pool's own: it is free
            is_done = self._until_empty and not (was_busy or due or unfinished)
            if is_done and not self._bring_back(at_once=True):
                return
            self._wake.wait(self._pause())
            self._wake.clear()

    def _is_over(self) -> bool:
        return self._stopping or self._error is not None or self._timer() >= self._end

    def _pause(self) -> float:
        return max(SHORTEST, min(POLL, self._end - self._timer()))

    def _look(self) -> tuple[list[SourceFile], int]:
        """Return the files to convert now, and how many may still be being written."""
        busy = frozenset(self._taken)  # during the scan one may be finished and still be listed
        self._bring_back()
        try:
            look = off_hub(self._work.folder.look)
        except OSError as exc:
            if self._until_empty:
                raise
            _log.warning("cannot read the watched folder, trying again: %s", exc)
            return [], 0
        self._seen = self._counts.files + len(look.complete) + look.unfinished
        now = self._timer()
        self._later = {name: due for name, due in self._later.items() if due > now}
        self._told_of &= {file.path.name for file in look.complete}
        skip = busy | self._taken | self._later.keys()
        return [file for file in look.complete if file.path.name not in skip], look.unfinished

    def _bring_back(self, *, at_once: bool = False) -> bool:
        """Take finished files back that changed afterwards; return whether there were any."""
        finished = self._work.finished
        names = off_hub(lambda: finished.bring_back(at_once=at_once))
        if not at_once and (count := off_hub(finished.expire)):
            _log.info("old files deleted from done/: %d", count)
        for name in names:
            self._note_change(name, "after it was converted and moved, so it is back")
        return bool(names)

    def _note_change(self, name: str, when: str, item_ids: Sequence[str] = ()) -> None:
        self._counts.changed += 1
        before = f"; what was made of it before stays queued: {', '.join(item_ids)}"
        _log.warning(
            "%s changed %s; it will be converted again (its program pauses longer than settle?)%s",
            name,
            when,
            before if item_ids else "",
        )

    def _remaining(self) -> int:
        try:
            look = off_hub(self._work.folder.look)
        except OSError:
            return 0  # the folder is gone
        return len(look.complete) + look.unfinished

    def _handle(self, source: SourceFile) -> None:
        name = source.path.name
        try:
            outcome = self._unmoved.get(name) or self._outcome_of(source)
            if outcome is not None:
                self._move(outcome)
        except Exception as exc:  # noqa: BLE001  # raised by `run`, where the caller sees it
            self._error = self._error or exc
        finally:
            self._taken.discard(name)

    def _outcome_of(self, source: SourceFile) -> _Outcome | None:
        """Convert a file and queue its reports; None: it stays for later."""
        try:
            if not off_hub(lambda: self._work.folder.can_be_taken(source)):
                return None
            return self._conclude(source, self._convert(source))
        except MemoryError:
            self._wait_for_memory(source.path.name)
        except ConverterImportError:
            raise
        except QueueItemError as exc:  # what was made of it before has not been sent yet
            name = source.path.name
            if name not in self._told_of:  # an outage may last for days
                _log.warning("%s stays for later: %s", name, exc)
            self._told_of.add(name)
            self._later[name] = self._timer() + AGAIN
        except (OSError, PywatsGreenError) as exc:  # the disk, or a queue that takes no more
            if self._until_empty:
                raise
            _log.warning("%s cannot be converted yet: %s", source.path.name, exc)
            self._later[source.path.name] = self._timer() + AGAIN
        return None

    def _wait_for_memory(self, name: str) -> None:
        """Leave a file: that there was no memory says nothing about it."""
        _log.warning("there was no memory to convert %s; it stays where it is", name)
        self._later[name] = self._timer() + NO_MEMORY

    def _convert(self, source: SourceFile) -> ConversionReply:
        converter = self._idle.pop() if self._idle else self._work.new_converter()

        def attempt() -> ConversionReply:
            reply = converter.convert(source.path)
            if "errno" in reply:
                raise _SourceRefusedError(reply)
            return reply

        try:
            return patiently(attempt)
        except _SourceRefusedError as refused:
            return refused.reply
        finally:
            self._idle.append(converter)

    def _conclude(self, source: SourceFile, reply: ConversionReply) -> _Outcome | None:
        """Put the reports into the queue; None: the file stays for later."""
        status, reason = reply["status"], reply.get("reason", "")
        name = source.path.name
        if status == SUSPENDED:
            self._later[name] = self._timer() + reply["delay"]
            return None
        if status == OUT_OF_MEMORY:
            raise MemoryError
        if off_hub(lambda: has_changed(source)):
            self._note_change(name, "while it was converted")
            return None
        item_ids: tuple[str, ...] = ()
        if status == CONVERTED:
            try:
                item_ids = tuple(map(self._put, reply["reports"]))
            except (TypeError, ValueError, RecursionError) as exc:
                status, reason = FAILED, f"the queue cannot take its report: {exc}"
        told = cast("ConversionStatus", status)
        result = ConversionResult(source.path, told, item_ids, reason.partition("\n")[0])
        text = f"{reason}\n\n{reply.get('detail', '')}".rstrip() + "\n"
        self._unmoved[name] = outcome = _Outcome(source, result, text)
        return outcome

    def _put(self, report: dict[str, Any]) -> str:
        return self._work.queue.put(report, priority=self._work.priority)

    def _move(self, outcome: _Outcome) -> None:
        """Move a finished file; if that is refused, only the move is retried."""
        source, result, text = outcome
        name, finished = source.path.name, self._work.finished
        try:
            if off_hub(lambda: has_changed(source)):
                del self._unmoved[name]
                self._note_change(name, "after it was converted", result.item_ids)
                return
            if result.status == FAILED:
                off_hub(lambda: finished.fail(source, text))
            else:
                off_hub(lambda: finished.finish(source))
        except OSError as exc:
            _log.warning("cannot move %s yet: %s", source.path, exc)
            self._later[name] = self._timer() + AGAIN
            return
        del self._unmoved[name]
        self._counts.add(result)
        if result.status == FAILED:
            _log.warning("%s could not be converted: %s", name, result.reason)
        if self._progress is not None:
            self._progress(self._counts.files, max(self._seen, self._counts.files))
        if self._work.on_result is not None:
            self._work.on_result(result)
