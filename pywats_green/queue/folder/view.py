"""An owner's view of what is waiting in the folder, refreshed by a scan now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from gevent.event import Event

from pywats_green.queue.folder import names
from pywats_green.queue.folder.files import folder_error, off_hub
from pywats_green.queue.folder.recovery import Recovery
from pywats_green.queue.folder.scan import Found, Snapshot, scan
from pywats_green.queue.folder.schedule import Schedule, WaitingItem
from pywats_green.queue.folder.store import Store
from pywats_green.queue.source import Elsewhere

# A scan costs time. The pause before the next one is this many times as long, bounded in seconds:
# while idle by _IDLE and the interval, while busy by the interval and _LONGEST.
_REST = 20.0
_IDLE = 0.05
_LONGEST = 10.0

# A queue that nobody has looked into for so many seconds is only put into.
_USED = 60.0

# Holders of a group that another owner has, or may have.
_ELSEWHERE = "elsewhere"
_DOUBT = "doubt"


class View:
    """The waiting items of a folder, in memory.

    Args:
        store: The folder.
        recovery: Recovers the claims of dead owners.
        is_ordered: Whether groups count.
        interval: Seconds between two scans; see `idle_pause` and `busy_pause`.
        timer: Seconds, monotonic.
        clock: Seconds since the epoch.

    Attributes:
        schedule: The waiting items.
        quarantined: The number of items in quarantine.
        is_ordered: Whether groups count.
        owner: The id of the owner; None: it owns nothing yet.
        elsewhere: What others have claimed.
        has_order: Whether the folder keeps an `order_by`.
    """

    def __init__(
        self,
        store: Store,
        recovery: Recovery,
        *,
        is_ordered: bool,
        interval: float,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.schedule = Schedule()
        self.quarantined = 0
        self.owner: str | None = None
        self.elsewhere = Elsewhere()
        self.has_order = False
        self._store = store
        self._recovery = recovery
        self.is_ordered = is_ordered
        self._interval = interval
        self._timer = timer
        self._clock = clock
        self._looked_at: float | None = None
        self._look_took = 0.0
        self._looking: Event | None = None
        self._forgotten = 0
        self._touched: set[str] = set()
        self._busy: set[str] = set()
        self._doubts: dict[str, int] = {}

    @property
    def idle_pause(self) -> float:
        """Seconds between two scans while idle: new items must be noticed soon."""
        return min(self._interval, max(_IDLE, _REST * self._look_took))

    @property
    def busy_pause(self) -> float:
        """Seconds between two scans while busy."""
        return max(self._interval, min(_LONGEST, _REST * self._look_took))

    def refresh(self, *, force: bool = False) -> None:
        """Scan the folder off the hub, if the last scan is long enough ago.

        Args:
            force: Scan in any case.

        Raises:
            QueueFolderError: The folder cannot be read.
        """
        while self._looking is not None:
            if self._looked_at is not None and not force:
                return  # another greenlet is scanning
            self._looking.wait()
        if not force and not self._is_due():
            return
        looking = self._looking = Event()
        try:
            while self._look():
                pass
        except OSError as error:
            self.forget()
            raise folder_error("look", self._store.folder, error) from error
        finally:
            self._looking = None
            looking.set()

    def add_own(self, item: WaitingItem, group: str) -> None:
        """Add an item that was just put, unless a scan will find it: who only puts keeps none."""
        if self._looked_at is None or self._timer() - self._looked_at > _USED:
            self._looked_at = None
            self.schedule.clear()
            return
        item.knows_group = group != names.UNKNOWN_GROUP
        item.group = group if self.is_ordered and _is_group(group) else None
        self.touch(item.name)
        self.schedule.add(item)

    def next_due(self) -> float | None:
        """Return the seconds until an item is due; None: no item of a free group is waiting."""
        return self.schedule.next_due(self._timer())

    def has_untried(self) -> bool:
        """Return whether an item is due that has not failed."""
        return self.schedule.has_untried(self._timer())

    def touch(self, name: str) -> None:
        """Note that a file was renamed: what a scan under way says about it is outdated."""
        if self._looking is not None:
            self._touched.add(name)

    def doubt(self, item: WaitingItem) -> None:
        """Hold the group of an item that another owner took until scans show where it is."""
        self._doubt(item.group)

    def forget(self) -> None:
        """Scan again before answering anything."""
        self._looked_at = None
        self._forgotten += 1
        self.schedule.clear()

    def _is_due(self) -> bool:
        if self._looked_at is None:
            return True
        idle = not self.schedule or self.schedule.next_due(self._timer()) != 0.0
        pause = self.idle_pause if idle else self.busy_pause
        return self._timer() - self._looked_at >= pause

    def _look(self) -> bool:
        """Scan once; return whether another scan is needed to show what was recovered."""
        began = self._timer()
        self._touched.clear()
        forgotten, quarantined = self._forgotten, self.quarantined

        def work() -> tuple[Snapshot, int]:
            snapshot = scan(self._store.folder, self.schedule)
            return snapshot, self._recovery.run(snapshot, self.owner)

        snapshot, recovered = off_hub(work)
        if forgotten != self._forgotten:
            return True  # what the scan took for known was forgotten
        self._merge(snapshot)
        if self.quarantined == quarantined:  # else the scan may have missed what was set aside
            self.quarantined = snapshot.quarantined
        self._looked_at = self._timer()
        self._look_took = self._looked_at - began
        return recovered > 0

    def _merge(self, snapshot: Snapshot) -> None:
        self._store.latest = max(self._store.latest, snapshot.latest)
        self.has_order = snapshot.has_order
        claimed = {waiting for waiting, owner in snapshot.claimed if owner != self.owner}
        for item in self.schedule:
            if item.name in self._touched:
                continue
            if item.name not in snapshot.waiting:
                if item.name not in claimed:
                    self._doubt(item.group)
                self.schedule.remove(item.name)
            elif item.has_meta and names.meta_name(item.name) not in snapshot.metas:
                item.has_meta, item.killed = False, False  # requeued from outside
                item.due = item.failed_when = 0.0
                self.schedule.add(item)
        for found in snapshot.found:
            if found.name.name not in self._touched and found.name.name not in self.schedule:
                self.schedule.add(self._item_of(found))
        self._merge_groups(claimed)
        self._note_elsewhere(snapshot)

    def _note_elsewhere(self, snapshot: Snapshot) -> None:
        """Note who else holds how many reports, and for how long at most."""
        now = self._clock()
        told: list[str] = []
        waits: list[float] = []
        held = Counter(owner for _, owner in snapshot.claimed if owner != self.owner)
        for owner, count in sorted(held.items()):
            holder = self._recovery.holder(owner)
            if holder is None:
                continue  # the next look shows what came back
            until = ", which lives"
            if holder.is_dead:
                until = ", which is dead: they cannot be taken back just now"
            elif holder.dies_in is not None:
                waits.append(holder.dies_in)
                moment = time.strftime("%H:%M:%S", time.localtime(now + holder.dies_in))
                until = f" until {moment}, unless it shows life"
            told.append(f"{count} held by {holder.name}{until}")
        if left := self._recovery.left_count:
            told.append(f"{left} held by upstream's queue until 30 minutes after it took them")
        self.elsewhere = Elsewhere(
            held.total() + left, min(waits, default=None), "; ".join(told) or None
        )

    def _merge_groups(self, claimed: set[str]) -> None:
        if not self.is_ordered:
            return
        parsed = (names.read_waiting(name) for name in claimed)
        busy = {name.group for name in parsed if name and _is_group(name.group)}
        for group in self._busy - busy:
            self.schedule.let_go(group, _ELSEWHERE)
        for group in busy - self._busy:
            self.schedule.hold(group, _ELSEWHERE)
        self._busy = busy
        for group, looks in list(self._doubts.items()):
            self._doubts[group] = looks - 1
            if looks <= 1:
                del self._doubts[group]
                self.schedule.let_go(group, _DOUBT)

    def _doubt(self, group: str | None) -> None:
        """A rename during a scan can hide a file from it, so it takes two scans."""
        if group is not None:
            self._doubts[group] = 2
            self.schedule.hold(group, _DOUBT)

    def _item_of(self, found: Found) -> WaitingItem:
        name, meta = found.name, found.meta
        priority = name.priority
        if priority is None:
            told = meta.priority if meta is not None else None
            priority = names.DEFAULT_PRIORITY if told is None else told
        wait = meta.wait(self._clock()) if meta is not None else 0.0
        return WaitingItem(
            name=name.name,
            item_id=name.item_id,
            priority=priority,
            sequence=found.sequence,
            group=name.group if self.is_ordered and _is_group(name.group) else None,
            due=self._timer() + wait if wait else 0.0,
            due_at=meta.due_at if meta is not None else 0.0,
            failed_when=meta.failed_when if meta is not None else 0.0,
            killed=meta is not None and meta.killed > 0,
            has_meta=meta is not None,
            knows_group=name.group != names.UNKNOWN_GROUP,
        )


def _is_group(token: str) -> bool:
    return token not in (names.UNKNOWN_GROUP, names.NO_GROUP)
