"""Calls per second by calls at once and by the server's latency, all contestants in one run."""

from typing import Any

import pytest
from harness import FAILED, Cell, Player, take_turns
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
    "green": Part("green", "pool"),
}
CONCURRENCIES = (1, 50) if EFFORT.quick else (1, 10, 50, 200, 1000)
LATENCIES = (0, 50) if EFFORT.quick else (0, 5, 50, 200)  # milliseconds
CASES = [(many, late, who) for many in CONCURRENCIES for late in LATENCIES for who in PARTS]

IDEAL_CALLS, IDEAL_AT_ONCE, IDEAL_LATENCY = 1000, 50, 0.05


def played(stage: Stage, concurrency: int, latency: int) -> Cell:
    cell = Cell(
        "concurrent",
        f"{concurrency:,} at a time, {latency} ms",
        {"concurrency": concurrency, "latency_ms": latency},
    )
    stage.server.configure(latency=latency / 1000)
    if (concurrency, latency) == (50, 0):  # of the key rows
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


def test_against_the_ideal(stage: Stage, records: Records) -> None:
    """1,000 calls, 50 at a time, each answered after 50 ms: a second, were there nothing else."""
    stage.server.configure(latency=IDEAL_LATENCY)
    ideal = IDEAL_CALLS / IDEAL_AT_ONCE * IDEAL_LATENCY
    cell = Cell("ideal", "50 at a time, 50 ms", {})
    with stage.contestant("green", IDEAL_AT_ONCE) as contestant:
        players = [Player("green", contestant, "pool", IDEAL_CALLS)]
        take_turns(cell, players, rounds=EFFORT.rounds(11), seconds=0)
    failed = {name: why for name, why in cell.absent.items() if why.startswith(FAILED)}
    assert not failed
    for name, laps in cell.laps.items():
        values = [lap.seconds / ideal for lap in laps]
        records.figure(f"wall / ideal: {name}", values, "", "1,000 calls, 50 at a time, 50 ms")


def test_a_shared_client_under_threads(stage: Stage, records: Records) -> None:
    """What upstream answers to the program that everybody writes first."""
    stage.server.configure(latency=0)
    with stage.contestant("upstream", 50) as contestant:
        contestant.open("shared by threads")
        result = contestant.play("shared by threads", 200).result
    assert result is not None
    seen = [f"{count} x {outcome}" for outcome, count in result["outcomes"].items()]
    records.texts["one pyWATS shared by 50 threads, upstream, 200 calls"] = "; ".join(seen[:5])
