"""Calls per second by calls in flight and by the server's latency, all contestants in one run."""

from typing import Any

import pytest
from harness import Cell
from recording import Records, replayed
from stage import EFFORT, Part, Stage

TOO_MANY = "a client, its thread and upstream's event loop thread for each: too heavy"
PARTS = {
    "sequential": Part("upstream", "sequential", at_once=False),
    "threads": Part("upstream", "threads", at_most=200, why=TOO_MANY),
    "HttpClient threads": Part(
        "upstream", "http client threads", at_most=200, why="more native threads than help it"
    ),
    "AsyncWATS": Part("upstream", "gather"),
    "aiohttp": Part("aiohttp", "aiohttp"),
    "grequests": Part("grequests", "grequests"),
    "requests threads": Part(
        "requests", "requests", at_most=200, why="more native threads than help it"
    ),
    "green": Part("green", "pool"),
}
AT_ONCE = 50
CONCURRENCIES = (1, AT_ONCE) if EFFORT.quick else (1, 10, AT_ONCE, 200, 1000)
LATENCIES = (0, 50) if EFFORT.quick else (0, 5, 50, 200)  # milliseconds
CELLS = [(many, late) for many in CONCURRENCIES for late in LATENCIES if late == 0 or many != 10]
CASES = [(many, late, who) for many, late in CELLS for who in PARTS]

ONE_THOUSAND = 1000
RIVALS = {50: ("green",), 20: ("green", "aiohttp")}  # by milliseconds
IDEAL_CASES = [(late, who) for late, names in RIVALS.items() for who in names]
WITH_CACHE = {
    kind: {"AsyncWATS": Part("upstream", f"gather {kind}"), "green": Part("green", f"pool {kind}")}
    for kind in ("cold", "hits")
}


def played(stage: Stage, concurrency: int, latency: int) -> Cell:
    cell = Cell(
        "concurrent",
        f"{concurrency:,} at a time, {latency} ms",
        {"concurrency": concurrency, "latency_ms": latency},
    )
    stage.server.configure(latency=latency / 1000)
    if (concurrency, latency) == (AT_ONCE, 0):  # of the key rows
        return stage.take_turns(cell, PARTS, concurrency, rounds=17, seconds=0.5, budget=80)
    return stage.take_turns(cell, PARTS, concurrency, rounds=5, seconds=0.2, budget=5)


@replayed
@pytest.mark.parametrize(("concurrency", "latency", "who"), CASES)
def test_concurrent(
    stage: Stage, records: Records, benchmark: Any, concurrency: int, latency: int, who: str
) -> None:
    cell = stage.cell(
        ("concurrent", concurrency, latency), lambda: played(stage, concurrency, latency)
    )
    records.show(benchmark, cell, who)


@replayed
@pytest.mark.parametrize(("latency", "who"), IDEAL_CASES)
def test_against_the_ideal(
    stage: Stage, records: Records, benchmark: Any, latency: int, who: str
) -> None:
    """1,000 calls, 50 at a time: ideally, each wave takes just the latency."""
    how = f"1,000 calls, {AT_ONCE} at a time, {latency} ms"

    def played() -> Cell:
        stage.server.configure(latency=latency / 1000)
        parts = {name: PARTS[name] for name in RIVALS[latency]}
        cell = Cell("ideal", how, {})
        return stage.take_turns(cell, parts, AT_ONCE, rounds=11, seconds=0, calls=ONE_THOUSAND)

    cell = stage.cell(("ideal", latency), played)
    if who in cell.laps:
        ideal = ONE_THOUSAND / AT_ONCE * latency / 1000
        values = [lap.seconds / ideal for lap in cell.laps[who]]
        records.figure(f"wall / ideal, {latency} ms: {who}", values, "", how)
    records.show(benchmark, cell, who)


@replayed
@pytest.mark.parametrize(
    ("kind", "who"), [(k, who) for k, parts in WITH_CACHE.items() for who in parts]
)
def test_with_the_cache(
    stage: Stage, records: Records, benchmark: Any, kind: str, who: str
) -> None:
    """50 at a time with the default cache: 1,000 new keys, or only hits."""

    def played() -> Cell:
        stage.server.configure(latency=0)
        cell = Cell("cache at once", kind, {"concurrency": AT_ONCE})
        return stage.take_turns(
            cell, WITH_CACHE[kind], AT_ONCE, rounds=9, seconds=0, calls=ONE_THOUSAND
        )

    records.show(benchmark, stage.cell(("cache at once", kind), played), who)


def test_a_shared_client_under_threads(stage: Stage, records: Records) -> None:
    """Upstream's result for the program that users try first."""
    stage.server.configure(latency=0)
    with stage.contestant("upstream", 50) as contestant:
        contestant.open("shared by threads")
        result = contestant.play("shared by threads", 200).result
    assert result is not None
    seen = [f"{count} x {outcome}" for outcome, count in result["outcomes"].items()]
    records.texts["one pyWATS shared by 50 threads, upstream, 200 calls"] = "; ".join(seen[:5])
