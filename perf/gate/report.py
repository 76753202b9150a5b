"""The gate's results as Markdown and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator

from gate.comparison import Comparison, Verdict
from tables import number, table

# The workflow recognises its comment by this line.
COMMENT_MARKER = "<!-- pywats-green-gate -->"
HEADINGS = ("metric", "base", "head", "ratio", "95 % interval", "verdict")


def percent(share: float) -> str:
    """Format a fraction: 0.05 is "5 %"."""
    return f"{share * 100:g} %"


def rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    for timing in found.timings:
        base, head = (f"{statistics.median(x) * 1e6:.1f} us" for x in (timing.base, timing.head))
        ratio, low, high = (f"{value:.3f}" for value in timing.ratio())
        what = f"{timing.metric.text}: {timing.clock} time a call"
        yield what, base, head, ratio, f"{low} to {high}", found.verdict_of(timing).value
    for text, counts in found.requests.items():
        verdict = found.verdict_of_requests(text).value
        yield f"{text}: requests a call", *map(number, counts), "", "", verdict
    for text, why in found.missing.items():
        yield text, "", "", "", "", f"{Verdict.NOT_COMPARED.value}: {why}"


def summary(found: Comparison) -> list[str]:
    """Return the verdict, the table and its conditions."""
    machine = found.machine
    repetitions = max((len(timing.ratios) for timing in found.timings), default=0)
    conditions = (
        f"Tolerance {percent(found.plan.tolerance)}, up to {repetitions} repetitions, "
        f"{found.seconds:.0f} s, {machine['cpu']}, {machine['cores']} cores, {machine['python']}, "
        f"load before {', '.join(f'{load:.1f}' for load in machine['load_before'] or [])}, "
        f"{machine['date']}."
    )
    heading = f"**{found.head.name} against {found.base.name}: {found.verdict().value}**"
    return [heading, "", *table(HEADINGS, rows(found)), conditions]


def markdown(found: Comparison) -> str:
    """Return the comment for a pull request."""
    heading = f"### Performance gate: {found.verdict().value}"
    return "\n".join([COMMENT_MARKER, heading, "", *summary(found)]) + "\n"


def as_json(found: Comparison) -> str:
    """Return everything, including the ratio of every repetition."""
    timings = [
        {
            "metric": timing.metric.name, "clock": timing.clock,
            "base_seconds": timing.base, "head_seconds": timing.head, "ratios": timing.ratios,
            "interval": timing.ratio()._asdict(), "verdict": found.verdict_of(timing).value,
        }
        for timing in found.timings
    ]  # fmt: skip
    content = {
        "verdict": found.verdict().value,
        "base": found.base.name, "head": found.head.name, "plan": found.plan._asdict(),
        "seconds": found.seconds, "machine": found.machine,
        "timings": timings, "requests": found.requests, "missing": found.missing,
    }  # fmt: skip
    return json.dumps(content, indent=2) + "\n"
