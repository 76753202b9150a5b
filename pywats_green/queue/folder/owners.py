"""Owners of claims, and whether they are still alive.

An owner is a file locked by the operating system, and a heartbeat beside it:

    owners/<owner>.lock     locked for as long as the owner lives; the system frees it
    owners/<owner>.json     host, pid, and a number that grows with every beat

They are two files because on Windows nobody else can read a locked file.
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

from pywats_green.queue.folder.files import (
    folder_error,
    remove,
    remove_patiently,
    write_small,
)
from pywats_green.queue.folder.names import is_owner
from pywats_green.queue.patience import patiently

OWNERS = "owners"

# A lock file is not yet locked at the moment of its creation; older ones are leftovers.
_LITTER_AGE = 3600.0

# Owners of this process, with its pid: a forked child is not the owner it has a copy of.
_living: dict[str, int] = {}

# Copies in a forked child. Collecting them there could release the parent's lock.
_inherited: list[Owner] = []


def is_of_this_process(owner_id: str) -> bool:
    """Tell whether an owner lives in this process."""
    return _living.get(owner_id) == os.getpid()


def this_host() -> str:
    """Return an identifier of this machine; host names alone are not unique."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    return f"{socket.gethostname()}/{machine}"


def lock_path(folder: Path, owner_id: str) -> Path:
    """Return the path of an owner's lock file."""
    return folder / OWNERS / f"{owner_id}.lock"


def beat_path(folder: Path, owner_id: str) -> Path:
    """Return the path of an owner's heartbeat."""
    return folder / OWNERS / f"{owner_id}.json"


def try_lock(path: Path) -> BaseFileLock | None:
    """Lock a file without waiting; None: it is locked, or this file system has no locks."""
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
        try:
            patiently(lambda: (folder / OWNERS).mkdir(exist_ok=True))
            # On a file system without locks, there is only the heartbeat.
            self._lock = try_lock(lock_path(folder, self.owner_id))
            self._write_beat()
        except OSError as error:
            raise folder_error("become an owner", folder, error) from error
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


class Observer:
    """Watches the other owners of a queue's folder.

    On this host the lock decides: if it is free, the owner is dead. It says nothing about another
    host (a shared folder may not forward locks); an owner there is dead if its heartbeat has not
    changed for the length of the lease, on the clock of the observer.

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
        """Take over from an owner if it is dead; yields whether it is.

        At the end the files of a dead owner are removed; its claims must be back by then.
        """
        beat = self._read_beat(owner_id)
        lock = None
        dead = False
        if is_of_this_process(owner_id):
            pass
        elif self._is_locked_here(beat):
            lock_file = lock_path(self._folder, owner_id)
            lock = try_lock(lock_file) if lock_file.exists() else None
            # If another process removed its files meanwhile, the attempt created this one.
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
        """Remove the files of owners that died without claims."""
        now = time.time()
        with contextlib.suppress(OSError):
            for path in list((self._folder / OWNERS).glob("*.lock")):
                if not is_owner(path.stem) or now - path.stat().st_mtime <= _LITTER_AGE:
                    continue
                if self._read_beat(path.stem) is not None:
                    with self.seize(path.stem):
                        pass
                elif (lock := try_lock(path)) is not None:  # whoever removed its files was killed
                    lock.release()
                    remove(path)

    def _read_beat(self, owner_id: str) -> bytes | None:
        try:
            return beat_path(self._folder, owner_id).read_bytes()
        except OSError:
            return None

    def _is_locked_here(self, beat: bytes | None) -> bool:
        """Tell whether the owner runs on this host and holds its lock."""
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
