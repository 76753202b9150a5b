"""What does not vary and is counted: requests, greenlet switches, system calls.

Counted with a little latency in the server, so that an answer is never there when a greenlet looks
for it first: else chance would decide whether it waits.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gate_children import worker
from gate_decision import Disposition, judge_counter
from gate_environments import Environment
from gate_timing import SIDES, Metric, Sides, Tell

LATENCY = 0.005
# A busy machine can still delay a look until the answer is there: the median of so many counts.
RUNS = 3
# Markers of gate_workload.py, as strace shows them.
BEGIN, END = '"/pywats-green-gate/begin"', '"/pywats-green-gate/end"'
# Asking for memory, waiting for a lock of another thread: these do vary, with chance and the C
# library's mood.
NOT_COUNTED = "brk,mmap,munmap,mremap,madvise,mprotect,futex,sched_yield"
# A call that another thread interrupts stands in the log twice; the second line is a "resumed".
CALL = re.compile(r"^(?:\d+ +)?[a-z_0-9]+\(")


class Counter(NamedTuple):
    """What is counted.

    Attributes:
        name: The key of its counts.
        text: For the report.
        slack: Growth that is let pass, in counts a call.
    """

    name: str
    text: str
    slack: float


COUNTERS = (
    Counter("requests", "requests a call", slack=0.005),
    Counter("switches", "greenlet switches a call", slack=0.1),
    Counter("syscalls", "system calls a call", slack=0.25),
)


class Count(NamedTuple):
    """One counter of one metric, in counts a call."""

    metric: Metric
    counter: Counter
    base: float
    head: float

    def disposition(self) -> Disposition:
        return judge_counter(self.base, self.head, self.counter.slack)


def count(sides: Sides, metric: Metric, tracer: list[str] | None, tell: Tell) -> list[Count]:
    """Count one metric in both revisions; without a tracer no system calls."""
    tell(f"{metric.name}: counting")
    sides.server.set_latency(LATENCY)
    try:
        median = {
            side: _median(
                _count_once(sides, side, metric, tracer, number) for number in range(RUNS)
            )
            for side in SIDES
        }
    finally:
        sides.server.set_latency(0.0)
    return [
        Count(metric, counter, median["base"][counter.name], median["head"][counter.name])
        for counter in COUNTERS
        if counter.name in median["base"]
    ]


def find_tracer() -> tuple[list[str] | None, str]:
    """The command line of strace where it works here, or None and why not."""
    strace = shutil.which("strace")
    if strace is None:
        return None, "strace is not installed"
    tried = subprocess.run([strace, "-qq", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return None, f"strace does not work here: {tried.stderr.strip().splitlines()[-1]}"
    return [strace, "-f", "-qq", "-e", f"trace=!{NOT_COUNTED}"], ""


def calls_between_markers(log: Iterable[str]) -> int:
    """Count the system calls in a log of strace, from the first marker to the second."""
    counting, calls = False, 0
    for line in log:
        if BEGIN in line:
            counting = True
        elif END in line:
            break
        elif counting and CALL.match(line):
            calls += 1
    return calls


def _median(runs: Iterable[dict[str, float]]) -> dict[str, float]:
    found = list(runs)
    return {name: statistics.median(run[name] for run in found) for name in found[0]}


def _count_once(
    sides: Sides, side: str, metric: Metric, tracer: list[str] | None, number: int
) -> dict[str, float]:
    environment: Environment = getattr(sides, side)
    folder = sides.scratch / f"{metric.name}-count-{number}-{side}"
    log = Path(f"{folder}.strace")
    command = [] if tracer is None else [*tracer, "-o", str(log)]
    with worker(environment, metric.name, sides.server, folder, tracer=command) as player:
        player.answer()
        before = sides.server.requests()
        switches = float(player.ask(f"count {metric.counted}")["switches"])
        requests = sides.server.requests() - before
    counts = {"requests": requests / metric.counted, "switches": switches / metric.counted}
    if tracer is not None:
        with log.open(encoding="utf-8", errors="replace") as lines:
            counts["syscalls"] = calls_between_markers(lines) / metric.counted
    return counts
