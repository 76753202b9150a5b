"""Finds avoidable calls, and those that could run concurrently."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from statistics import median
from typing import Literal, TypeVar

from pywats_green.profiler.advice import Adviser
from pywats_green.profiler.call import Call, Caller

FEWEST = 5
"""Minimum of calls from one place, with different keys, for a finding."""

PER_MINUTE = 500
"""Requests per minute that a WATS server allows, according to upstream's documentation."""

SIDE_BY_SIDE = 50
"""Size of the suggested Pool."""

_READS = frozenset({"GET", "HEAD"})
_TOO_MANY, _SERVER_ERROR = 429, 500

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Finding:
    """Calls that could be avoided or run concurrently.

    Attributes:
        kind: "n_plus_one": one route called from one place for one key after another. "duplicate":
            the same request repeated with no write in between. "sequential": different routes
            called from one place, one after another.
        method: HTTP method.
        route: Route template; if there are several, the first ones.
        callers: The places of the calls.
        count: Number of calls.
        requests: Number of requests they sent, retries included.
        seconds: Time during which at least one of them was in flight.
        requests_after: Number of requests if the advice is followed.
        seconds_after: Estimated time they take, from the median of these calls.
        advice: The call to use instead, as code.
        is_sequential: Whether they were made one after another and could run concurrently.
        example: One of the calls.
    """

    kind: Literal["n_plus_one", "duplicate", "sequential"]
    method: str
    route: str
    callers: tuple[Caller, ...]
    count: int
    requests: int
    seconds: float
    requests_after: int
    seconds_after: float
    advice: str
    is_sequential: bool
    example: str

    @property
    def caller(self) -> Caller:
        """The place of the calls; if there are several, the first."""
        return self.callers[0]

    @property
    def share(self) -> float:
        """These requests as a percentage of those allowed per minute."""
        return 100 * self.requests / PER_MINUTE


def find(calls: list[Call], adviser: Adviser) -> list[Finding]:
    """Find what can be improved.

    Args:
        calls: The calls, ordered by start.
        adviser: Knows pywats.

    Returns:
        The findings, those that save most requests first.
    """
    sent = [call for call in calls if call.attempts and not call.is_batched]
    many = list(_n_plus_one(sent, adviser))
    reported = {(found.caller, found.method, found.route) for found in many}
    rest = [call for call in sent if (call.caller, call.method, call.route) not in reported]
    found = [*many, *_duplicates(calls, sent, adviser), *_sequential(rest, adviser)]
    return sorted(found, key=lambda one: (one.requests_after - one.requests, -one.seconds))


def _n_plus_one(sent: list[Call], adviser: Adviser) -> Iterator[Finding]:
    groups = _grouped(sent, lambda call: (call.caller, call.method, call.route))
    for (caller, _, _), group in groups.items():
        if caller is None or not _are_many(group):
            continue
        one_by_one = [call for call in group if not call.through_pool]
        if _overlap(one_by_one):  # fanned out without a Pool
            one_by_one = []
        # Those fanned out inside `batching()` were offered to a query, which could not take them.
        ungathered = group
        if len(one_by_one) < len(group):
            ungathered = [call for call in group if not call.in_batching]
        batch = adviser.batch(ungathered) if _are_many(ungathered) else None
        if batch is not None:
            queries = ceil(len(ungathered) / batch.limit)
            yield _finding(
                "n_plus_one", ungathered, queries, ceil(queries / SIDE_BY_SIDE), batch.code
            )
        elif _are_many(one_by_one) and adviser.can_fan_out(one_by_one[0]):
            yield _side_by_side("n_plus_one", one_by_one, adviser)


def _duplicates(calls: list[Call], sent: list[Call], adviser: Adviser) -> Iterator[Finding]:
    writes = _edges(call for call in calls if adviser.is_write(call))
    reads = [
        call
        for call in sent
        if call.method in _READS
        and call.status is not None
        and call.status < _SERVER_ERROR
        and call.status != _TOO_MANY  # repeating those is right
        and not adviser.is_write(call)
    ]
    same = _grouped(
        reads, lambda call: (call.identity, bisect_right(writes[call.server], call.started))
    )
    runs = [run for run in same.values() if len(run) > 1]
    places = _grouped(runs, lambda run: (run[0].method, run[0].route, _callers(run)))
    for (_, _, callers), group in places.items():
        if callers:
            again = [call for run in group for call in run]
            advice = adviser.once(again[0])
            yield _finding("duplicate", again, len(group), len(group), advice)


def _sequential(sent: list[Call], adviser: Adviser) -> Iterator[Finding]:
    reads = [
        call
        for call in sent
        if call.method in _READS and not call.through_pool and not adviser.is_write(call)
    ]
    for caller, group in _grouped(reads, lambda call: call.caller).items():
        if caller is None or not _are_many(group) or _overlap(group):
            continue
        if adviser.can_fan_out(group[0]):
            yield _side_by_side("sequential", group, adviser)


def _side_by_side(
    kind: Literal["n_plus_one", "sequential"], group: list[Call], adviser: Adviser
) -> Finding:
    advice = adviser.fan_out(group)
    return _finding(
        kind, group, len(group), ceil(len(group) / SIDE_BY_SIDE), advice, is_sequential=True
    )


def _finding(
    kind: Literal["n_plus_one", "duplicate", "sequential"],
    group: list[Call],
    requests_after: int,
    waves: int,
    advice: str,
    *,
    is_sequential: bool = False,
) -> Finding:
    """Make a finding of calls; `waves` is how many times a median they take with the advice."""
    routes = list(dict.fromkeys(call.route for call in group))
    return Finding(
        kind=kind,
        method=group[0].method,
        route=", ".join(routes[:3]) + (", ..." if len(routes) > 3 else ""),  # noqa: PLR2004
        callers=_callers(group),
        count=len(group),
        requests=sum(call.attempts for call in group),
        seconds=busy(group),
        requests_after=requests_after,
        seconds_after=waves * median(call.elapsed for call in group),
        advice=advice,
        is_sequential=is_sequential,
        example=str(group[0]),
    )


def busy(calls: Iterable[Call]) -> float:
    """Return how many seconds at least one of some calls was under way."""
    seconds = until = 0.0
    for call in sorted(calls, key=lambda call: call.started):
        seconds += max(0.0, call.ended - max(until, call.started))
        until = max(until, call.ended)
    return seconds


def _overlap(calls: list[Call]) -> bool:
    """Return whether any two calls overlap; they must be ordered by start."""
    return any(later.started < earlier.ended for earlier, later in pairwise(calls))


def _are_many(calls: list[Call]) -> bool:
    return len(calls) >= FEWEST and (  # bodies are not recorded, so each write may differ
        calls[0].method not in _READS or len({call.identity for call in calls}) >= FEWEST
    )


def _callers(calls: Iterable[Call]) -> tuple[Caller, ...]:
    return tuple(dict.fromkeys(call.caller for call in calls if call.caller is not None))


def _edges(writes: Iterable[Call]) -> defaultdict[str, list[float]]:
    """Return the starts and ends of writes by server, in order; reads may change across them."""
    edges: defaultdict[str, list[float]] = defaultdict(list)
    for write in writes:
        edges[write.server] += (write.started, write.ended)
    for moments in edges.values():
        moments.sort()
    return edges


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
