"""`doctor`: checks this installation, that calls run green on it, and the user's server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from pywats_green._version import __version__
from pywats_green.cli import options as option
from pywats_green.cli.checks import SECTIONS, Row, server
from pywats_green.cli.console import out, plain
from pywats_green.cli.errors import FAILED, UNAVAILABLE
from pywats_green.cli.tables import Column, print_table

Findings = Sequence[tuple[str, Sequence[Row]]]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog=(
        "Exit status: 0 if nothing fails (warnings are allowed), else 1; with --server, 3 if it is "
        "not configured, and 4 if it is away."
    )
)  # fmt: skip
@click.option(
    "--server", "asks_server", is_flag=True,
    help="Also check the server that PYWATS_GREEN_BASE_URL and PYWATS_GREEN_TOKEN name, with "
    "about ten read-only requests.",
)  # fmt: skip
@option.as_json
def command(asks_server: bool, as_json: bool) -> int:
    """Check this installation, and that calls run green on it."""
    sections = [(section.title, section.checks) for section in SECTIONS]
    if asks_server:
        sections.append(("Server", server.checks()))
    findings = [(title, [row for check in checks for row in check()]) for title, checks in sections]
    if as_json:
        print(as_line(findings))
    else:
        print_findings(out(), findings)
    failed = [row.id for _, rows in findings for row in rows if row.status == "fail"]
    if server.REACHED in failed:
        return UNAVAILABLE
    return FAILED if failed else 0


def _counts(findings: Findings) -> Counter[str]:
    return Counter(row.status for _, rows in findings for row in rows)


def as_line(findings: Findings) -> str:
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


_COLUMNS = (Column(""), Column(""), Column("", wraps=True))
_NARROW = 70  # characters; below them, what was found stands under the name


def print_findings(console: Console, findings: Findings) -> None:
    """Print a heading for each section, and its rows with their advice."""
    for title, rows in findings:
        console.print(Text(title, "bold"))
        if console.width < _NARROW:
            print_table(console, _COLUMNS[1:], [_block(row) for row in rows], indent=2)
        else:
            print_table(console, _COLUMNS, [line for row in rows for line in _lines(row)], indent=2)
        console.print()
    counts = _counts(findings)
    console.print(f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail")


def _lines(row: Row) -> list[tuple[Text, str, Text]]:
    colour = _COLOURS[row.status]
    lines = [(Text(row.status, colour), row.id, Text(plain(row.finding)))]
    if row.advice:
        lines.append((Text(), "", Text(f"-> {row.advice}", colour)))
    return lines


def _block(row: Row) -> tuple[Text, Text]:
    colour = _COLOURS[row.status]
    text = Text(f"{row.id}\n{plain(row.finding)}")
    if row.advice:
        text.append(f"\n-> {row.advice}", colour)
    return Text(row.status, colour), text
