"""Whether the owners of claims are still alive, as another process sees it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import Timeout

from pywats_green.queue.folder.files import EXHAUSTED, remove
from pywats_green.queue.folder.names import is_owner
from pywats_green.queue.folder.owners import (
    OWNERS,
    beat_path,
    is_of_this_process,
    lock_path,
    this_host,
    this_kernel,
    try_lock,
)

# A lock file is not yet locked at the moment of its creation; older ones are leftovers.
_LITTER_AGE = 3600.0


class Holder(NamedTuple):
    """Another owner, as an observer sees it.

    Attributes:
        name: For people.
        dies_in: Seconds until it is taken for dead; None: it shows that it lives, or is dead.
        is_dead: Whether it is dead, and its claims could not be taken back.
    """

    name: str
    dies_in: float | None
    is_dead: bool


class Observer:
    """Watches the other owners of a queue's folder.

    An owner whose lock is held lives. On this machine, where the kernel is the same or the host,
    one whose lock is free is dead. Everything else says nothing (a shared folder may not forward
    locks, another user may not open the file, someone may have deleted it): then an owner is dead
    if its heartbeat has not changed for the length of the lease, on the clock of the observer. An
    observer without file descriptors or memory, who cannot even look, takes nobody for dead.

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
        self._kernel = this_kernel()
        self._seen: dict[str, tuple[bytes | None, float, bool]] = {}
        self._buried: set[str] = set()
        self.holders: dict[str, Holder] = {}

    @contextlib.contextmanager
    def seize(self, owner_id: str) -> Iterator[bool]:
        """Take over from an owner if it is dead; yields whether it is.

        At the end the files of an owner that was buried meanwhile are removed.
        """
        beat = self._read_beat(owner_id)
        values = _parsed(beat)
        lock = None
        can_tell = True
        lives = is_of_this_process(owner_id)
        lock_file = lock_path(self._folder, owner_id)
        try:
            # If another process removed its files meanwhile, the attempt created this one.
            lock = try_lock(lock_file) if not lives and lock_file.exists() else None
        except Timeout:
            lives = True
        except OSError as error:  # another user's folder: nobody else sees what is in there
            can_tell = error.errno not in EXHAUSTED
        dies_in = None
        if not lives and not (lock is not None and self._was_locked_here(values)):
            dies_in = self._dies_in(owner_id, beat)
        dead = not lives and dies_in is None
        if dies_in is not None:
            dead = dies_in <= 0 and can_tell
            dies_in = None if dead or self._shows_life(owner_id) else max(0.0, dies_in)
        self.holders[owner_id] = Holder(_described(owner_id, values), dies_in, dead)
        try:
            yield dead
            if owner_id in self._buried:
                remove(beat_path(self._folder, owner_id))
        finally:
            if lock is not None:
                lock.release()
        if owner_id in self._buried:
            self._buried.discard(owner_id)
            self._seen.pop(owner_id, None)
            self.holders.pop(owner_id, None)
            remove(lock_path(self._folder, owner_id))

    def bury(self, owner_id: str) -> None:
        """Have the files of a seized owner removed: all its claims are back."""
        self._buried.add(owner_id)

    def forget_all_but(self, owners: set[str]) -> None:
        """Drop what is known of owners that have no claims any more."""
        for known in (self._seen, self.holders):
            for owner_id in known.keys() - owners:
                del known[owner_id]

    def sweep(self) -> None:
        """Remove the files of owners that died without claims."""
        now = time.time()
        with contextlib.suppress(OSError):
            for path in list((self._folder / OWNERS).glob("*.lock")):
                if not is_owner(path.stem) or now - path.stat().st_mtime <= _LITTER_AGE:
                    continue
                if self._read_beat(path.stem) is not None:
                    with self.seize(path.stem) as is_dead:
                        if is_dead:
                            self.bury(path.stem)
                    continue
                with contextlib.suppress(Timeout):
                    if (lock := try_lock(path)) is not None:  # its files' remover was killed
                        lock.release()
                        remove(path)

    def _read_beat(self, owner_id: str) -> bytes | None:
        try:
            return beat_path(self._folder, owner_id).read_bytes()
        except OSError:
            return None

    def _was_locked_here(self, values: dict[str, Any]) -> bool:
        """Return whether an owner locked its file, and where a free lock means that it is dead."""
        is_here = values.get("host") == self._host or (
            self._kernel and values.get("kernel") == self._kernel
        )
        return bool(is_here and values.get("locked"))

    def _dies_in(self, owner_id: str, beat: bytes | None) -> float:
        """Return the seconds until it has been silent for the length of the lease."""
        now = self._timer()
        last, since, has_beaten = self._seen.get(owner_id, (None, None, False))
        if since is None or last != beat:
            self._seen[owner_id] = (beat, now, has_beaten or since is not None)
            return self._lease
        return since + self._lease - now

    def _shows_life(self, owner_id: str) -> bool:
        """Return whether it was seen beating, and has missed no more than one beat since."""
        _, since, has_beaten = self._seen[owner_id]
        return has_beaten and self._timer() - since < self._lease / 2


def _parsed(beat: bytes | None) -> dict[str, Any]:
    try:
        values = json.loads(beat or b"")
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _described(owner_id: str, values: dict[str, Any]) -> str:
    host, _, _ = str(values.get("host") or "unknown host").partition("/")
    return f"owner {owner_id} ({host}, pid {values.get('pid', 'unknown')})"
