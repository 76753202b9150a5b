"""Recovers what dead owners and upstream left behind, and removes leftovers."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pywats_green.queue.folder import names
from pywats_green.queue.folder.files import TEMPORARY, is_draft, move_new, remove, target_of
from pywats_green.queue.folder.observer import Holder, Observer
from pywats_green.queue.folder.scan import (
    QUARANTINE,
    Snapshot,
    claims_of,
    is_abandoned,
    is_report,
    is_upstreams,
    purge_quarantine,
)
from pywats_green.queue.folder.store import Store

logger = logging.getLogger(__name__)

# Seconds between two looks for what the dead left behind, or is in quarantine for too long.
_SWEEP_PAUSE = 600.0

# A draft this many seconds old has no writer any more.
_DRAFT_AGE = 600.0


class Recovery:
    """Recovers what a snapshot shows to be recoverable. Runs off the hub.

    Args:
        store: The folder.
        lease: Seconds; see `Observer`.
        keep_quarantined: Seconds; see `FolderQueue`.
        timer: Seconds, monotonic.

    Attributes:
        left_count: How many reports upstream may still be sending.
    """

    def __init__(
        self,
        store: Store,
        lease: float,
        keep_quarantined: float | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._observer = Observer(store.folder, lease, timer)
        self._timer = timer
        self._left_since: dict[str, float] = {}
        self._orphans: set[str] = set()
        self.left_count = 0
        self._swept_at: float | None = None
        self._keep_quarantined = keep_quarantined

    def run(self, snapshot: Snapshot, own: str | None) -> int:
        """Recover what can be recovered; return how many reports are waiting again.

        Args:
            snapshot: What the folder contains.
            own: The id of the owner that this runs for; None: there is none.
        """
        count = 0
        now = self._timer()
        if self._swept_at is None or now - self._swept_at >= _SWEEP_PAUSE:
            self._swept_at = now
            self._observer.sweep()
            count += self._clear_drafts()
            claimed = {waiting for waiting, _ in snapshot.claimed}
            self._store.ids.sweep(snapshot.waiting | claimed)
            self._purge()
        count += self._take_back(snapshot, own) + self._take_over(snapshot)
        for name in snapshot.sent:
            remove(self._store.folder / name)
        self._clear_metas(snapshot)
        return count

    def _purge(self) -> None:
        """Delete what has been in quarantine for longer than `keep_quarantined`."""
        keep = self._keep_quarantined
        if keep is not None and (count := purge_quarantine(self._store.folder, keep)):
            logger.warning("Reports deleted after more than %g s in quarantine: %d", keep, count)

    def holder(self, owner: str) -> Holder | None:
        """Return what is known of another owner; None: nothing, or all its claims are back."""
        return self._observer.holders.get(owner)

    def _take_back(self, snapshot: Snapshot, own: str | None) -> int:
        """Recover the claims of dead owners."""
        total = 0
        self._observer.forget_all_but({owner for _, owner in snapshot.claimed})
        for owner in {owner for _, owner in snapshot.claimed if owner != own}:
            with self._observer.seize(owner) as is_dead:
                if is_dead:
                    # The owner may have claimed more between the snapshot and its death.
                    claims = claims_of(self._store.folder, owner)
                    died_at = time.time()  # of all alike, so that they keep their order
                    count = sum(
                        self._return(names.claimed_name(waiting, owner), waiting, died_at)
                        for waiting in claims
                    )
                    if claims:  # else another process has taken them back meanwhile
                        logger.warning(
                            "Owner %s is dead; %d of its %d claims returned",
                            owner,
                            count,
                            len(claims),
                        )
                    total += count
                    if count == len(claims):
                        self._observer.bury(owner)
        return total

    def _take_over(self, snapshot: Snapshot) -> int:
        """Recover what a crashed upstream was processing.

        `.processing` files only after upstream's own timeout; `.error` files belong to nobody, and
        whoever renames one first has it.
        """
        count = still = 0
        now = self._timer()
        left = self._left_since
        self._left_since = {name: left.get(name, now) for name in snapshot.left}
        for name, since in self._left_since.items():
            ending = names.left_by_upstream(name) or ""
            path = self._store.folder / name
            if not is_upstreams(path, ending):
                continue
            if ending != names.ERROR and not is_abandoned(path, now - since):
                still += 1
                continue
            waiting = name.removesuffix(ending) + names.UPSTREAM_LEFT[ending]
            count += self._return(name, waiting)
            if ending == names.ERROR:
                remove(path.with_name(name + names.ERROR_INFO))
        self.left_count = still
        return count

    def _return(self, name: str, waiting: str, died_at: float | None = None) -> int:
        # A crash may have left the reason of an unfinished quarantine.
        aside = self._store.folder / QUARANTINE / waiting
        if not aside.exists():
            remove(aside.with_name(names.reason_name(waiting)))
        try:
            self._store.take_back(name, waiting, died_at=died_at)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                logger.warning("Cannot take back %s: %s", name, error)
            return 0
        return 1

    def _clear_metas(self, snapshot: Snapshot) -> None:
        """Remove sidecars that had no report in the last scan either.

        A rename during a scan can hide a file from it.
        """
        owned = {names.meta_name(name) for name in snapshot.waiting}
        owned.update(names.meta_name(waiting) for waiting, _ in snapshot.claimed)
        owned.update(names.claim_meta_name(*claim) for claim in snapshot.claimed)
        orphans = {name for name in snapshot.metas - owned if names.is_meta(name)}
        for name in orphans & self._orphans:
            remove(self._store.folder / name)
        self._orphans = orphans

    def _clear_drafts(self) -> int:
        """Remove what was never finished, and recover what was; return how many reports that is."""
        count = 0
        for folder in (self._store.folder, self._store.folder / QUARANTINE):
            with contextlib.suppress(OSError):
                for path in list(folder.glob(f".*{TEMPORARY}")):
                    with contextlib.suppress(FileNotFoundError):
                        count += self._clear_draft(path)
        return count

    def _clear_draft(self, path: Path) -> int:
        target = target_of(path.name)
        waiting = names.read_waiting(target or "")
        if not is_draft(path.name) and not (waiting and waiting.is_own):
            return 0
        status = path.stat()
        if status.st_nlink > 1:  # it has its name: its writer was killed, or is about to remove it
            remove(path)
            return 0
        if time.time() - status.st_mtime <= _DRAFT_AGE:
            return 0
        # If it is whole, `put` may have returned before the power failed.
        if target is not None and is_report(path):
            with contextlib.suppress(FileExistsError):
                move_new(path, self._store.folder / target)
                logger.warning("Recovered a report whose name was not on disk yet: %s", target)
                return 1
        remove(path)
        return 0
