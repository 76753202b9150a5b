"""1,000 look-ups inside `batching()` under upstream's default limit, and their cost without."""

import statistics
from typing import Any

import pytest
from recording import Records
from stage import EFFORT, Stage

LOOK_UPS, AT_ONCE, LATENCY = 1000, 200, 0.03
FEW, MANY = 2000, 4000 if EFFORT.quick else 20_000
LIMIT, WINDOW = 500, 60.0  # upstream's default: requests, seconds


def run(stage: Stage, play: str, *, throttled: bool) -> dict[str, Any]:
    """Run a round in a new process, whose limiter is unused."""
    with stage.contestant("green", AT_ONCE, throttled=throttled) as contestant:
        contestant.open(play)
        before = stage.server.stats()["total"]
        lap = contestant.play(play, LOOK_UPS)
        requests = stage.server.stats()["total"] - before
    return {"seconds": lap.seconds, "requests": requests, **(lap.result or {})}


def test_batched_and_not(stage: Stage, records: Records) -> None:
    stage.server.configure(latency=LATENCY)
    ways = {"batched, default limit": ("batched", True), "not batched, no limit": ("pool", False)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(EFFORT.rounds(5)):
        for name, (play, throttled) in ways.items():
            found[name].append(run(stage, play, throttled=throttled))
    note = f"{LOOK_UPS} get_product, {AT_ONCE} at a time, 30 ms"
    for name, runs in found.items():
        records.figure(f"time: {name}", [lap["seconds"] for lap in runs], "s", note)
        records.figure(f"requests: {name}", [float(lap["requests"]) for lap in runs], "", note)
    assert all(lap["found"] == LOOK_UPS for lap in found["batched, default limit"])
    records.figure(
        "time: not batched, default limit",
        [(LOOK_UPS - 1) // LIMIT * WINDOW],
        "s",
        "by arithmetic: 500 pass at once, the next 500 a minute later",
    )


@pytest.mark.parametrize(("play", "who"), [("batched", ""), ("batched uncollected", ", no GC")])
def test_cost_of_a_look_up(stage: Stage, records: Records, play: str, who: str) -> None:
    """The cost per look-up, many versus few: the bookkeeping of batches must not grow.

    The work of the garbage collector does, which walks the models that the caller keeps.
    """
    stage.server.configure(latency=0)
    ratios = []
    with stage.contestant("green", AT_ONCE) as contestant:
        contestant.open(play)
        contestant.play(play, FEW)
        for _ in range(EFFORT.rounds(3)):
            few = statistics.median(
                lap.cpu / lap.calls for lap in (contestant.play(play, FEW) for _ in range(3))
            )
            many = contestant.play(play, MANY)
            ratios.append(many.cpu / many.calls / few)
    note = f"{MANY:,} batched / {FEW:,}, CPU"
    records.figure(f"cost of a look-up, many batched / few{who}", ratios, "", note)
