"""One comparison from beginning to end: the server, the times, the counters."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from gate_children import Server
from gate_counting import count, find_tracer
from gate_environments import Environment
from gate_report import Report
from gate_timing import METRICS, Plan, Sides, Tell, time_metric


def compare(
    base: Environment,
    head: Environment,
    plan: Plan,
    scratch: Path,
    tell: Tell,
    *,
    counters: bool = True,
) -> Report:
    """Compare two installed revisions.

    Args:
        base: BASE.
        head: HEAD; the server is its.
        plan: How long, and how strict.
        scratch: A directory for files of the workers.
        tell: Is told of progress, in short lines.
        counters: False takes the times alone.

    Raises:
        GateError: A process ended, or did not answer.
    """
    started = time.monotonic()
    today = datetime.now(timezone.utc).isoformat(" ", "seconds")
    report = Report(base.revision, head.revision, plan.tolerance, today)
    tracer, why = find_tracer()
    if tracer is None and counters:
        report.notes.append(f"System calls were not counted: {why}.")
    with Server(head) as server:
        sides = Sides(base, head, server, scratch)
        for metric in METRICS:
            timings = time_metric(sides, metric, plan, tell)
            if isinstance(timings, str):
                report.missing[metric.text] = timings
                continue
            report.timings += timings
            if counters:
                report.counts += count(sides, metric, tracer, tell)
    report.seconds = time.monotonic() - started
    return report
