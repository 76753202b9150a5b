"""One call after another: a look-up, and create, read, update and delete in each domain."""

from typing import Any

import pytest
from crud import DEEDS
from harness import Cell
from recording import Records, replayed
from stage import EFFORT, Part, Stage

FLAVOURS = {"upstream": "upstream", "green": "green"}
PARTS = {name: Part(flavour, "sequential", at_once=False) for name, flavour in FLAVOURS.items()}
CRUD = [
    (deed, cached, who)
    for deed in (list(DEEDS)[:4] if EFFORT.quick else DEEDS)
    for cached in ("uncached", "cached")
    for who in FLAVOURS
]


@replayed
@pytest.mark.parametrize("who", FLAVOURS)
def test_one_after_another(stage: Stage, records: Records, benchmark: Any, who: str) -> None:
    def played() -> Cell:
        cell = Cell("sequential", "get_product, 0 ms", {"concurrency": 1, "latency_ms": 0})
        return stage.take_turns(cell, PARTS, 1, rounds=15, seconds=0.3)

    records.show(benchmark, stage.cell("sequential", played), who)


@replayed
@pytest.mark.parametrize(("deed", "cached", "who"), CRUD)
def test_crud(
    stage: Stage, records: Records, benchmark: Any, deed: str, cached: str, who: str
) -> None:
    def played() -> Cell:
        conditions = {"domain": deed.partition(" ")[0], "cache": cached}
        cell = Cell("crud", f"{deed}, {cached}", conditions)
        parts = {
            name: Part(flavour, f"crud {deed} {cached}", at_once=False)
            for name, flavour in FLAVOURS.items()
        }
        return stage.take_turns(cell, parts, 1, rounds=5, seconds=0.04)

    records.show(benchmark, stage.cell((deed, cached), played), who)
