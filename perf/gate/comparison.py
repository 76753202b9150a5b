"""Runs BASE and HEAD in turns, until the result is clear."""

from __future__ import annotations

import enum
import math
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from estimates import Estimate, estimate
from gate.revisions import GateError, Revision, contestant
from harness import Cell, Lap, Player, take_turns
from machine import fingerprint


class Metric(NamedTuple):
    """A metric: a play of workload.py, its label in the report, the calls per round."""

    name: str
    text: str
    calls: int


# Rounds of some 20 ms: shorter than the slow phases of a shared machine, so that both rounds of a
# pair are in the same one.
METRICS = (
    Metric("sequential", "get_product, one after another", 60),
    Metric("concurrent", "get_product, 50 at a time", 100),
    Metric("cached", "get_product, from the cache", 1000),
    Metric("drain", "queue drain, 20 at a time", 40),
)
ROUNDS = 24
SIDES = ("base", "head")
CLOCKS: dict[str, Callable[[Lap], float]] = {
    "CPU": lambda lap: lap.cpu / lap.calls,
    "wall": lambda lap: lap.seconds / lap.calls,
}
MISSING = "MissingError: "


class Verdict(str, enum.Enum):
    """The gate's verdict on a row, or on all."""

    PASS = "pass"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARED = "not compared"


def judge(ratio: Estimate, tolerance: float) -> Verdict:
    """Fail only what is clearly slower, pass only what is clearly not.

    Args:
        ratio: HEAD / BASE.
        tolerance: How much slower HEAD may be: 0.10 is 10 %.
    """
    if ratio.low > 1 + tolerance:
        return Verdict.FAIL
    return Verdict.PASS if ratio.high <= 1 + tolerance else Verdict.INCONCLUSIVE


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Fail if any fails, else inconclusive if any is; ignore what was not compared."""
    found = set(verdicts)
    ranked = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return next((verdict for verdict in ranked if verdict in found), Verdict.NOT_COMPARED)


@dataclass
class Timing:
    """A metric by one clock: a value per repetition, for BASE and HEAD in seconds per call."""

    metric: Metric
    clock: str
    base: list[float] = field(default_factory=list)
    head: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def add(self, laps: dict[str, list[Lap]]) -> None:
        """Add the rounds of a repetition as a single number, the median of the pairs' ratios.

        The rounds of a process share its memory layout, so they are not independent.
        """
        base, head = ([CLOCKS[self.clock](lap) for lap in laps[side]] for side in SIDES)
        self.base.append(statistics.median(base))
        self.head.append(statistics.median(head))
        pairs = zip(base, head, strict=True)
        self.ratios.append(math.exp(statistics.median(math.log(new / old) for old, new in pairs)))

    def ratio(self) -> Estimate:
        return estimate(self.ratios)


class Plan(NamedTuple):
    """Tolerance and repetitions.

    Attributes:
        tolerance: How much slower HEAD may be: 0.10 is 10 %.
        repetitions: Repetitions of every metric; if inconclusive, half as many more at a time, up
            to three times as many. Each look at the results can err, so there are few.
    """

    tolerance: float = 0.10
    repetitions: int = 12


@dataclass
class Comparison:
    """The measurements and their verdict.

    Attributes:
        base: BASE.
        head: HEAD.
        plan: The plan.
        timings: By metric and clock.
        requests: Requests per call by metric, BASE's and HEAD's; these are exact.
        missing: Metrics that one side lacks: label -> which side, and what it lacks.
        seconds: Duration.
        machine: Machine, time and load at the start.
    """

    base: Revision
    head: Revision
    plan: Plan
    timings: list[Timing] = field(default_factory=list)
    requests: dict[str, tuple[float, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    machine: dict[str, Any] = field(default_factory=fingerprint)

    def verdict_of(self, timing: Timing) -> Verdict:
        return judge(timing.ratio(), self.plan.tolerance)

    def verdict_of_requests(self, text: str) -> Verdict:
        base, head = self.requests[text]
        return Verdict.FAIL if head > base else Verdict.PASS

    def verdict(self) -> Verdict:
        """The verdict on all rows."""
        return overall(
            [self.verdict_of(timing) for timing in self.timings]
            + [self.verdict_of_requests(text) for text in self.requests]
        )

    def in_doubt(self, timings: Iterable[Timing]) -> bool:
        """Whether more repetitions could help; a metric that failed by one clock has failed."""
        return overall(map(self.verdict_of, timings)) is Verdict.INCONCLUSIVE


Tell = Callable[[str], None]


def compare(
    base: Revision, head: Revision, plan: Plan, server: Any, scratch: Path, tell: Tell
) -> Comparison:
    """Repeat all metrics, and inconclusive ones until they are clear or the maximum is reached.

    Args:
        base: BASE.
        head: HEAD.
        plan: The plan.
        server: The embedded server.
        scratch: A directory for files.
        tell: Called with short progress messages.

    Raises:
        GateError: A side failed.
    """
    started = time.monotonic()
    found = Comparison(base, head, plan)
    timings = {metric: [Timing(metric, clock) for clock in CLOCKS] for metric in METRICS}
    todo = list(METRICS)
    for number in range(3 * plan.repetitions):
        if number >= plan.repetitions and number % (plan.repetitions // 2) == 0:
            todo = [metric for metric in todo if found.in_doubt(timings[metric])]
        if not todo:
            break
        for metric, cell in repetition(found, list(todo), server, scratch, number).items():
            if lacking := [(side, why) for side, why in cell.absent.items() if MISSING in why]:
                side, why = lacking[0]
                found.missing[metric.text] = f"{side} has {why.partition(MISSING)[2]}"
                todo.remove(metric)
                continue
            if cell.absent:
                raise GateError(f"{metric.text}: {cell.absent}")
            for timing in timings[metric]:
                timing.add(cell.laps)
            ratios = ", ".join(f"{t.clock} {t.ratios[-1]:.3f}" for t in timings[metric])
            tell(f"{metric.name} {number + 1}: head / base {ratios}")
    found.timings = [t for both in timings.values() for t in both if t.ratios]
    found.seconds = time.monotonic() - started
    return found


def repetition(
    found: Comparison, metrics: list[Metric], server: Any, scratch: Path, number: int
) -> dict[Metric, Cell]:
    """Run the metrics in two new processes, which take turns A B B A.

    New ones each time, because no number of rounds averages out the memory layout of a process.
    """
    cells = {}
    with ExitStack() as stack:
        sides = {
            side: stack.enter_context(contestant(getattr(found, side), server, scratch, number))
            for side in SIDES
        }
        for metric in metrics:
            players = [Player(side, sides[side], metric.name, metric.calls) for side in SIDES]
            # In reverse in every other repetition.
            players = players[:: -1 if number % 2 else 1]
            cell = take_turns(Cell("gate", metric.text, {}), players, rounds=ROUNDS, seconds=0)
            cells[metric] = cell
            if number == 0 and not cell.absent:
                base, head = (requests(sides[side], metric, server) for side in SIDES)
                found.requests[metric.text] = base, head
    return cells


def requests(side: Any, metric: Metric, server: Any) -> float:
    before = server.stats()["total"]
    side.play(metric.name, metric.calls)
    return float(server.stats()["total"] - before) / metric.calls
