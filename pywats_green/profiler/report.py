"""Writes a profile as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pywats_green.profiler.call import Call
from pywats_green.profiler.findings import PER_MINUTE, Finding

if TYPE_CHECKING:
    from pywats_green.profiler.profile import QueryProfile

FROM_CACHE = frozenset({"hit", "stale", "coalesced"})

_TITLES = {"n_plus_one": "N+1", "duplicate": "Asked again", "sequential": "One after another"}


def as_text(profile: QueryProfile) -> str:
    """Write a profile for people."""
    lines = [_total_line(profile)]
    if profile.dropped:
        lines.append(f"{profile.dropped:,} more calls are not recorded: there was no room for them")
    routes = profile.by_route()
    if routes:
        heads = ("requests", "calls", "cached", "batched", "median", "longest", "route")
        rows = [
            (
                str(route.requests), str(route.calls), str(route.cached), str(route.batched),
                seconds(route.median), seconds(route.longest), name,
            )
            for name, route in routes.items()
        ]  # fmt: skip
        lines += ["", *_table(heads, rows)]
    findings = profile.findings
    for number, found in enumerate(findings, start=1):
        lines += ["", *_finding_lines(number, found)]
    if routes and not findings:
        lines += ["", "No findings."]
    return "\n".join(lines)


def seconds(value: float) -> str:
    """Write a time in the unit that fits it."""
    if value < 0.001:  # noqa: PLR2004
        return f"{value * 1e6:.0f} us"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _total_line(profile: QueryProfile) -> str:
    totals = _totals(profile)
    parts = [
        f"{_counted(totals['calls'], 'call')} in {seconds(profile.seconds)}",
        _counted(totals["requests"], "request")
        + f" ({profile.share:.1f} % of {PER_MINUTE} a minute)",
    ]
    for name, words in (
        ("cached", "answered by the cache"), ("batched", "answered by batches"),
        ("failed", "failed"),
    ):  # fmt: skip
        if totals[name]:
            parts.append(f"{totals[name]:,} {words}")
    return ", ".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: numbers to the right, the last column as it is."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  ".join([*cells, row[-1]])


def _finding_lines(number: int, found: Finding) -> Iterator[str]:
    requests = f"{found.requests:,} requests"
    if found.kind == "duplicate":
        requests += f" for {_counted(found.requests_after, 'answer')}"
    yield f"{number}. {_TITLES[found.kind]}: {requests}, {found.method} {found.route}"
    for caller in found.callers:
        yield f"   at {caller} in {caller.function}"
    yield f"   such as {found.example}"
    yield (
        f"   now {seconds(found.seconds)} and {found.share:.1f} % of a minute's requests; "
        f"then about {seconds(found.seconds_after)} and "
        f"{_counted(found.requests_after, 'request')}:"
    )
    for line in found.advice.splitlines():
        yield f"       {line}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def as_json(profile: QueryProfile) -> str:
    """Write a profile for programs."""
    content = {
        "totals": _totals(profile),
        "routes": [asdict(route) for route in profile.by_route().values()],
        "findings": [_finding_dict(found) for found in profile.findings],
        "calls": [_call_dict(call) for call in profile.calls],
    }
    return json.dumps(content, default=str, indent=1)


def _totals(profile: QueryProfile) -> dict[str, Any]:
    routes = profile.by_route().values()
    return {
        "calls": sum(route.calls for route in routes),
        "requests": profile.request_count,
        "cached": sum(route.cached for route in routes),
        "batched": sum(route.batched for route in routes),
        "failed": sum(route.failed for route in routes),
        "dropped": profile.dropped,
        "seconds": profile.seconds,
        "share": profile.share,
    }


def _finding_dict(found: Finding) -> dict[str, Any]:
    callers = [caller._asdict() for caller in found.callers]
    return {**asdict(found), "callers": callers, "share": found.share}


def _call_dict(call: Call) -> dict[str, Any]:
    values = {name: getattr(call, name) for name in call.__dataclass_fields__}
    return {**values, "caller": None if call.caller is None else call.caller._asdict()}
