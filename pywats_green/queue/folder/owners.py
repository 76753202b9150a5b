"""Owners of claims, and who of them is dead.

An owner is a file under an operating-system lock, and a heartbeat beside it:

    owners/<owner>.lock     locked for as long as the owner lives; the system frees it
    owners/<owner>.json     host, pid, and a number that grows with every beat

They are two files because on Windows nobody else can read a locked one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
from filelock import BaseFileLock, FileLock, Timeout

from pywats_green.queue.folder.files import folder_error, remove, write_small

OWNERS = "owners"

# A lock file is not locked at the very moment it is made. Only what is this old is litter.
_LITTER_AGE = 3600.0

# Owners of this process, with its pid: a forked child is not the owner that it has copied.
_living: dict[str, int] = {}

# Copies in a forked child. They must not be collected there: that could undo the parent's lock.
_inherited: list[Owner] = []


def is_of_this_process(owner_id: str) -> bool:
    """Tell whether an owner lives in this process."""
    return _living.get(owner_id) == os.getpid()


def this_host() -> str:
    """Return what tells this machine from others: two may have the same name."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    return f"{socket.gethostname()}/{machine}"


def lock_path(folder: Path, owner_id: str) -> Path:
    """Return the file that an owner keeps locked."""
    return folder / OWNERS / f"{owner_id}.lock"


def beat_path(folder: Path, owner_id: str) -> Path:
    """Return the file with an owner's heartbeat."""
    return folder / OWNERS / f"{owner_id}.json"


def try_lock(path: Path) -> BaseFileLock | None:
    """Lock a file without waiting; None: somebody holds it, or this file system has no locks."""
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except (Timeout, OSError, NotImplementedError):
        return None
    return lock


class Owner:
    """Holds claims in a queue's folder for as long as it lives.

    Args:
        folder: The queue's folder.
        lease: Seconds after which other hosts take a silent owner for dead; it beats four times
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
        try:
            (folder / OWNERS).mkdir(exist_ok=True)
            # Without locks on this file system the heartbeat alone speaks for this owner.
            self._lock = try_lock(lock_path(folder, self.owner_id))
            self._write_beat()
        except OSError as error:
            raise folder_error("become an owner", folder, error) from error
        _living[self.owner_id] = self._pid
        weakref.finalize(self, _living.pop, self.owner_id, None)
        self._heart = gevent.spawn(_beat_on, weakref.ref(self), self._pause)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child's copy: the owner is the parent, and goes on."""
        return self._pid != os.getpid()

    def beat(self) -> None:
        """Show that the owner lives, if it is time to."""
        if self._timer() - self._beaten_at < self._pause:
            return
        try:
            self._write_beat()
        except OSError:
            return  # being read just now on Windows, or the folder is away: the next one counts

    def close(self) -> None:
        """Give up the lock and remove the files; the claims must have been given back before."""
        if self.is_inherited:
            _inherited.append(self)
            return
        self._heart.kill(block=False)
        _living.pop(self.owner_id, None)
        remove(beat_path(self._folder, self.owner_id))
        if self._lock is not None:
            self._lock.release()
        remove(lock_path(self._folder, self.owner_id))

    def _write_beat(self) -> None:
        self._beats += 1
        self._beaten_at = self._timer()
        beat = {
            "host": this_host(),
            "pid": self._pid,
            "beat": self._beats,
            "locked": self._lock is not None,
        }
        write_small(beat_path(self._folder, self.owner_id), json.dumps(beat).encode("ascii"))


def _beat_on(reference: weakref.ref[Owner], pause: float) -> None:
    """Beat until the owner is gone; it must not be kept alive by its own heart."""
    while True:
        gevent.sleep(pause, ref=False)  # nobody is to wait for this
        owner = reference()
        if owner is None:
            return
        owner.beat()
        del owner


class Observer:
    """Watches the other owners of a queue's folder.

    On this host the lock speaks: where it is free, the owner is dead. A lock says nothing about
    another host (a shared folder may not pass locks on), so there the owner is dead when its
    heartbeat has not changed for the lease time, on the clock of the one who watches.

    Args:
        folder: The queue's folder.
        lease: Seconds.
        timer: Seconds, monotonic.
    """

    def __init__(
        self, folder: Path, lease: float, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._lease = lease
        self._timer = timer
        self._host = this_host()
        self._seen: dict[str, tuple[bytes | None, float]] = {}

    @contextlib.contextmanager
    def seize(self, owner_id: str) -> Iterator[bool]:
        """Take over the estate of an owner; inside, true if it is dead, and then it is ours.

        At the end the files of a dead owner are removed. Its claims must all be back by then.
        """
        beat = self._read_beat(owner_id)
        lock = None
        dead = False
        if is_of_this_process(owner_id):
            pass
        elif self._speaks_by_lock(beat):
            lock_file = lock_path(self._folder, owner_id)
            lock = try_lock(lock_file) if lock_file.exists() else None
            # Another process may have buried it meanwhile; then this file was made by the try.
            dead = lock is not None
        else:
            dead = self._is_silent(owner_id, beat)
        try:
            yield dead
            if dead:
                remove(beat_path(self._folder, owner_id))
        finally:
            if lock is not None:
                lock.release()
        if dead:
            self._seen.pop(owner_id, None)
            remove(lock_path(self._folder, owner_id))

    def sweep(self) -> None:
        """Remove the files of owners that died without a claim."""
        now = time.time()
        with contextlib.suppress(OSError):
            for path in list((self._folder / OWNERS).glob("*.lock")):
                if now - path.stat().st_mtime <= _LITTER_AGE:
                    continue
                if self._read_beat(path.stem) is not None:
                    with self.seize(path.stem):
                        pass
                elif (lock := try_lock(path)) is not None:  # killed while it was being buried
                    lock.release()
                    remove(path)

    def _read_beat(self, owner_id: str) -> bytes | None:
        try:
            return beat_path(self._folder, owner_id).read_bytes()
        except OSError:
            return None

    def _speaks_by_lock(self, beat: bytes | None) -> bool:
        """Tell whether the owner said that it is of this host and holds its lock."""
        try:
            values = json.loads(beat or b"")
        except ValueError:
            return False
        return (
            isinstance(values, dict) and values.get("host") == self._host and bool(values["locked"])
        )

    def _is_silent(self, owner_id: str, beat: bytes | None) -> bool:
        now = self._timer()
        last, since = self._seen.get(owner_id, (None, None))
        if since is None or last != beat:
            self._seen[owner_id] = (beat, now)
            return False
        return now - since >= self._lease
