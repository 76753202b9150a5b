"""What was recorded, in the forms in which people ask for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from pywats_green.profiler import report
from pywats_green.profiler.advice import Adviser
from pywats_green.profiler.call import Call, caller_at
from pywats_green.profiler.findings import PER_MINUTE, Finding, find
from pywats_green.profiler.recording import Recording, Row


@dataclass(frozen=True)
class RouteSummary:
    """The calls of one route.

    Attributes:
        method: HTTP method.
        route: Route template.
        calls: How many there were.
        requests: How many requests they sent, retries included.
        cached: How many the cache, or another call's request, answered.
        batched: How many a query answered that was sent for several calls.
        failed: How many raised, or were answered with a status of 400 or more.
        seconds: Their times, added up.
        median: Of their times, in seconds.
        longest: Of their times, in seconds.
    """

    method: str
    route: str
    calls: int
    requests: int
    cached: int
    batched: int
    failed: int
    seconds: float
    median: float
    longest: float


class QueryProfile:
    """The calls of a `profile_queries()` block.

    It can be asked at any time, also while the block runs; each answer is of what has ended by
    then. The calls stay as long as the profile does.

    Args:
        recording: What is written down.
        adviser: Knows pywats.
    """

    def __init__(self, recording: Recording, adviser: Adviser) -> None:
        self._recording = recording
        self._adviser = adviser
        self._read: list[Call] = []
        self._found: tuple[int, list[Finding]] = (0, [])

    @property
    def calls(self) -> list[Call]:
        """All recorded calls, in the order in which they began."""
        for values in self._recording.rows[len(self._read) :]:
            self._read.append(self._call(Row(*values)))
        return sorted(self._read, key=lambda call: call.started)

    @property
    def requests(self) -> list[Call]:
        """The calls that sent requests."""
        return [call for call in self.calls if call.attempts]

    @property
    def request_count(self) -> int:
        """How many requests were sent; retries count, and so do calls that found no room."""
        return self._recording.sent

    @property
    def share(self) -> float:
        """Percentage of the requests of a minute, 500 by default, that these were."""
        return 100 * self.request_count / PER_MINUTE

    @property
    def dropped(self) -> int:
        """How many calls are not recorded, because 100,000 are."""
        return self._recording.dropped

    @property
    def seconds(self) -> float:
        """How long the block ran; until now, while it runs."""
        ended = self._recording.ended
        return (perf_counter() if ended is None else ended) - self._recording.started

    def by_route(self) -> dict[str, RouteSummary]:
        """Sum the calls up by route.

        Returns:
            By method and template, such as "GET /api/Product/{part_number}"; the one with most
            requests first.
        """
        groups: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            groups[call.method, call.route].append(call)
        routes = [_summary(*route, calls) for route, calls in groups.items()]
        routes.sort(key=lambda route: (-route.requests, -route.calls))
        return {f"{route.method} {route.route}": route for route in routes}

    @property
    def findings(self) -> list[Finding]:
        """What can be done better, that which spares most requests first."""
        recorded = len(self._recording.rows)
        if self._found[0] != recorded:
            self._found = recorded, find(self.calls, self._adviser)
        return list(self._found[1])

    @property
    def n_plus_one(self) -> list[Finding]:
        """The findings where one route was asked for thing after thing."""
        return [found for found in self.findings if found.kind == "n_plus_one"]

    @property
    def duplicates(self) -> list[Finding]:
        """The findings where the same was asked again."""
        return [found for found in self.findings if found.kind == "duplicate"]

    @property
    def sequential(self) -> list[Finding]:
        """The findings of calls that could be made side by side; some of them N+1, too."""
        return [found for found in self.findings if found.is_sequential]

    def report(self) -> str:
        """Write the totals, the routes and the findings as a text."""
        return report.as_text(self)

    def to_json(self) -> str:
        """Write totals, routes, findings and calls as JSON; docs/guides/profiling.md has the keys.

        Parameters that are neither texts nor numbers are written as texts.
        """
        return report.as_json(self)

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
        )


def _summary(method: str, route: str, calls: list[Call]) -> RouteSummary:
    times = [call.elapsed for call in calls]
    return RouteSummary(
        method=method,
        route=route,
        calls=len(calls),
        requests=sum(call.attempts for call in calls),
        cached=sum(not call.attempts and call.cache in report.FROM_CACHE for call in calls),
        batched=sum(call.is_batched for call in calls),
        failed=sum(call.error is not None or (call.status or 0) >= 400 for call in calls),  # noqa: PLR2004
        seconds=sum(times),
        median=median(times),
        longest=max(times),
    )
