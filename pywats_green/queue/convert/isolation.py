"""Runs a converter in a child process, where a hang or a crash harms nobody else.

Not a ProcessPoolExecutor: there, one crash breaks every future of the pool, a hanging worker
cannot be ended, children import the main program, and on Windows the manager thread, a greenlet in
a patched process, would wait natively and freeze the hub.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pickle
import signal
import sys
from multiprocessing import spawn
from pathlib import Path
from typing import Any, Protocol, cast

import gevent
from gevent import subprocess

from pywats_green.exceptions import ConverterImportError, UnreadableReportError
from pywats_green.queue.convert import child as child_script
from pywats_green.queue.convert.child import (
    FAILED,
    OUT_OF_MEMORY,
    READY,
    ConversionReply,
    receive,
    send,
)
from pywats_green.queue.folder.body import SMALL, parse
from pywats_green.queue.folder.files import off_hub

CHILD_NAME = "pywats_green converter"
START_TIMEOUT = 60.0  # seconds for Python and the converter's imports

_ADVICE = "define it at the top level of an importable module, or pass isolate=False"


class Converter(Protocol):
    """Converts one file after another."""

    def start(self) -> None:
        """Make sure that it is able to convert."""

    def convert(self, path: Path) -> ConversionReply:
        """Convert a file."""

    def close(self) -> None:
        """Release its resources."""


class Inline:
    """Converts in this process.

    Args:
        convert: As for `ConverterPool`.
        timeout: Seconds for a file; it only interrupts cooperative waits. None: no limit.
    """

    def __init__(self, convert: Any, timeout: float | None) -> None:
        self._convert = convert
        self._timeout = timeout

    def start(self) -> None:
        """Do nothing."""

    def convert(self, path: Path) -> ConversionReply:
        """Convert a file.

        Returns:
            What became of the file; failed if it took too long.
        """
        timer = gevent.Timeout.start_new(self._timeout)
        try:
            answer = child_script.convert_file(self._convert, path)
        except gevent.Timeout as expired:
            if expired is not timer:
                raise
            return _too_slow(self._timeout)
        finally:
            timer.close()
        try:
            return cast("ConversionReply", parse(answer))
        except UnreadableReportError as exc:
            return _unreadable(exc)

    def close(self) -> None:
        """Do nothing."""


def plan_for(convert: Any, memory_limit: int | None = None) -> bytes:
    """Serialise what a child needs to find the converter.

    Args:
        convert: As for `ConverterPool`.
        memory_limit: Bytes that a child may take. None: no limit.

    Returns:
        The first message to a child.

    Raises:
        ConverterImportError: A child could not import it; the message says what to do.
    """
    if multiprocessing.current_process().name == CHILD_NAME:
        raise ConverterImportError(
            "a child process imports this program to find the converter, and must not start it "
            'again: put the start under if __name__ == "__main__":'
        )
    if getattr(sys, "frozen", False):
        raise ConverterImportError("a frozen program cannot start children: pass isolate=False")
    try:
        pickled = pickle.dumps(convert)
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        raise ConverterImportError(
            f"no child process can import {convert!r} ({exc}): {_ADVICE}"
        ) from exc
    preparation = spawn.get_preparation_data(CHILD_NAME)
    preparation.pop("authkey", None)  # refuses to be pickled, and nothing of ours asks for it
    main = {
        key: preparation.pop(key, None) for key in ("init_main_from_name", "init_main_from_path")
    }
    if b"__main__" in pickled:
        # The child imports the main program only for a converter that stands in it.
        if not (main["init_main_from_name"] or Path(main["init_main_from_path"] or "").is_file()):
            raise ConverterImportError(
                f"{convert!r} was typed in, so there is no file that a child process could "
                f"import: {_ADVICE}"
            )
        preparation.update({key: value for key, value in main.items() if value})
    return pickle.dumps(
        {"preparation": preparation, "convert": pickled, "memory_limit": memory_limit}
    )


def can_limit_memory() -> bool:
    """Return whether the system can limit the memory of a child: Windows and macOS cannot."""
    return os.name == "posix" and sys.platform != "darwin"


class Isolated:
    """Converts in a child process, which is started on demand and replaced when it has ended.

    One greenlet at a time may use it.

    Args:
        plan: From `plan_for`.
        timeout: Seconds for a file, from the moment a ready child has it. None: no limit.
        memory_limit: The one in the plan, in bytes. None: no limit.
    """

    def __init__(self, plan: bytes, timeout: float | None, memory_limit: int | None = None) -> None:
        self._plan = plan
        self._timeout = timeout
        self._memory_limit = memory_limit
        self._child: Any = None
        self._is_fresh = True

    def convert(self, path: Path) -> ConversionReply:
        """Convert a file; if the child hangs or ends meanwhile, only this file fails.

        A file only fails for want of memory if a limit is set and a fresh child reaches it: what
        earlier files have left behind is not its fault.

        Returns:
            What became of the file.

        Raises:
            ConverterImportError: The child cannot import the converter.
            OSError: No process can be started.
        """
        answer = self._ask(path)
        if answer["status"] == OUT_OF_MEMORY and not self._is_fresh:
            self.close()
            answer = self._ask(path)
        if answer["status"] == OUT_OF_MEMORY:
            self.close()  # a process keeps what it once took
            if self._memory_limit is not None:
                return {
                    "status": FAILED,
                    "reason": "the converter needs more memory than memory_limit "
                    f"({self._memory_limit} bytes)",
                }
        self._is_fresh = False
        return answer

    def _ask(self, path: Path) -> ConversionReply:
        request = json.dumps(str(path)).encode()
        child = self._ready()
        try:
            try:
                send(child.stdin, request)
            except OSError:  # it ended before it had the file
                child = self._ready()
                send(child.stdin, request)
            answer = self._await(child, self._timeout)
        except UnreadableReportError as exc:  # we are deeper in calls than the child that wrote it
            return _unreadable(exc)
        except BaseException:
            self.close()  # nobody waits for its answer any more
            raise
        if answer is TIMED_OUT:
            self.close()
            return _too_slow(self._timeout)
        if answer is None:
            status = child.wait()
            self.close()
            return {"status": FAILED, "reason": f"the converter's process ended {_ending(status)}"}
        return cast("ConversionReply", answer)

    def start(self) -> None:
        """Start the child now.

        Raises:
            ConverterImportError: It cannot import the converter.
            OSError: No process can be started.
        """
        self._ready()

    def _ready(self) -> Any:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()  # it ended between two files
        flags = [f"-W{option}" for option in sys.warnoptions]
        if sys.flags.utf8_mode:
            flags.append("-Xutf8")  # decides how the converter reads text
        child: Any = subprocess.Popen(
            [sys.executable, *flags, child_script.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
            start_new_session=os.name == "posix",  # so that what it starts ends with it
        )
        self._child, self._is_fresh = child, True
        try:
            failure = self._failure_of_start(child)
        except BaseException:
            self.close()
            raise
        if failure is None:
            return child
        self.close()
        if self._memory_limit is not None:
            failure += f" (memory_limit is {self._memory_limit} bytes)"
        raise ConverterImportError(
            f"the child process cannot import the converter: {failure}. No file was moved; "
            f"{_ADVICE}"
        )

    def _failure_of_start(self, child: Any) -> str | None:
        with contextlib.suppress(OSError):
            send(child.stdin, self._plan)
        answer = self._await(child, START_TIMEOUT)
        if answer is None:
            return f"its process ended {_ending(child.wait())} while importing it"
        if answer is TIMED_OUT:
            return f"importing it took longer than {START_TIMEOUT:g} seconds"
        return None if answer["status"] == READY else str(answer["reason"])

    def _await(self, child: Any, timeout: float | None) -> Any:
        """Return the next answer; None: the child ended; TIMED_OUT: it took too long."""
        timer = gevent.Timeout.start_new(timeout)
        try:
            frame = receive(child.stdout)
        except gevent.Timeout as expired:
            if expired is not timer:
                raise
            return TIMED_OUT
        finally:
            timer.close()
        if frame is None or len(frame) <= SMALL:
            return None if frame is None else parse(frame)
        return off_hub(lambda: parse(frame, large=True))

    def close(self) -> None:
        """End the child and, on POSIX, what it started."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:  # otherwise its pid may have been reused
            if os.name == "posix":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):  # what it has not read
                stream.close()


TIMED_OUT: Any = object()


def _too_slow(timeout: float | None) -> ConversionReply:
    return {"status": FAILED, "reason": f"the converter took longer than {timeout:g} seconds"}


def _unreadable(exc: UnreadableReportError) -> ConversionReply:
    return {"status": FAILED, "reason": f"the report cannot be read back: {exc}"}


def _ending(status: int) -> str:
    if status >= 0:
        return f"with status {status if status < 1 << 16 else hex(status)}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"by signal {-status}"
    # Not by us, who would have said why. Linux does so to the largest when memory runs out.
    return f"by signal {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
