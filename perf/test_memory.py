"""The memory of a call in flight, and leaks; holding.py explains how it is measured."""

from typing import Any

import pytest
from harness import AbsentError, Cell
from recording import Records
from stage import EFFORT, Stage

HELD = 1000
THREADS_HELD = 200  # a thousand threads with a client and an event loop thread each: too heavy
CALLS = 2000 if EFFORT.quick else 100_000
WAYS = {
    "green": ("green", "green", HELD, 5),
    "AsyncWATS": ("upstream", "async", HELD, 3),
    "threads": ("upstream", "threads", THREADS_HELD, 2),
}


@pytest.mark.skipif("not __import__('os').path.exists('/proc/self/status')", reason="needs /proc")
@pytest.mark.parametrize("name", WAYS)
def test_calls_in_flight(stage: Stage, records: Records, name: str) -> None:
    flavour, way, count, times = WAYS[name]
    try:
        seen = [held(stage, flavour, way, count) for _ in range(EFFORT.rounds(times))]
    except AbsentError as exc:
        records.show(None, Cell("memory", "calls in flight", {}, absent={name: str(exc)}), name)
        raise
    at_server = max(lap["at_server"] for lap in seen)
    note = f"{count:,} in flight, {at_server:,} of them at the server"
    for field, title, unit, scale in (
        ("rss", "RSS per call in flight", "kB", 1000 * count),
        ("address_space", "address space per call in flight", "kB", 1000 * count),
        ("threads", "native threads above idle", "", 1),
    ):
        values = [lap[field] / scale for lap in seen]
        records.figure(f"{title}: {name}", values, unit, note)


def held(stage: Stage, flavour: str, way: str, count: int) -> dict[str, Any]:
    stage.server.reset()
    with stage.contestant(flavour) as contestant:
        contestant.open(f"{way} keep")
        contestant.play(f"{way} keep", count)
        stage.server.configure(latency=60.0)  # longer than any wait
        result = contestant.play(f"{way} hold", count).result
    assert result is not None
    assert result["finished"] == 0
    return {**result, "at_server": stage.server.stats()["highest_concurrency"]}


def test_nothing_stays_behind(stage: Stage, records: Records) -> None:
    """The objects left by 100,000 calls, by objgraph."""
    title = f"objects left by {CALLS:,} calls"
    stage.server.reset()
    with stage.contestant("green", 50) as contestant:
        contestant.open("growth")
        result = contestant.play("growth", CALLS).result
    assert result is not None
    grown = result["grown"]
    records.figure(
        f"{title}: green", [float(sum(grown.values()))], "objects", str(grown or "no type grew")
    )
