"""Owners of claims, and whether they are still alive.

An owner is a file locked by the operating system, and a heartbeat beside it:

    owners/<owner>.lock     locked for as long as the owner lives; the system frees it
    owners/<owner>.json     host, kernel, pid, and a number that grows with every beat

They are two files because on Windows nobody else can read a locked file. On a full disk there may
be neither; then others wait for the lease.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import gevent
from filelock import BaseFileLock, FileLock, Timeout

from pywats_green.queue.folder.files import (
    EXHAUSTED,
    FULL,
    folder_error,
    remove_patiently,
    write_small,
)
from pywats_green.queue.folder.long_paths import plain
from pywats_green.queue.held_files import patiently

logger = logging.getLogger(__name__)

OWNERS = "owners"

# Owners of this process, with its pid: a forked child is not the owner it has a copy of.
_living: dict[str, int] = {}

# Copies in a forked child. Collecting them there could release the parent's lock.
_inherited: list[Owner] = []


def is_of_this_process(owner_id: str) -> bool:
    """Return whether an owner lives in this process."""
    return _living.get(owner_id) == os.getpid()


def this_host() -> str:
    """Return an identifier of this machine; host names alone are not unique."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    return f"{socket.gethostname()}/{machine}"


def this_kernel() -> str:
    """Return an identifier of the running kernel, which the containers of a machine share."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def lock_path(folder: Path, owner_id: str) -> Path:
    """Return the path of an owner's lock file."""
    return folder / OWNERS / f"{owner_id}.lock"


def beat_path(folder: Path, owner_id: str) -> Path:
    """Return the path of an owner's heartbeat."""
    return folder / OWNERS / f"{owner_id}.json"


def try_lock(path: Path) -> BaseFileLock | None:
    """Lock a file without waiting.

    Returns:
        The lock. None: here, a lock tells nothing: there are none on this file system, this user
        may not lock the file, there is no room for it, or the disk fails.

    Raises:
        Timeout: Someone holds it.
        OSError: This process lacks file descriptors or memory, so it could not even look.
    """
    lock = FileLock(
        path,
        timeout=0,
        thread_local=False,
        # Not what filelock makes of a file system without locks, which would outlive its owner.
        fallback_to_soft=False,
        # On Windows it would be removed with the lock: but one that is there and free tells of a
        # dead owner, one that is gone of nothing.
        preserve_lock_file=True,
    )
    try:
        lock.acquire()
    except Timeout:
        raise
    except NotImplementedError:  # filelock's word for a system without them
        return None
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return None
    return lock


def make_shared(room: Path) -> None:
    """Create a folder in the queue's, for whoever may write there.

    Raises:
        OSError: It cannot be created.
    """
    if patiently(room.is_dir):
        return
    patiently(lambda: room.mkdir(exist_ok=True))
    with contextlib.suppress(OSError):
        room.chmod(room.parent.stat().st_mode & 0o7777)


def is_alive_here(folder: Path, owner_id: str) -> bool:
    """Return whether an owner certainly lives: in this process, or holding its lock.

    Raises:
        OSError: This process lacks file descriptors or memory, so it could not even look.
    """
    path = lock_path(folder, owner_id)
    if is_of_this_process(owner_id):
        return True
    try:
        lock = try_lock(path) if path.exists() else None
    except Timeout:
        return True
    except PermissionError:  # another user's folder
        return False
    if lock is not None:
        lock.release()
    return False


class Owner:
    """Holds claims in a queue's folder for as long as it lives.

    Args:
        folder: The queue's folder.
        lease: Seconds after which other hosts consider a silent owner dead; it beats four times
            as often.
        timer: Seconds, monotonic.

    Raises:
        QueueFolderError: Its files cannot be written.
    """

    def __init__(
        self, folder: Path, lease: float, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.owner_id = secrets.token_hex(4)
        self._pid = os.getpid()
        self._folder = folder
        self._pause = lease / 4
        self._timer = timer
        self._beats = 0
        self._beaten_at = timer()
        self._lock: BaseFileLock | None = None
        try:
            make_shared(folder / OWNERS)
            # On a file system without locks, there is only the heartbeat.
            self._lock = try_lock(lock_path(folder, self.owner_id))
            self._write_beat()
        except OSError as error:
            if error.errno not in FULL:  # what is sent makes room
                raise folder_error("become an owner", folder, error) from error
            logger.warning(
                "The disk is full; no heartbeat in %s until it has room", plain(str(folder))
            )
        _living[self.owner_id] = self._pid
        weakref.finalize(self, _living.pop, self.owner_id, None)
        self._heart = gevent.spawn(_beat_on, weakref.ref(self), self._pause)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a copy in a forked child; the owner is the parent."""
        return self._pid != os.getpid()

    def beat(self) -> None:
        """Renew the heartbeat if it is time to."""
        if self._timer() - self._beaten_at < self._pause:
            return
        try:
            self._write_beat()
        except OSError:
            return  # on Windows, someone is reading it; or the folder is gone: try next time

    def close(self) -> None:
        """Release the lock and remove the files; the claims must have been put back before."""
        if self.is_inherited:
            _inherited.append(self)
            return
        self._heart.kill(block=False)
        _living.pop(self.owner_id, None)
        remove_patiently(beat_path(self._folder, self.owner_id))
        if self._lock is not None:
            self._lock.release()
        remove_patiently(lock_path(self._folder, self.owner_id))

    def _write_beat(self) -> None:
        self._beats += 1
        self._beaten_at = self._timer()
        beat = {
            "host": this_host(),
            "kernel": this_kernel(),
            "pid": self._pid,
            "beat": self._beats,
            "locked": self._lock is not None,
        }
        write_small(beat_path(self._folder, self.owner_id), json.dumps(beat).encode("ascii"))


def _beat_on(reference: weakref.ref[Owner], pause: float) -> None:
    """Beat until the owner is collected, which this must not prevent."""
    while True:
        gevent.sleep(pause, ref=False)  # so that nobody waits for this
        owner = reference()
        if owner is None:
            return
        owner.beat()
        del owner
