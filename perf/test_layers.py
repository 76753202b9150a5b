"""What a call costs, layer by layer, in CPU time; 50 at a time, no latency."""

from contextlib import ExitStack
from typing import Any

import pytest
from harness import Cell, Player, take_turns
from layers import LAYERS
from recording import Records, replayed
from stage import EFFORT, Stage

AT_ONCE = 50
FLAVOURS = {"green": "green", "green fast": "fast"}
CASES = [f"{layer}, {name}" for name in FLAVOURS for layer in LAYERS]


def played(stage: Stage) -> Cell:
    """One process for each flavour, in which the layers take turns as well."""
    cell = Cell("layers", "50 at a time, 0 ms", {"concurrency": AT_ONCE, "latency_ms": 0})
    with ExitStack() as stack:
        contestants = {
            name: stack.enter_context(stage.contestant(flavour, AT_ONCE))
            for name, flavour in FLAVOURS.items()
        }
        players = [
            Player(f"{layer}, {name}", contestant, f"layer {layer}", AT_ONCE)
            for name, contestant in contestants.items()
            for layer in LAYERS
        ]
        return take_turns(cell, players, rounds=EFFORT.rounds(9), seconds=EFFORT.seconds(0.2))


@replayed
@pytest.mark.parametrize("who", CASES)
def test_cost_by_layer(stage: Stage, records: Records, benchmark: Any, who: str) -> None:
    records.show(benchmark, stage.cell("layers", lambda: played(stage)), who)
