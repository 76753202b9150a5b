"""Markdown tables and the format of their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from estimates import Estimate

# Heads of columns without numbers.
WORDS = ("verdict", "command", "reproduce with", "contestant", "reason", "cells", "how")


def number(value: float) -> str:
    """Format a number with three significant digits and commas."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:#.3g}"
    return text.rstrip(".") if "e" not in text else f"{value:.1e}"


def span(found: Estimate | None, unit: str = "") -> str:
    """Format a median with its interval."""
    if found is None:
        return ""
    unit = f" {unit}" if unit else ""
    return f"{number(found.median)}{unit} [{number(found.low)}, {number(found.high)}]"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table: text left-aligned, numbers right-aligned."""
    marks = ["---" if place == 0 or head in WORDS else "---:" for place, head in enumerate(heads)]
    return [f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows)] + [""]
