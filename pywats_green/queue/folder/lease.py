"""Tells whether another owner is dead, so that its claims may be taken back."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pywats_green.queue.folder.files import remove
from pywats_green.queue.folder.owner import (
    OWNERS,
    beat_path,
    is_of_this_process,
    lock_path,
    this_host,
    try_lock,
)

# A lock file is not locked at the very moment it is made. Only what is this old is litter.
_LITTER_AGE = 3600.0


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
