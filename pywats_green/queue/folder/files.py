"""Atomic and durable files, written and read off the hub."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent import monkey

from pywats_green.exceptions import QueueFolderError
from pywats_green.queue.folder.long_paths import plain
from pywats_green.queue.held_files import patiently

T = TypeVar("T")

# gevent's leaves it to the loop of its thread, and a thread of a pool need not run one. Nothing
# ever waits for a folder's descriptor.
_close: Callable[[int], None] = monkey.get_original("os", "close")

TEMPORARY = ".tmp"
_TARGETED = re.compile(r"\.[0-9a-f]{8}\.(.+)\.tmp", re.DOTALL)
_DRAFT = re.compile(r"\.[0-9a-f]{16}\.tmp")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says of a full disk."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the system says of any file to a process without means; it says nothing about the file."""

# What file systems without hard links say.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM}


def off_hub(function: Callable[[], T], abandoned: list[Any] | None = None) -> T:
    """Run a function in a native thread while other greenlets go on.

    If the waiting greenlet is killed, the function still runs to its end, so it must do no harm.

    Args:
        function: The function.
        abandoned: Gets the AsyncResult of the function if the waiting greenlet is killed. None:
            nobody needs it.

    Raises:
        Exception: Whatever the function raises.
    """
    hub = gevent.get_hub()
    if gevent.getcurrent() is hub:
        return function()  # a callback of the hub itself has nowhere to switch to
    running: Any = hub.threadpool.spawn(_settle, function)
    try:
        error, results = running.get()
    except BaseException:
        if abandoned is not None and not running.ready():
            abandoned.append(running)
        raise
    if error is not None:
        raise error
    result: T = results[0]
    return result


def _settle(function: Callable[[], T]) -> tuple[Exception | None, list[T]]:
    """Call a function; gevent would print the traceback of what a task of its pool raises."""
    try:
        return None, [function()]
    except Exception as error:  # noqa: BLE001  # raised by the one who waits
        return error, []


def draft_name() -> str:
    """Return a new temporary name."""
    return f".{secrets.token_hex(8)}{TEMPORARY}"


def is_draft(name: str) -> bool:
    """Return whether a name is a temporary one of ours."""
    return _DRAFT.fullmatch(name) is not None


def target_of(name: str) -> str | None:
    """Return the future name that a temporary name tells; None: it tells none."""
    match = _TARGETED.fullmatch(name)
    return match[1] if match else None


class Draft:
    """A file under a temporary name, in its future folder.

    Args:
        folder: The future folder.
        target: Its future name, which the temporary one then tells, too: where names are not
            durable at once, a power failure may bring the temporary one back. None: it does not
            matter.
    """

    def __init__(self, folder: Path, target: str | None = None) -> None:
        name = draft_name() if target is None else f".{secrets.token_hex(4)}.{target}{TEMPORARY}"
        self.path = folder / name
        self._dropped = False

    def write(self, data: bytes) -> None:
        """Write and fsync the file; on failure, or after `drop`, nothing is left.

        Raises:
            OSError: It could not be written.
        """
        try:
            with patiently(lambda: self.path.open("xb")) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.drop()
            raise
        # The greenlet that waited for this thread may have been killed; it will not clean up.
        if self._dropped:
            self.drop()

    def drop(self) -> None:
        """Remove what was written."""
        self._dropped = True
        with contextlib.suppress(OSError):
            self.path.unlink()


def move_new(path: Path, target: Path) -> None:
    """Give a file a new name that nobody else has; without hard links there is a tiny gap.

    Raises:
        FileExistsError: There is such a file.
        OSError: It could not be renamed.
    """
    if os.name != "nt":  # there, a rename overwrites nothing
        if patiently(lambda: _is_linked(path, target)):
            remove_patiently(path)
            return
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    patiently(lambda: path.rename(target))


def _is_linked(path: Path, target: Path) -> bool:
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, if the system can (Windows cannot open a folder).

    Raises:
        OSError: The disk failed.
    """
    if os.name == "nt":
        return
    descriptor = patiently(lambda: os.open(folder, os.O_RDONLY))
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network file systems cannot
            raise
    finally:
        _close(descriptor)


def write_small(path: Path, data: bytes) -> None:
    """Replace a small file atomically, without fsync: for what a power failure may take.

    Raises:
        OSError: It could not be written; the old content is still there.
    """
    draft = path.parent / draft_name()
    try:
        patiently(lambda: draft.write_bytes(data))
        patiently(lambda: draft.replace(path))
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def remove(path: Path) -> None:
    """Remove a file if possible at once: for what would merely be left over."""
    with contextlib.suppress(OSError):
        path.unlink()


def remove_patiently(path: Path) -> None:
    """Remove a file, even if another program holds it for a moment; give up quietly."""
    with contextlib.suppress(OSError):
        patiently(path.unlink)


def folder_error(doing: str, folder: Path, error: OSError) -> QueueFolderError:
    """Translate an error of the system about a queue's folder."""
    raised = QueueFolderError(plain(f"Cannot {doing} in the queue folder {folder}: {error}"))
    raised.errno = error.errno
    return raised
