"""What the gate found, as text, Markdown and JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gate_counting import Count
from gate_decision import CONFIDENCE, Disposition, overall
from gate_timing import CLOCKS, Timing


def percent(share: float) -> str:
    """0.05 is 5 %."""
    return f"{share * 100:g} %"


# The workflow finds its own comment by this line.
COMMENT_MARKER = "<!-- pywats-green-gate -->"
HEADINGS = (
    "metric",
    "base",
    "head",
    "ratio",
    f"{percent(CONFIDENCE)} interval or slack",
    "disposition",
)


class Row(NamedTuple):
    """A line of the table; numbers are text already."""

    metric: str
    base: str
    head: str
    ratio: str
    interval: str
    disposition: str


@dataclass
class Report:
    """All that was measured.

    Attributes:
        base: BASE.
        head: HEAD.
        tolerance: How much slower HEAD may be: 0.10 is 10 %.
        timings: By metric and clock.
        counts: By metric and counter.
        missing: Metrics that one side lacks: text of the metric -> which side, and what it lacks.
        notes: What else the reader has to know.
        seconds: How long it took.
        date: When it began, in ISO form.
    """

    base: str
    head: str
    tolerance: float
    date: str
    timings: list[Timing] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def disposition(self) -> Disposition:
        """Of all rows together."""
        return overall(
            [timing.disposition(self.tolerance) for timing in self.timings]
            + [count.disposition() for count in self.counts]
        )

    def rows(self) -> Iterator[Row]:
        """The table."""
        for timing in self.timings:
            yield _timing_row(timing, self.tolerance)
        for text, why in self.missing.items():
            yield Row(text, "", "", "", "", f"{Disposition.NOT_COMPARED.value}: {why}")
        for count in self.counts:
            yield _count_row(count)

    def summary(self) -> list[str]:
        """The sentences around the table."""
        counts = {len(timing.log_ratios) for timing in self.timings} or {0}
        span = " to ".join(str(number) for number in sorted({min(counts), max(counts)}))
        return [
            (
                f"{self.head} against {self.base}, tolerance {percent(self.tolerance)}, "
                f"{span} repetitions, {self.seconds:.0f} s, {machine()}, {self.date}."
            ),
            *self.notes,
        ]

    def text(self) -> str:
        """For a terminal."""
        rows = [HEADINGS, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        lines = [
            "  ".join(
                cell.ljust(width) if column in (0, len(HEADINGS) - 1) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, "", *self.summary(), f"disposition: {self.disposition().value}"])

    def table(self) -> str:
        """The table alone, in Markdown."""
        lines = [_line(HEADINGS), _line(("---", "---:", "---:", "---:", "---:", "---"))]
        lines += [_line(row) for row in self.rows()]
        return "\n".join(lines)

    def markdown(self) -> str:
        """For a comment on a pull request."""
        return "\n\n".join(
            [
                COMMENT_MARKER,
                f"### Performance gate: {self.disposition().value}",
                self.table(),
                *self.summary(),
            ]
        )

    def json(self) -> str:
        """Everything, the ratio of every repetition included."""
        found: dict[str, Any] = {
            "disposition": self.disposition().value,
            **{
                name: getattr(self, name)
                for name in (
                    *("base", "head", "tolerance", "date"),
                    *("seconds", "missing", "notes"),
                )
            },
            "machine": machine(),
            "timings": [
                {
                    "metric": timing.metric.name,
                    "clock": timing.clock,
                    "base_seconds": timing.base,
                    "head_seconds": timing.head,
                    "log_ratios": timing.log_ratios,
                    "interval": timing.interval()._asdict(),
                    "disposition": timing.disposition(self.tolerance).value,
                }
                for timing in self.timings
            ],
            "counts": [
                {
                    "metric": count.metric.name,
                    "counter": count.counter.name,
                    "base": count.base,
                    "head": count.head,
                    "slack": count.counter.slack,
                    "disposition": count.disposition().value,
                }
                for count in self.counts
            ],
        }
        return json.dumps(found, indent=2)


def machine() -> str:
    """Where it ran, in a few words."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def _timing_row(timing: Timing, tolerance: float) -> Row:
    low, median, high = (math.exp(value) for value in timing.interval())
    return Row(
        f"{timing.metric.text}: {CLOCKS[timing.clock]} time a call",
        f"{statistics.median(timing.base) * 1e6:.1f} us",
        f"{statistics.median(timing.head) * 1e6:.1f} us",
        f"{median:.3f}",
        f"{low:.3f} to {high:.3f}",
        timing.disposition(tolerance).value,
    )


def _count_row(count: Count) -> Row:
    ratio = f"{count.head / count.base:.3f}" if count.base else ""
    return Row(
        f"{count.metric.text}: {count.counter.text}",
        f"{count.base:.2f}",
        f"{count.head:.2f}",
        ratio,
        f"slack {count.counter.slack:g}",
        count.disposition().value,
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
