"""The results of the demo, as text and as JSON."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from rich.console import Console
from rich.text import Text

from pywats_green._version import __version__
from pywats_green.cli.errors import redact
from pywats_green.cli.measuring import Comparison, Run
from pywats_green.cli.tables import Cell, Column, print_table
from pywats_green.upstream.hooks.versions import DISTRIBUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The results of the demo.

    Attributes:
        comparisons: One for each job.
        concurrency: Maximum green calls in flight.
        own_url: The user's server, without user info. None: the embedded server, to which the
            other attributes apply.
        latency: Seconds that the embedded server waits before each answer.
        reports_sent: How many reports the green run submitted.
        reports_held: How many the server has.
        each_once: Whether they are the same reports, each accepted once.
        highest_concurrency: Most requests in flight at once, as seen by the server.
    """

    comparisons: tuple[Comparison, ...]
    concurrency: int
    own_url: str | None = None
    latency: float = 0.0
    reports_sent: int = 0
    reports_held: int = 0
    each_once: bool = True
    highest_concurrency: int = 0

    @property
    def errors(self) -> list[str]:
        """What went wrong, job by job."""
        return [f"{job.name}: {error}" for job in self.comparisons for error in job.errors]

    @property
    def ok(self) -> bool:
        """Whether every call succeeded and the server has every report once."""
        return self.each_once and not self.errors


def print_result(console: Console, result: DemoResult) -> None:
    """Print the results.

    Args:
        console: Where.
        result: They.
    """
    console.print(*_heading(result), sep="\n")
    console.print()
    print_table(console, _COLUMNS, [_row(job) for job in result.comparisons])
    console.print()
    if result.errors:
        console.print(Text(f"First error: {redact(result.errors[0])}", "red"))
    console.print(Text(_closing(result), "green" if result.ok else "red"))


def as_json(result: DemoResult) -> dict[str, Any]:
    """Return the results for JSON; times are in seconds."""
    found: dict[str, Any] = {
        "versions": _versions(),
        "server": result.own_url or "embedded",
        "concurrency": result.concurrency,
        "jobs": [
            {
                "name": job.name,
                "one_by_one": _run(job.one_by_one),
                "green": _run(job.green),
                "speed_up": round(job.speed_up, 2),
                "errors": len(job.errors),
            }
            for job in result.comparisons
        ],
    }
    if result.own_url is None:
        found["latency"] = result.latency
        found["check"] = {
            "reports_sent": result.reports_sent,
            "reports_held": result.reports_held,
            "each_once": result.each_once,
            "highest_concurrency": result.highest_concurrency,
        }
    found["first_error"] = redact(result.errors[0]) if result.errors else None
    found["ok"] = result.ok
    return found


def _run(run: Run) -> dict[str, Any]:
    return {
        "calls": run.calls,
        "seconds": round(run.seconds, 4),
        "calls_per_second": round(run.rate, 1),
    }


def _versions() -> dict[str, str]:
    return {
        "pywats_green": __version__,
        DISTRIBUTION: metadata.version(DISTRIBUTION),
        "gevent": metadata.version("gevent"),
        "Python": platform.python_version(),
    }


def _heading(result: DemoResult) -> list[str]:
    sample = max(job.one_by_one.calls for job in result.comparisons)
    calls = max(job.green.calls for job in result.comparisons)
    if result.own_url is None:
        server = (
            f"Embedded WATS server, {result.latency * 1000:g} ms latency; "
            "pywats' limit of 500 requests a minute is off for it."
        )
    else:
        server = f"Reading from {result.own_url}; pywats' limit of 500 requests a minute is on."
    return [
        ", ".join(f"{name} {version}" for name, version in _versions().items()),
        server,
        f"One by one: a plain loop over a sample of {sample} calls for each job.",
        f"Green: pywats_green.Pool({result.concurrency}), all calls ({calls} for each job).",
    ]


_COLUMNS = (
    Column("job"),
    Column("one by one", right=True),
    Column("green", right=True),
    Column("speed-up", right=True),
    Column("errors", right=True),
)


def _row(job: Comparison) -> tuple[Cell, ...]:
    return (
        job.name,
        f"{job.one_by_one.rate:,.1f}/s",
        Text(f"{job.green.rate:,.1f}/s", "green"),
        Text(f"{job.speed_up:.1f}x", "bold"),
        Text(str(len(job.errors)), "red" if job.errors else ""),
    )


def _closing(result: DemoResult) -> str:
    if result.own_url is not None:
        return "Nothing was written to the server."
    if not result.each_once:
        return (
            f"CHECK FAILED: {result.reports_sent} reports were sent green, the server holds "
            f"{result.reports_held}, not each of them exactly once."
        )
    return (
        f"Checked: the server holds exactly the {result.reports_sent} reports sent green, each "
        f"once; it saw up to {result.highest_concurrency} requests at once."
    )
