"""BASE and HEAD in turns, until the numbers decide."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gate_children import WORKER_CORE, Child, Server, worker
from gate_decision import Disposition, Interval, bootstrap, judge
from gate_environments import Environment


class Metric(NamedTuple):
    """What is timed.

    Attributes:
        name: As in `gate_workload.METRICS`.
        text: For the report.
        calls: Calls of a round.
        counted: Calls of a counting run.
    """

    name: str
    text: str
    calls: int
    counted: int


# Rounds of some 20 ms: shorter than the spells in which a shared machine is slow, so that both
# neighbours of a pair fall into the same one.
METRICS = (
    Metric("sequential", "get_product, one after another", calls=60, counted=100),
    Metric("concurrent", "get_product, 50 at a time", calls=100, counted=1000),
    Metric("cached", "get_product, from the cache", calls=1000, counted=500),
    Metric("drain", "queue drain, 20 at a time", calls=40, counted=200),
)
PAIRS = 24
CLOCKS = {"wall": "wall", "cpu": "CPU"}
SIDES = ("base", "head")


@dataclass
class Timing:
    """One metric by one clock: seconds a call, one value of each repetition.

    Attributes:
        metric: What was timed.
        clock: A key of `CLOCKS`.
        base: Of BASE.
        head: Of HEAD, in the same order.
        log_ratios: log(HEAD / BASE), in the same order.
    """

    metric: Metric
    clock: str
    base: list[float] = field(default_factory=list)
    head: list[float] = field(default_factory=list)
    log_ratios: list[float] = field(default_factory=list)

    def add(self, base: list[float], head: list[float]) -> None:
        """Take in the rounds of a repetition, in pairs of neighbours.

        The median of their ratios becomes one number: the rounds of one process share its place
        in memory, so twice as many of them do not tell twice as much.
        """
        pairs = zip(base, head, strict=True)
        self.base.append(statistics.median(base))
        self.head.append(statistics.median(head))
        self.log_ratios.append(statistics.median(math.log(new / old) for old, new in pairs))

    def interval(self) -> Interval:
        return bootstrap(self.log_ratios)

    def disposition(self, tolerance: float) -> Disposition:
        return judge(self.interval(), tolerance)


@dataclass
class Plan:
    """How long to measure.

    Attributes:
        tolerance: How much slower HEAD may be: 0.10 is 10 %.
        repetitions: Of every metric.
        most: The cap; repetitions beyond `repetitions` are for metrics in doubt.
        step: How many more at a time. A look at the numbers is a chance to err, so there are few.
    """

    tolerance: float = 0.10
    repetitions: int = 20
    most: int = 60
    step: int = 10


Tell = Callable[[str], None]


class Sides(NamedTuple):
    """What is compared, and where."""

    base: Environment
    head: Environment
    server: Server
    scratch: Path


def time_metric(sides: Sides, metric: Metric, plan: Plan, tell: Tell) -> list[Timing] | str:
    """Repeat a metric until both clocks decide or one fails, or the cap is reached.

    Returns:
        A timing for each clock; or, where a revision lacks what is measured, which one and what.
    """
    timings = [Timing(metric, clock) for clock in CLOCKS]
    for number in _repetitions(plan, timings):
        answers = _repeat(sides, metric, number)
        if isinstance(answers, str):
            return answers
        for timing in timings:
            timing.add(*(_seconds(side, timing) for side in answers))
        last = ", ".join(f"{t.clock} {math.exp(t.log_ratios[-1]):.3f}" for t in timings)
        tell(f"{metric.name} {number + 1}: head / base {last}")
    return timings


def _repetitions(plan: Plan, timings: list[Timing]) -> Iterator[int]:
    done, upto = 0, plan.repetitions
    while done < upto:
        yield done
        done += 1
        if done == upto and _in_doubt({timing.disposition(plan.tolerance) for timing in timings}):
            upto = min(upto + plan.step, plan.most)


def _in_doubt(classifier: set[Disposition]) -> bool:
    """Whether more would tell more; what failed by one clock has failed, whichever it is."""
    return Disposition.INCONCLUSIVE in classifier and Disposition.FAIL not in classifier


def _seconds(answers: list[dict[str, float]], timing: Timing) -> list[float]:
    return [answer[timing.clock] / timing.metric.calls for answer in answers]


def _repeat(
    sides: Sides, metric: Metric, number: int
) -> tuple[list[dict[str, float]], list[dict[str, float]]] | str:
    """One repetition: two new processes, which take turns A B B A.

    New ones each time, because where a process happens to lie in memory is an error that no
    number of rounds in it averages out.
    """
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                worker(
                    getattr(sides, side),
                    metric.name,
                    sides.server,
                    sides.scratch / f"{metric.name}-{number}-{side}",
                    seed=number,
                )
            )
            for side in SIDES
        ]
        for side, player in zip(SIDES, workers, strict=True):
            missing = player.answer().get("missing")
            if missing:
                return f"{side} has {missing}"
            player.pin(WORKER_CORE)
        base, head = workers
        rounds: dict[Child, list[dict[str, float]]] = {base: [], head: []}
        for pair in range(PAIRS):
            # A B, then B A; and the other way round in every other repetition.
            for player in (base, head) if (pair + number) % 2 == 0 else (head, base):
                rounds[player].append(player.ask(f"time {metric.calls}"))
        return rounds[base], rounds[head]
