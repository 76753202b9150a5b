"""The requirements: key rows with bar and goal, and bars of other parts of the package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from estimates import Estimate
from results import Results


class Row(NamedTuple):
    """A requirement.

    Attributes:
        what: Description.
        only: The tests that measure it, for `make perf ONLY=...`.
        measured: Returns the estimate from the results, or None if it was not measured.
        bar: The required value; the run fails if a key row misses it.
        goal: The desired value. None: the bar.
        at_least: Whether more is better.
        unit: Unit of bar, goal and estimate.
    """

    what: str
    only: str
    measured: Callable[[Results], Estimate | None]
    bar: float
    goal: float | None = None
    at_least: bool = True
    unit: str = ""

    @property
    def command(self) -> str:
        return f'make perf ONLY="{self.only}"'

    def reaches(self, value: float, mark: float) -> bool:
        return value >= mark if self.at_least else value <= mark

    def verdict(self, results: Results) -> str:
        """Return the verdict on the median."""
        found = self.measured(results)
        if found is None:
            return "not measured"
        if not self.reaches(found.median, self.bar):
            return "**missed**"
        if self.goal is not None and self.reaches(found.median, self.goal):
            return "goal reached"
        return "holds"


def times_as_fast(
    group: str, cell: str, faster: str, slower: str, clock: str = "seconds"
) -> Callable[..., Estimate | None]:
    return lambda results: results.ratio(group, cell, slower, faster, clock)


def times_the_cpu(
    group: str, cell: str, rival: str, name: str = "green"
) -> Callable[..., Estimate | None]:
    """Return the ratio of CPU time, the rival's process to green's."""
    return times_as_fast(group, cell, name, rival, "cpu")


def figure(name: str) -> Callable[[Results], Estimate | None]:
    def measured(results: Results) -> Estimate | None:
        found = results.figure(name)
        return None if found is None else found.estimate

    return measured


at_50 = partial(times_as_fast, "concurrent", "50 at a time, 0 ms")
one_by_one = partial(times_as_fast, "sequential", "get_product, 0 ms")
AT_50, ONE_BY_ONE = "test_concurrent[50-0-", "test_one_after_another"
AT_20_MS = "1,000 calls, 50 at a time, 20 ms"

KEY_ROWS = (
    Row("CPU, 50 at a time, no cache: AsyncWATS / green", AT_50,
        times_the_cpu("concurrent", "50 at a time, 0 ms", "AsyncWATS"), 22, 28),
    Row("the same with the cache on and cold", "test_with_the_cache[cold",
        times_the_cpu("cache at once", "cold", "AsyncWATS"), 13, 17),
    Row("the same, hits through `Pool.map`", "test_with_the_cache[hits",
        times_the_cpu("cache at once", "hits", "AsyncWATS"), 0.9, 1.3),
    Row("CPU, one call after another: upstream / green", ONE_BY_ONE,
        times_the_cpu("sequential", "get_product, 0 ms", "upstream"), 16, 20),
    Row("CPU, a cache hit, a plain product: upstream / green", "test_a_hit and plain",
        times_the_cpu("cache hit", "product plain", "upstream"), 12, 14),
    Row("the same, a product with two revisions", "test_a_hit and revisions",
        times_the_cpu("cache hit", "product with two revisions", "upstream"), 6, 8),
    Row("CPU, 1,000 reads at 20 ms, 50 at a time: raw aiohttp / green with pywats' models",
        "test_against_the_ideal[20", times_the_cpu("ideal", AT_20_MS, "aiohttp"), 1.5, 1.8),
    Row("the same: wall / ideal", "test_against_the_ideal[20",
        figure("wall / ideal, 20 ms: green"), 1.12, 1.06, at_least=False),
    Row("the same at 50 ms", "test_against_the_ideal[50",
        figure("wall / ideal, 50 ms: green"), 1.12, 1.04, at_least=False),
    *(
        Row(f"no-op `Pool.map`, 100,000 items: gevent's own / ours, {what} an item",
            "test_no_op_map", figure(f"no-op Pool.map: gevent's / ours, {what}"), 3, 8)
        for what in ("CPU", "memory")
    ),
    *(
        Row(f"CPU of a look-up, 20,000 batched / 2,000{gc}", "test_cost_of_a_look_up",
            figure(f"cost of a look-up, many batched / few{gc}"), 1.15, 1.05, at_least=False)
        for gc in ("", ", no GC")
    ),
    *(
        Row(f"the way of {what}: our {of}", "test_way", figure(f"the way of {what}: {of}"), bar,
            at_least=False)
        for what, bars in (("an uncached GET", (70, 16)), ("a hit", (14, 8)))
        for of, bar in zip(("calls", "files"), bars, strict=True)
    ),
    Row("throughput, 50 at a time, no latency: green / AsyncWATS", AT_50,
        at_50("green", "AsyncWATS"), 8, 12),
    Row("the same, green / threads with a client each", AT_50, at_50("green", "threads"), 7, 12),
    Row("one call after another: green / upstream", ONE_BY_ONE,
        one_by_one("green", "upstream"), 3, 4),
    Row("RSS per call in flight, 1,000 in flight", "test_calls_in_flight",
        figure("RSS per call in flight: green"), 25, 12, at_least=False, unit="kB"),
    Row("native threads above idle, 1,000 in flight", "test_calls_in_flight",
        figure("native threads above idle: green"), 1, 0, at_least=False),
)  # fmt: skip

DRAIN, DEPTH = "test_drain", "test_depth"

FURTHER_ROWS = (
    Row("no-op `Pool.map`: cost of an item of 100,000 / of 1,000", "test_cost_of_an_item",
        figure("no-op Pool.map: an item of 100,000 / of 1,000"), 1.25, at_least=False),
    Row("a call that asks for no event loop / without lending", "test_a_call_that_asks_for_no",
        figure("a call that asks for no loop: drive / drive without lending"), 1.15,
        at_least=False),
    Row("`CacheManager.get` / bare `TLRUCache.get`", "test_get_against",
        figure("CacheManager.get / bare TLRUCache.get"), 3, at_least=False),
    Row("cache contention: 200 greenlets / one, the same reads", "test_contention",
        figure("the same 100,000 hits: 200 greenlets / one"), 1.2, at_least=False),
    *(
        Row(f"a shift at {latency} ms with the cache / without: {what}", "test_a_shift",
            figure(f"a shift at {latency} ms: {what}"), bar, at_least=False)
        for latency in (5, 50) for what, bar in (("requests", 0.7), ("time", 0.5))
    ),
    Row("1,000 look-ups batched, default limit: time", "test_batched",
        figure("time: batched, default limit"), 2, at_least=False, unit="s"),
    Row("the same: requests", "test_batched",
        figure("requests: batched, default limit"), 80, at_least=False),
    Row("CPU that the profiler adds to a call, 50 at a time, no latency", "test_of_a_call",
        figure("CPU that the profiler adds, 50 at a time"), 2, at_least=False, unit="%"),
    Row("the same, of the time of a call at 5 ms, one after another", "test_of_a_call",
        figure("CPU that the profiler adds, one after another, 5 ms"), 2,
        at_least=False, unit="%"),
    Row("drain of 1,000 reports, 50 ms: wall, the disk apart / ideal", DRAIN,
        figure("drain: wall, the disk apart / ideal"), 1.25, at_least=False),
    Row("the same: upstream's `process_pending` / wall", DRAIN,
        figure("drain: upstream's process_pending / wall"), 30),
    Row("10,000 reports wait: until the first is sent", DEPTH,
        figure("10,000 files: until the first is sent"), 1, at_least=False, unit="s"),
    Row("the same: memory for each", DEPTH,
        figure("10,000 files: memory for each"), 3, at_least=False, unit="kB"),
    Row("the same: cost of each / with 1,000 waiting", DEPTH,
        figure("cost of a report, 10,000 files / 1,000"), 1.5, at_least=False),
    Row("650 reads under the default limit of 500 a minute: failed", "test_a_batch_beyond",
        figure("beyond the limit: failed"), 0, at_least=False),
    Row("the same: wall / the minute that the limit takes", "test_a_batch_beyond",
        figure("beyond the limit: wall / the window"), 1.1, at_least=False),
    Row("500 reads at once, 429 without Retry-After, retries on: failed", "test_a_limit_that",
        figure("a limit that is not named: failed"), 0, at_least=False),
    Row("the same: refused", "test_a_limit_that",
        figure("a limit that is not named: refused"), 10, at_least=False, unit="%"),
    Row("750 reads, server away for 6 s, `wait_for_server=30`: failed", "test_an_outage",
        figure("an outage: failed"), 0, at_least=False),
    Row("the same: from its return to the end", "test_an_outage",
        figure("an outage: from its return to the end"), 10, at_least=False, unit="s"),
    Row("fleet of 3 processes, 600 calls under one limit: wall / ideal", "test_three_processes",
        figure("fleet: wall / ideal"), 1.08, at_least=False),
    Row("the same: refused", "test_three_processes",
        figure("fleet: refused"), 0, at_least=False),
    Row("fleet of 20 processes: slowest / quickest", "test_many_processes",
        figure("fleet: slowest / quickest process"), 1.1, at_least=False),
    Row("fleet: CPU an acquire, one after another / a Redis round trip", "test_cpu_of_an_acquire",
        figure("fleet: CPU an acquire / a Redis round trip"), 1.2, at_least=False),
    Row("the same, while 50 wait", "test_cpu_of_an_acquire",
        figure("fleet: CPU an acquire of 50 / a Redis round trip"), 0.24, at_least=False),
    Row("fleet: until a process goes on alone", "test_a_server_that_freezes",
        figure("fleet: seconds until it goes on alone"), 1.1, at_least=False, unit="s"),
    *(
        Row(f"10,000 {how}", "test_operators",
            figure(f"10,000 {how}"), 10, at_least=False, unit="s")
        for how in (
            "in quarantine: requeue --all", "waiting: discard --all",
            "in quarantine: discard --all",
        )
    ),
    Row("20 puts into a folder where 50,000 wait / into an empty one: CPU", "test_puts_beside",
        figure("puts, 50,000 waiting / none: CPU"), 1.2, at_least=False),
    Row("the same: more memory", "test_puts_beside",
        figure("puts, 50,000 waiting - none: memory"), 2, at_least=False, unit="MB"),
    Row("a report of 60 MB is sent: longest stall of the program", "test_a_big_report",
        figure("a report of 60 MB: longest stall, drain"), 2, at_least=False, unit="s"),
    Row("objects left by 100,000 calls", "test_nothing_stays_behind",
        figure("objects left by 100,000 calls: green"), 0, at_least=False),
)  # fmt: skip


def missed(results: Results) -> list[Row]:
    """Return the key rows that miss their bar or were not measured."""

    def is_missed(row: Row) -> bool:
        found = row.measured(results)
        return found is None or not row.reaches(found.median, row.bar)

    return [row for row in KEY_ROWS if is_missed(row)]
