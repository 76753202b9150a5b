"""A failure counts only if another report got through after it, whatever happens in between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pywats_green.queue.drain.ledger import Ledger, Standing
from pywats_green.queue.source import DrainState

REPORTS = st.sampled_from("abcd")
PROCESSES = st.sampled_from([0, 1])


class Disk:
    """What two processes share; `is_torn`: the next write of one gets lost."""

    def __init__(self) -> None:
        self.state: DrainState | None = None

    def recall(self) -> DrainState | None:
        return self.state

    def remember(self, state: DrainState | None) -> None:
        self.state = state


class LedgerModel(RuleBasedStateMachine):
    """Two processes drain one queue; each may die at any moment, and begin anew."""

    @initialize()
    def begin(self) -> None:
        self.disk = Disk()
        self.ledgers: list[Any] = [None, None]
        self.reports = {
            name: SimpleNamespace(item_id=name, attempts=0, failed_at=None) for name in "abcd"
        }
        self.taken: dict[tuple[int, str], tuple[Standing, bool]] = {}
        self.failures: dict[str, list[bool]] = {name: [] for name in "abcd"}
        for process in (0, 1):
            self.restart(process)

    @rule(process=PROCESSES)
    def restart(self, process: int) -> None:
        self.ledgers[process] = Ledger(self.disk)  # type: ignore[arg-type]
        self.ledgers[process].open()
        for key in [key for key in self.taken if key[0] == process]:
            del self.taken[key]

    @rule(process=PROCESSES, name=REPORTS, is_probe=st.booleans())
    def take(self, process: int, name: str, is_probe: bool) -> None:
        if not any(taken == name for _, taken in self.taken):
            self.taken[process, name] = self.ledgers[process].standing(), is_probe

    @rule(process=PROCESSES, name=REPORTS, dies=st.sampled_from(["no", "no", "noted", "kept"]))
    def fail(self, process: int, name: str, dies: str) -> None:
        if (process, name) not in self.taken:
            return
        standing, is_probe = self.taken.pop((process, name))
        ledger, report = self.ledgers[process], self.reports[name]
        attempts = ledger.attempts_of(report)
        failed_at = ledger.note_failure(report, standing, is_probe=is_probe)
        if dies == "noted":
            self.restart(process)
            return
        ledger.keep("closed")
        if dies == "kept":
            self.restart(process)
            return
        report.attempts, report.failed_at = attempts, failed_at
        self.failures[name].append(False)

    @rule(process=PROCESSES, name=REPORTS, dies=st.sampled_from(["no", "no", "noted"]))
    def succeed(self, process: int, name: str, dies: str) -> None:
        """It gets through, and another of that name takes its place."""
        if (process, name) not in self.taken:
            return
        standing, _ = self.taken.pop((process, name))
        ledger = self.ledgers[process]
        for other, failures in self.failures.items():
            if other != name and failures:
                failures[:] = [True] * len(failures)
        self.reports[name] = SimpleNamespace(item_id=name, attempts=0, failed_at=None)
        self.failures[name] = []
        ledger.note_receipt(standing)
        if dies == "noted":
            self.restart(process)
        else:
            ledger.keep(None)

    @invariant()
    def no_failure_counts_before_another_got_through(self) -> None:
        for ledger in filter(None, getattr(self, "ledgers", [])):
            for name, report in self.reports.items():
                assert ledger.attempts_of(report) <= sum(self.failures[name])


TestLedger = LedgerModel.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
