"""ConverterPool: turns the files that appear in a folder into reports in a queue."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from gevent.event import Event

from pywats_green.arguments import (
    require_callable,
    require_count,
    require_seconds,
    require_seconds_or_zero,
)
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError, QueueBusyError
from pywats_green.progress import Progress, reporter
from pywats_green.queue.convert.finished import FinishedFiles
from pywats_green.queue.convert.isolation import (
    Converter,
    Inline,
    Isolated,
    can_limit_memory,
    plan_for,
)
from pywats_green.queue.convert.results import ConversionResult, ConversionSummary
from pywats_green.queue.convert.session import ReportQueue, Session, Work
from pywats_green.queue.convert.watch_folder import SETTLE, WatchFolder
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.signals import stopping_on_signals


class ConverterPool:
    """Converts the files that appear in a folder and puts their reports into a queue.

    A file is taken once it is complete. Its reports are safely in the queue before it moves to the
    subfolder `done`; a file that cannot be converted moves to `error`, next to a `.reason.txt`.
    One that changes after it was taken is converted again, with a warning in the log; those that
    moved are checked once more after a minute, and at the end of the drain or run.

    After a crash, a file may be converted again: a report without an id of its own then gets the
    same id as before, derived from the file's name and content, so the server keeps one report.

    `convert` is called with the path and returns a report (a dict or a model of pywats), a list of
    reports, or None if there is nothing to report. A `FileConverter` or `ConverterBase` of
    `pywats_client` works, too, without a client in its context; even if it asks for the source
    file to be deleted, zipped or kept, the file moves to `done`. Converters run in child
    processes, which are neither patched nor green; one that hangs or crashes costs only the file
    it was converting.

    Only one ConverterPool may watch a folder.

    Args:
        watch_folder: The folder; subfolders are ignored.
        convert: The callable or converter. To run in a child, it must be defined at the top level
            of an importable module.
        queue: A `FolderQueue`, an object with its `put`, or the path of a queue's folder.
        concurrency: How many files are converted at once, each in its own child.
        timeout: Seconds for a file; a child that takes longer is killed. None: no limit.
        isolate: False converts in this process, where a long computation blocks every greenlet and
            `timeout` only interrupts cooperative waits.
        patterns: File names to convert, case-insensitive, such as `["*.csv"]`. None: those that
            the converter declares, otherwise all. Unfinished files (`*.tmp`, `*.part`, a leading
            dot) are always ignored.
        settle: Seconds that the size and the mtime of a file must stand still before it is taken;
            longer than the program that writes it ever pauses. 0: every file is complete. On
            Windows, one that another program has open is not; other systems do not tell.
        memory_limit: Bytes of address space (RLIMIT_AS) for each child; a file that needs more
            fails. Not available on Windows and macOS. None: no limit.
        keep_done: Seconds after which a file in `done` is deleted. None: never.
        priority: The priority of the reports in the queue, 1 to 10; 1 is sent first.
        on_result: Called with a `ConversionResult` after each file, in the greenlet that converted
            it; if it raises, the run ends with that error.
        timer: Seconds, monotonic.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        InvalidArgumentError: The folder does not exist, a number is out of range, or nothing here
            can limit memory.
        ConverterImportError: No child can import `convert`; the message says what to do.
        QueueFolderError: The folder of the queue cannot be created.
    """

    def __init__(
        self,
        watch_folder: str | os.PathLike[str],
        convert: Any,
        queue: str | os.PathLike[str] | ReportQueue,
        *,
        concurrency: int = 4,
        timeout: float | None = 60.0,
        isolate: bool = True,
        patterns: Sequence[str] | None = None,
        settle: float = SETTLE,
        memory_limit: int | None = None,
        keep_done: float | None = None,
        priority: int = 5,
        on_result: Callable[[ConversionResult], object] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        folder = Path(watch_folder).absolute()
        if not folder.is_dir():
            raise InvalidArgumentError(f"watch_folder {str(folder)!r} is not a folder: create it")
        require_count("concurrency", concurrency)
        if timeout is not None:
            require_seconds("timeout", timeout)
        require_seconds_or_zero("settle", settle)
        if keep_done is not None:
            require_seconds("keep_done", keep_done)
        if memory_limit is not None:
            require_count("memory_limit", memory_limit)
            if not (isolate and can_limit_memory()):
                raise InvalidArgumentError(
                    "memory_limit needs a child process (isolate=True) on a system that can limit "
                    "its memory; Windows and macOS cannot: leave it out"
                )
        if not any(callable(part) for part in _entry_points(convert)):
            raise ArgumentTypeError(
                f"convert must be callable with a path, or a converter, not {convert!r}"
            )
        if on_result is not None:
            require_callable("on_result", on_result, "a ConversionResult")
        if isinstance(patterns, str):  # read letter by letter, "*" would fit all files
            raise ArgumentTypeError(f"patterns must be a list of texts, not {patterns!r}")
        files = WatchFolder(folder, patterns or _patterns_of(convert), settle, timer=timer)
        new_converter: Callable[[], Converter]
        if isolate:
            new_converter = partial(
                Isolated, plan_for(convert, memory_limit), timeout, memory_limit
            )
        else:
            new_converter = partial(Inline, convert, timeout)
        if isinstance(queue, (str, os.PathLike)):
            queue = FolderQueue(queue)
        finished = FinishedFiles(folder, keep_done=keep_done, timer=timer)
        self._work = Work(
            files, finished, new_converter, queue, concurrency, priority, on_result, timer
        )
        self._session: Session | None = None
        self._ended = Event()

    def drain(
        self,
        *,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ConversionSummary:
        """Convert until the folder is empty; files still being written are waited for.

        Each file is watched for `settle` seconds first, however old it is. Files that a converter
        suspends, and those for which there was no memory, stay where they are.

        Args:
            progress: True for a bar on stderr, a callable of (files done, files seen), a tqdm
                bar, or a rich `Progress`.
            timeout: Seconds for the whole drain; files that are still being converted then stay
                where they are. None: no limit.

        Returns:
            What was done.

        Raises:
            ConverterImportError: No child can import the converter; no file was moved.
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is not above 0.
            OSError: The folder cannot be read, or the queue cannot write.
            PywatsGreenError: The queue takes no more.
            QueueBusyError: This pool is already running.
        """
        if timeout is not None:
            require_seconds("timeout", timeout)
        session = Session(
            self._work, until_empty=True, timeout=timeout, progress=reporter(progress)
        )
        return self._run(session, nullcontext())

    def run(
        self, handle_signals: bool = False, *, stop_timeout: float | None = 30.0
    ) -> ConversionSummary:
        """Convert what is there and what arrives, until `stop`.

        An unreadable folder and a queue that cannot write or is full are logged and retried.

        Args:
            handle_signals: Whether SIGTERM and SIGINT call `stop(stop_timeout)`; a second signal
                stops at once. The previous handlers are restored at the end.
            stop_timeout: Seconds that a signal gives the files being converted. 0: none. None: no
                limit.

        Returns:
            What was done.

        Raises:
            ConverterImportError: As for `drain`.
            ArgumentTypeError: `stop_timeout` is not a number.
            InvalidArgumentError: `stop_timeout` is negative, or `handle_signals` is used outside
                the main thread.
            QueueBusyError: This pool is already running.
        """
        if stop_timeout is not None:
            require_seconds_or_zero("stop_timeout", stop_timeout)
        session = Session(self._work, until_empty=False)
        signals = (
            stopping_on_signals(lambda hurry: session.stop(0.0 if hurry else stop_timeout))
            if handle_signals
            else nullcontext()
        )
        return self._run(session, signals)

    def stop(self, timeout: float | None = 30.0) -> None:
        """End `run` or `drain`, if one is under way, and wait for its end.

        No more files are taken; those being converted are finished.

        Args:
            timeout: Seconds for that; then the children are killed and their files stay where they
                are. 0: they are killed at once. None: no limit.

        Raises:
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is negative.
        """
        if timeout is not None:
            require_seconds_or_zero("timeout", timeout)
        session = self._session
        if session is not None:
            session.stop(timeout)
            self._ended.wait()

    def _run(self, session: Session, signals: AbstractContextManager[None]) -> ConversionSummary:
        if self._session is not None:
            raise QueueBusyError(
                "this ConverterPool is already running: stop() it first, or make another"
            )
        self._session = session
        self._ended.clear()
        try:
            with signals:
                return session.run()
        finally:
            self._session = None
            self._ended.set()


def _entry_points(convert: Any) -> list[Any]:
    return [convert, getattr(convert, "convert", None), getattr(convert, "convert_file", None)]


def _patterns_of(convert: Any) -> Sequence[str]:
    """Return the file names that a converter of upstream declares."""
    if patterns := getattr(convert, "file_patterns", None):
        return list(patterns)
    extensions = getattr(convert, "supported_extensions", None) or ["*"]
    return ["*" if extension == "*" else f"*{extension}" for extension in extensions]
