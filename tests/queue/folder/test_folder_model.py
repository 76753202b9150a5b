"""FolderQueue against a simple model: any sequence of calls, restarts among them."""

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pywats_green.queue.folder.queue import FolderQueue


class FolderQueueMachine(RuleBasedStateMachine):
    """Items of the model are [priority, order, number, group, attempts, due]."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "queue"
        self.now = 1_000_000.0
        self.next = 0
        self.waiting: list[list[Any]] = []
        self.held: list[tuple[Any, ...]] = []
        self.aside: list[list[Any]] = []
        self.queue = self.open()

    def open(self) -> FolderQueue:
        def clock() -> float:
            return self.now

        return FolderQueue(self.path, order_by="sn", timer=clock, clock=clock)

    @rule(priority=st.integers(1, 10), group=st.sampled_from([None, "a", "b"]))
    def put(self, priority: int, group: str | None) -> None:
        self.queue.put({"id": f"r{self.next}", "sn": group}, priority=priority)
        self.waiting.append([priority, self.next, f"r{self.next}", group, 0, 0.0])
        self.next += 1

    @rule(ending=st.sampled_from([".queued", ".pending.wsjf"]))
    def upstream_writes(self, ending: str) -> None:
        path = self.path / f"r{self.next}{ending}"
        path.write_text(f'{{"id": "r{self.next}"}}')
        self.queue.refresh()
        self.waiting.append([5, -1 - self.next, f"r{self.next}", None, 0, 0.0])
        self.next += 1

    def is_first(self, item: list[Any]) -> bool:
        group = item[3]
        rivals = [other for other in self.waiting if other[3] == group and other < item]
        return group is None or not (rivals or any(held[1][3] == group for held in self.held))

    @rule()
    def claim(self) -> None:
        free = [item for item in self.waiting if item[5] <= self.now and self.is_first(item)]
        claim = self.queue.claim()
        if not free:
            assert claim is None
            return
        assert claim is not None
        best = min(item[0] for item in free)
        [item] = [item for item in free if item[2] == claim.item_id]
        assert item[0] == best
        own = [other for other in free if other[1] >= 0 and other[0] == best]
        assert item[1] < 0 or item == min(own)  # those of upstream go by the clock of the disk
        assert claim.attempts == item[4]
        assert claim.load() == {"id": item[2], **({"sn": item[3]} if item[1] >= 0 else {})}
        self.waiting.remove(item)
        self.held.append((claim, item))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100), end=st.sampled_from(["delivered", "release", "quarantine"]))
    def end(self, which: int, end: str) -> None:
        claim, item = self.held.pop(which % len(self.held))
        if end == "quarantine":
            claim.quarantine("bad")
            self.aside.append(item)
            return
        getattr(claim, end)()
        if end == "release":
            self.waiting.append(item)

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100), delay=st.sampled_from([0.0, 10.0, 1000.0]))
    def retry(self, which: int, delay: float) -> None:
        claim, item = self.held.pop(which % len(self.held))
        claim.retry("not now", delay)
        item[4] += 1
        item[5] = self.now + delay
        self.waiting.append(item)

    @rule(seconds=st.sampled_from([1.0, 10.0, 500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def reopen(self) -> None:
        self.queue.close()
        self.waiting += [item for _, item in self.held]
        self.held.clear()
        self.queue = self.open()

    @rule()
    def requeue_all(self) -> None:
        assert self.queue.requeue() == len(self.aside)
        for item in self.aside:
            item[4], item[5] = 0, 0.0
        self.waiting += self.aside
        self.aside.clear()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 100))
    def discard(self, which: int) -> None:
        self.queue.discard(self.waiting.pop(which % len(self.waiting))[2])

    @invariant()
    def counts_agree(self) -> None:
        assert self.queue.counts() == {
            "waiting": len(self.waiting),
            "in_flight": len(self.held),
            "quarantined": len(self.aside),
        }
        due = self.queue.due_in()
        assert (due is None) == (not self.waiting)
        if any(item[5] <= self.now and self.is_first(item) for item in self.waiting):
            assert due == 0.0

    def teardown(self) -> None:
        self.queue.close()
        left = [path for path in self.path.iterdir() if path.name.endswith(".claim")]
        assert not left
        self.directory.cleanup()


TestFolderQueueMachine = FolderQueueMachine.TestCase
TestFolderQueueMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
