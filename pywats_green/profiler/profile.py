"""A recording as objects, text and JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

from pywats_green.profiler.advice import Adviser
from pywats_green.profiler.call import Call, caller_at
from pywats_green.profiler.findings import PER_MINUTE, Finding, find
from pywats_green.profiler.recording import Recording, Row

_FROM_CACHE = frozenset({"hit", "stale", "coalesced"})

_SHOWN = 0.05  # seconds of waiting that are worth a line

_TITLES = {"n_plus_one": "N+1", "duplicate": "Asked again", "sequential": "One after another"}


@dataclass(frozen=True)
class RouteSummary:
    """The calls of one route.

    Attributes:
        method: HTTP method.
        route: Route template.
        calls: Number of calls.
        requests: Number of requests they sent, retries included.
        cached: How many were answered by the cache or another call's request.
        batched: How many were answered by a query for several calls.
        failed: How many raised or got a status of 400 or more.
        seconds: Sum of their durations.
        waited: Seconds of those spent waiting to be sent: for the rate limit, or a closed gate.
        median: Median duration in seconds.
        longest: Longest duration in seconds.
    """

    method: str
    route: str
    calls: int
    requests: int
    cached: int
    batched: int
    failed: int
    seconds: float
    waited: float
    median: float
    longest: float


class QueryProfile:
    """The calls of a `profile_queries()` block.

    It can be used at any time, even while the block runs, and covers the calls that have ended.
    The calls live as long as the profile.

    Args:
        recording: The recorded calls.
        adviser: Knows pywats.
    """

    def __init__(self, recording: Recording, adviser: Adviser) -> None:
        self._recording = recording
        self._adviser = adviser
        self._read: list[Call] = []
        self._found: tuple[int, list[Finding]] = (0, [])

    @property
    def calls(self) -> list[Call]:
        """All recorded calls, ordered by start."""
        for values in self._recording.rows[len(self._read) :]:
            self._read.append(self._call(Row(*values)))
        return sorted(self._read, key=lambda call: call.started)

    @property
    def requests(self) -> list[Call]:
        """The calls that sent requests."""
        return [call for call in self.calls if call.attempts]

    @property
    def request_count(self) -> int:
        """Number of requests sent, including retries and those of dropped calls."""
        return self._recording.sent

    @property
    def share(self) -> float:
        """These requests as a percentage of those allowed per minute, 500."""
        return 100 * self.request_count / PER_MINUTE

    @property
    def dropped(self) -> int:
        """Number of calls not recorded, because there were 100,000 already."""
        return self._recording.dropped

    @property
    def seconds(self) -> float:
        """Duration of the block in seconds; so far, if it is still running."""
        ended = self._recording.ended
        return (perf_counter() if ended is None else ended) - self._recording.started

    def by_route(self) -> dict[str, RouteSummary]:
        """Summarise the calls by route.

        Returns:
            Summaries by method and template, such as "GET /api/Product/{part_number}"; those with
            most requests first.
        """
        groups: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            groups[call.method, call.route].append(call)
        routes = [_summary(*route, calls) for route, calls in groups.items()]
        routes.sort(key=lambda route: (-route.requests, -route.calls))
        return {f"{route.method} {route.route}": route for route in routes}

    @property
    def findings(self) -> list[Finding]:
        """What can be improved; findings that save most requests first."""
        recorded = len(self._recording.rows)
        if self._found[0] != recorded:
            self._found = recorded, find(self.calls, self._adviser)
        return list(self._found[1])

    @property
    def n_plus_one(self) -> list[Finding]:
        """Findings of one route called for one key after another."""
        return [found for found in self.findings if found.kind == "n_plus_one"]

    @property
    def duplicates(self) -> list[Finding]:
        """Findings of repeated identical requests."""
        return [found for found in self.findings if found.kind == "duplicate"]

    @property
    def sequential(self) -> list[Finding]:
        """Findings of calls that could run concurrently; some of them are N+1 as well."""
        return [found for found in self.findings if found.is_sequential]

    def report(self) -> str:
        """Return totals, routes and findings as text."""
        return _as_text(self)

    def to_json(self) -> str:
        """Return totals, routes, findings and calls as JSON; docs/guides/profiling.md has the keys.

        Parameters that JSON cannot represent are converted to strings.
        """
        return _as_json(self)

    def __repr__(self) -> str:
        recorded = len(self._recording.rows)
        return f"QueryProfile({recorded} calls, {self.request_count} requests)"

    def _call(self, row: Row) -> Call:
        adviser = self._adviser
        endpoint = row.endpoint if row.endpoint.startswith("/") else f"/{row.endpoint}"
        return Call(
            method=row.method,
            route=adviser.route_of(endpoint),
            endpoint=endpoint,
            params={name: value for name, value in row.params if value is not None},
            server=row.server,
            caller=caller_at(row.place or row.pool_place),
            service=None if row.service is None else adviser.name_of(row.service),
            started=row.started - self._recording.started,
            elapsed=row.elapsed,
            attempts=row.attempts,
            cache=row.cache,
            is_batched=row.is_batched,
            status=row.status,
            error=row.error,
            through_pool=row.pool_place is not None,
            in_batching=row.in_batching,
            waited=row.waited,
        )


def _summary(method: str, route: str, calls: list[Call]) -> RouteSummary:
    times = [call.elapsed for call in calls]
    return RouteSummary(
        method=method,
        route=route,
        calls=len(calls),
        requests=sum(call.attempts for call in calls),
        cached=sum(not call.attempts and call.cache in _FROM_CACHE for call in calls),
        batched=sum(call.is_batched for call in calls),
        failed=sum(call.error is not None or (call.status or 0) >= 400 for call in calls),  # noqa: PLR2004
        seconds=sum(times),
        waited=sum(call.waited for call in calls),
        median=median(times),
        longest=max(times),
    )


def _as_text(profile: QueryProfile) -> str:
    """Format a profile as text."""
    lines = [_total_line(profile)]
    if profile.dropped:
        lines.append(f"{profile.dropped:,} more calls were not recorded: the profile is full")
    routes = profile.by_route()
    waited = sum(route.waited for route in routes.values())
    if waited >= _SHOWN:
        spent = sum(route.seconds for route in routes.values())
        lines.append(
            f"{as_time(waited)} of the {as_time(spent)} that the calls took together were waits to "
            "be sent: for the rate limit, or for a server that was left alone"
        )
    if routes:
        heads = ("requests", "calls", "cached", "batched", "median", "longest", "route")
        rows = [
            (
                str(route.requests), str(route.calls), str(route.cached), str(route.batched),
                as_time(route.median), as_time(route.longest), name,
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


def as_time(value: float) -> str:
    """Format a time in a suitable unit."""
    if value < 0.001:  # noqa: PLR2004
        return f"{value * 1e6:.0f} us"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _total_line(profile: QueryProfile) -> str:
    totals = _totals(profile)
    parts = [
        f"{_counted(totals['calls'], 'call')} in {as_time(profile.seconds)}",
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
    """Yield the lines of a table: right-aligned, except for the last column."""
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
        f"   now {as_time(found.seconds)} and {found.share:.1f} % of a minute's requests; "
        f"then about {as_time(found.seconds_after)} and "
        f"{_counted(found.requests_after, 'request')}:"
    )
    for line in found.advice.splitlines():
        yield f"       {line}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _as_json(profile: QueryProfile) -> str:
    """Format a profile as JSON."""
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
        "waited": sum(route.waited for route in routes),
        "share": profile.share,
    }


def _finding_dict(found: Finding) -> dict[str, Any]:
    callers = [caller._asdict() for caller in found.callers]
    return {**asdict(found), "callers": callers, "share": found.share}


def _call_dict(call: Call) -> dict[str, Any]:
    values = {name: getattr(call, name) for name in call.__dataclass_fields__}
    return {**values, "caller": None if call.caller is None else call.caller._asdict()}
