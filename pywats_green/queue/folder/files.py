"""Files that are there whole or not at all, written and read off the hub."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import gevent

from pywats_green.exceptions import QueueFolderError

T = TypeVar("T")

TEMPORARY = ".tmp"

_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM}


def off_hub(function: Callable[[], T]) -> T:
    """Run a function in a native thread, so that every other greenlet goes on meanwhile.

    A greenlet that is killed while it waits leaves the function running: it must do no harm then.

    Raises:
        Exception: What the function raises.
    """
    hub = gevent.get_hub()
    if gevent.getcurrent() is hub:
        return function()  # a callback of the hub itself has nowhere to switch to
    error, results = hub.threadpool.apply(_settle, (function,))
    if error is not None:
        raise error
    result: T = results[0]
    return result


def _settle(function: Callable[[], T]) -> tuple[Exception | None, list[T]]:
    """Call a function. gevent prints the traceback of whatever a task of its pool raises."""
    try:
        return None, [function()]
    except Exception as error:  # noqa: BLE001  # raised where it was waited for
        return error, []


class Draft:
    """A file under a temporary name, in the folder where it is to be.

    Args:
        folder: Where the file is to be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
        self._dropped = False

    def write(self, data: bytes) -> None:
        """Write and fsync the file; where that fails, or `drop` was called, nothing stays.

        Raises:
            OSError: It could not be written.
        """
        try:
            with self.path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.drop()
            raise
        # The greenlet that waited for this thread may have been killed, and cannot come back.
        if self._dropped:
            self.drop()

    def drop(self) -> None:
        """Remove what was written."""
        self._dropped = True
        with contextlib.suppress(OSError):
            self.path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can (Windows cannot open a folder).

    Raises:
        OSError: The disk could not.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network file systems know no such thing
            raise
    finally:
        os.close(descriptor)


def write_small(path: Path, data: bytes) -> None:
    """Replace a small file in one step, without fsync: for what may be lost with the power.

    Raises:
        OSError: It could not be written; the old contents are still there.
    """
    draft = path.parent / f".{secrets.token_hex(8)}{TEMPORARY}"
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def remove(path: Path) -> None:
    """Remove a file that may be gone, or not removable: for what is only litter."""
    with contextlib.suppress(OSError):
        path.unlink()


def folder_error(doing: str, folder: Path, error: OSError) -> QueueFolderError:
    """Return the error to raise for what the system said about a queue's folder."""
    raised = QueueFolderError(f"Cannot {doing} in the queue folder {folder}: {error}")
    raised.errno = error.errno
    return raised
