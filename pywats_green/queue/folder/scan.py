"""Scans the names in a queue's folder without reading reports: 10,000 take tens of ms."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pywats_green.exceptions import UnreadableReportError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.body import SMALL, parse
from pywats_green.queue.folder.meta import Meta, glance_at_meta
from pywats_green.queue.held_files import patiently

QUARANTINE = "quarantine"
ORDER = ".order.json"

# Upstream recovers its own after the same time; none of its requests takes a tenth of it.
UPSTREAM_TIMEOUT = 1800.0


@dataclass(slots=True)
class Found:
    """A waiting file that was not known before.

    Attributes:
        name: Its parsed name.
        sequence: When it was put in, in microseconds since the epoch; a best guess.
        meta: Its sidecar; None: it has none.
    """

    name: names.WaitingName
    sequence: int
    meta: Meta | None


@dataclass(slots=True)
class Snapshot:
    """What the folder contains.

    Attributes:
        waiting: The names of all waiting files.
        found: Those that were not known before.
        claimed: The waiting name and the owner of each claimed file.
        metas: The names of sidecars.
        left: Files that upstream left in one of its own states.
        sent: Files that were delivered but could not be removed.
        quarantined: The number of items in quarantine, and of those that upstream gave up.
        has_order: Whether the folder keeps an `order_by`.
        latest: The largest sequence in our names, claimed ones included.
    """

    waiting: set[str] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)
    claimed: list[tuple[str, str]] = field(default_factory=list)
    metas: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    quarantined: int = 0
    has_order: bool = False
    latest: int = 0


def scan(folder: Path, known: Container[str]) -> Snapshot:
    """Scan the folder.

    Args:
        folder: The queue's folder.
        known: Names of waiting files that need no second look.

    Raises:
        OSError: It cannot be read.
    """
    snapshot = Snapshot()
    fresh: list[tuple[names.WaitingName, os.DirEntry[str]]] = []
    with patiently(lambda: os.scandir(folder)) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith(names.META):
                snapshot.metas.add(name)
            elif name == ORDER:
                snapshot.has_order = True
            elif name in known:
                snapshot.waiting.add(name)
            elif waiting := names.read_waiting(name):
                snapshot.waiting.add(name)
                snapshot.latest = max(snapshot.latest, waiting.sequence or 0)
                fresh.append((waiting, entry))
            elif claimed := names.read_claimed(name):
                snapshot.claimed.append(claimed)
                if own := names.read_waiting(claimed[0]):
                    snapshot.latest = max(snapshot.latest, own.sequence or 0)
            elif names.read_sent(name):
                snapshot.sent.append(name)
            elif names.left_by_upstream(name):
                snapshot.left.append(name)
            elif names.read_set_aside(name):
                snapshot.quarantined += 1
    for waiting, entry in fresh:
        meta_name = names.meta_name(waiting.name)
        meta = glance_at_meta(folder / meta_name) if meta_name in snapshot.metas else None
        with contextlib.suppress(FileNotFoundError):  # claimed by another meanwhile
            snapshot.found.append(Found(waiting, _sequence(waiting, meta, entry), meta))
    snapshot.quarantined += sum(1 for _ in quarantined_names(folder))
    return snapshot


def claims_of(folder: Path, owner: str) -> list[str]:
    """Return the waiting names of what an owner has claimed.

    Raises:
        OSError: The folder cannot be read.
    """
    with patiently(lambda: os.scandir(folder)) as entries:
        claims = [names.read_claimed(entry.name) for entry in entries]
    return [claim[0] for claim in claims if claim and claim[1] == owner]


def quarantined_names(folder: Path) -> Iterator[str]:
    """Yield the names of the reports in quarantine."""
    try:
        with patiently(lambda: os.scandir(folder / QUARANTINE)) as entries:
            for entry in entries:
                if not entry.name.endswith(names.REASON) and names.read_waiting(entry.name):
                    yield entry.name
    except FileNotFoundError:
        return


def purge_quarantine(folder: Path, keep: float) -> int:
    """Delete reports that have been in quarantine for `keep` seconds; return how many."""
    count = 0
    for name in list(quarantined_names(folder)):
        path = folder / QUARANTINE / name
        reason = path.with_name(names.reason_name(name))
        with contextlib.suppress(OSError):
            since = (reason if reason.exists() else path).stat().st_mtime
            if time.time() - since >= keep:
                path.unlink()
                count += 1
                reason.unlink(missing_ok=True)
    return count


def is_upstreams(path: Path, ending: str) -> bool:
    """Return whether upstream wrote a file, where its ending is one that others may use as well."""
    try:
        if ending == names.ERROR:
            return path.with_name(path.name + names.ERROR_INFO).exists()
        return ending != names.PROCESSING or is_report(path)
    except OSError:
        return False


def is_report(path: Path) -> bool:
    """Return whether a file holds a whole report; as long as it stands still it is read once.

    Raises:
        OSError: It could not be read at the moment.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
        return False
    return _is_report(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _is_report(path: Path, modified: int, size: int) -> bool:  # noqa: ARG001  # tells it apart
    try:
        return bool(parse(path.read_bytes(), large=size > SMALL))
    except UnreadableReportError:
        return False


def is_abandoned(path: Path, seen_for: float) -> bool:
    """Return whether upstream has abandoned a file in its processing state.

    A rename keeps the mtime (which upstream's own recovery goes by, so it takes back what is in
    flight) but updates the ctime. Windows has no such ctime: there, the file must have been seen
    for as long.

    Args:
        path: The file.
        seen_for: Seconds for which it has been seen under this name.
    """
    if seen_for >= UPSTREAM_TIMEOUT:
        return True
    if os.name == "nt":
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return time.time() - max(status.st_mtime, status.st_ctime) >= UPSTREAM_TIMEOUT


def _sequence(waiting: names.WaitingName, meta: Meta | None, entry: os.DirEntry[str]) -> int:
    if waiting.sequence is not None:
        return waiting.sequence
    if meta is not None and meta.created is not None:
        return max(0, int(meta.created * 1e6))
    try:
        return max(0, entry.stat(follow_symlinks=False).st_mtime_ns // 1000)
    except PermissionError:  # held at the moment; it is a best guess anyway
        return int(time.time() * 1e6)
