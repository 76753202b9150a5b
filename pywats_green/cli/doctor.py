"""`doctor`: checks this installation, and that calls run green on it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from textwrap import fill

from pywats_green._version import __version__
from pywats_green.cli.checks import SECTIONS, Row
from pywats_green.cli.table import GAP, aligned

WIDTH = 120  # of a line; longer ones are wrapped

Findings = Sequence[tuple[str, Sequence[Row]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = "Exit status: 0 if nothing fails (warnings are allowed), else 1."
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def execute(options: argparse.Namespace) -> int:
    """Check and print.

    Returns:
        0 if nothing fails, else 1.
    """
    findings = [
        (section.title, [row for check in section.checks for row in check()])
        for section in SECTIONS
    ]
    print(as_json(findings) if options.json else as_text(findings))
    return 0 if _counts(findings)["fail"] == 0 else 1


def _counts(findings: Findings) -> Counter[str]:
    return Counter(row.status for _, rows in findings for row in rows)


def as_json(findings: Findings) -> str:
    """Return the findings as one line of JSON."""
    counts = _counts(findings)
    return json.dumps(
        {
            "pywats_green": __version__,
            "ok": counts["fail"] == 0,
            "counts": {status: counts[status] for status in ("ok", "warn", "fail")},
            "checks": [
                {"section": title, **row._asdict()} for title, rows in findings for row in rows
            ],
        }
    )


def as_text(findings: Findings) -> str:
    """Return the text to print: for each section, a heading and its rows with their advice."""
    lines = []
    for title, rows in findings:
        lines.append(title)
        table = aligned([[row.status.ljust(4), row.id, row.finding] for row in rows], left=3)
        for row, line in zip(rows, table, strict=True):
            indent = GAP + " " * line.index(row.finding)
            lines.append(fill(GAP + line, WIDTH, subsequent_indent=indent))
            if row.advice:
                lines.append(fill(f"{indent}-> {row.advice}", WIDTH, subsequent_indent=indent))
        lines.append("")
    counts = _counts(findings)
    lines.append(f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail")
    return "\n".join(lines)
