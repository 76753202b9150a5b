"""The CPU time of a call by layer; 50 at a time, no latency."""

from typing import Any

import pytest
from harness import Cell, Player, take_turns
from layers import LAYERS
from recording import Records, replayed
from stage import EFFORT, Stage

AT_ONCE = 50
CASES = [f"{layer}, green" for layer in LAYERS]


def played(stage: Stage) -> Cell:
    """A process in which the layers take turns."""
    cell = Cell("layers", "50 at a time, 0 ms", {"concurrency": AT_ONCE, "latency_ms": 0})
    with stage.contestant("green", AT_ONCE) as contestant:
        players = [
            Player(f"{layer}, green", contestant, f"layer {layer}", AT_ONCE) for layer in LAYERS
        ]
        return take_turns(cell, players, rounds=EFFORT.rounds(9), seconds=EFFORT.seconds(0.2))


@replayed
@pytest.mark.parametrize("who", CASES)
def test_cost_by_layer(stage: Stage, records: Records, benchmark: Any, who: str) -> None:
    records.show(benchmark, stage.cell("layers", lambda: played(stage)), who)
