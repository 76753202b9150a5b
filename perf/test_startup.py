"""The cost of the import, and the time to the first response, in separate processes."""

import os
import subprocess
import sys
import time
from typing import Any

import pytest
from harness import Cell, Lap
from recording import Records, replayed
from stage import EFFORT, Stage

FIRST = """
from pywats import pyWATS
api = pyWATS(base_url={url!r}, token={token!r})
assert api.product.get_product("PN-00001") is not None
import os
os._exit(0)
"""
IMPORTS = {
    "python alone": "pass",
    "pywats alone": "from pywats import pyWATS",
    "pywats, requests, gevent": "import gevent, requests; from pywats import pyWATS",
    "green": "import pywats_green; from pywats import pyWATS",
}
FIRST_CALLS = {
    "upstream": FIRST,
    "green": "import pywats_green\n" + FIRST,
}


def turns(stage: Stage, cell: Cell, programs: dict[str, str]) -> Cell:
    server = stage.server
    for name, program in programs.items():
        try:
            seconds(program.format(url=server.url, token=server.token))  # compiles
        except subprocess.CalledProcessError as exc:
            cell.absent[name] = exc.stderr.strip().splitlines()[-1]
            continue
        cell.laps[name] = []
    for _ in range(EFFORT.rounds(7)):
        for name, laps in cell.laps.items():
            source = programs[name].format(url=server.url, token=server.token)
            laps.append(Lap(1, seconds(source), 0.0, None))
    return cell


def seconds(source: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", source],
        check=True, capture_output=True, text=True, env={**os.environ, "PYWATS_GREEN_DISABLE": ""},
    )  # fmt: skip
    return time.perf_counter() - start


@replayed
@pytest.mark.parametrize("who", IMPORTS)
def test_import(stage: Stage, records: Records, benchmark: Any, who: str) -> None:
    cell = Cell("start-up", "import, the whole process", {})
    records.show(benchmark, stage.cell("import", lambda: turns(stage, cell, IMPORTS)), who)


@replayed
@pytest.mark.parametrize("who", FIRST_CALLS)
def test_first_call(stage: Stage, records: Records, benchmark: Any, who: str) -> None:
    cell = Cell("start-up", "to the first answer, the whole process", {})
    records.show(benchmark, stage.cell("first", lambda: turns(stage, cell, FIRST_CALLS)), who)
