"""From pytest-benchmark's JSON to the report; docs/figures.md matches the results."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from bars import AT_20_MS, FURTHER_ROWS, KEY_ROWS, missed
from losses import losses
from report import BEGIN, END, figures_block, markdown, with_block
from results import Results, condensed, load

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("perf_command", ROOT / "perf" / "__main__.py")
assert spec is not None
assert spec.loader is not None
command = importlib.util.module_from_spec(spec)
spec.loader.exec_module(command)
RESULTS = ROOT / "perf" / "results" / "results.json"
AT_50 = ("concurrent", "50 at a time, 0 ms", {"concurrency": 50, "latency_ms": 0})


def bench(
    where: tuple[str, str, dict[str, Any]], who: str, seconds: list[float], cpu: float = 1.0
) -> dict[str, Any]:
    """Return a contestant's rounds; `cpu` is the ratio of CPU time to wall time."""
    group, cell, conditions = where
    return {
        "name": f"test[{who}]",
        "group": f"{group}: {cell}",
        "param": who,
        "extra_info": {
            "group": group, "cell": cell, "conditions": conditions, "contestant": who,
            "calls": 100, "cpu": [cpu * each for each in seconds],
        },
        "stats": {"data": seconds, "median": sorted(seconds)[len(seconds) // 2]},
    }  # fmt: skip


def figure(name: str, values: list[float], unit: str = "", note: str = "") -> dict[str, Any]:
    return {"name": name, "values": values, "unit": unit, "note": note}


def raw() -> dict[str, Any]:
    plain: dict[str, Any] = {}
    sequential = ("sequential", "get_product, 0 ms", plain)
    hit, hits = ("cache hit", "product plain", plain), ("cache at once", "hits", plain)
    revisions = ("cache hit", "product with two revisions", plain)
    cold, ideal = ("cache at once", "cold", plain), ("ideal", AT_20_MS, plain)
    late = ("concurrent", "1 at a time, 200 ms", {"concurrency": 1, "latency_ms": 200})
    return {
        "benchmarks": [
            bench(AT_50, "green", [0.00025, 0.0005, 0.00025], 0.4),
            bench(AT_50, "AsyncWATS", [0.0025, 0.005, 0.0025]),
            bench(AT_50, "threads", [0.003, 0.006, 0.003]),
            bench(late, "green", [0.201, 0.2012, 0.2011]),
            bench(late, "AsyncWATS", [0.2021, 0.2022, 0.2023]),
            bench(sequential, "upstream", [0.002, 0.002]),
            bench(sequential, "green", [0.0005, 0.0005], 0.25),
            bench(hit, "upstream", [0.0003, 0.0003]),
            bench(hit, "green", [0.00002, 0.00002]),
            bench(revisions, "upstream", [0.00028, 0.00028]),
            bench(revisions, "green", [0.00004, 0.00004]),
            bench(cold, "AsyncWATS", [0.0028, 0.0028]),
            bench(cold, "green", [0.0002, 0.0002]),
            bench(hits, "AsyncWATS", [0.00003, 0.00003]),
            bench(hits, "green", [0.00003, 0.00003]),
            bench(ideal, "aiohttp", [0.0004, 0.0004], 0.4),
            bench(ideal, "green", [0.0004, 0.0004], 0.25),
            {
                "name": "test_in_process[CacheManager.get]",
                "param": "CacheManager.get",
                "group": "in this process: cache",
                "extra_info": {},
                "stats": {"data": [1e-6], "median": 1e-6},
            },
        ],
        "run": {
            "machine": {
                "date": "2026-01-02T03:04:05+00:00", "cpu": "A CPU", "cores": 2,
                "kernel": "Linux 6", "python": "CPython 3.11.7", "revision": "abc", "dirty": False,
                "versions": {"pywats-api": "0.6", "gevent": "26"}, "load_before": [0.1, 0.2, 0.3],
            },
            "quick": False,
            "cores": "not pinned",
            "minutes": 12.34,
            "figures": [
                figure("wall / ideal, 50 ms: green", [1.02, 1.03, 1.05]),
                figure("wall / ideal, 20 ms: green", [1.04, 1.07, 1.09]),
                figure("no-op Pool.map: gevent's / ours, CPU", [4.0, 4.0]),
                figure("no-op Pool.map: gevent's / ours, memory", [9.0]),
                figure("cost of a look-up, many batched / few", [1.1, 1.1]),
                figure("cost of a look-up, many batched / few, no GC", [1.1, 1.1]),
                figure("the way of an uncached GET: calls", [70.0]),
                figure("the way of an uncached GET: files", [16.0]),
                figure("the way of a hit: calls", [14.0]),
                figure("the way of a hit: files", [8.0]),
                figure("RSS per call in flight: green", [20.0, 21.0], "kB", "1,000 in flight"),
                figure("RSS per call in flight: AsyncWATS", [14.0, 14.1], "kB", "100 at once"),
                figure("RSS per call in flight: threads", [900.0], "kB", "200 in flight"),
                figure("native threads above idle: green", [0, 0]),
            ],
            "texts": {"a shared client": "200 x boom"},
            "absent": [
                {"contestant": "threads", "cell": cell, "reason": "too heavy"}
                for cell in ("1,000 at a time", "2,000 at a time")
            ],
            "broken": {},
        },
    }  # fmt: skip


@pytest.fixture
def results() -> Results:
    found = raw()
    return Results(condensed(found["run"], found["benchmarks"]))


def test_ratios_of_the_key_rows(results: Results) -> None:
    found = [row.measured(results) for row in KEY_ROWS]
    assert [round(item.median, 3) for item in found if item] == [
        25, 14, 1, 16, 15, 7, 1.6, 1.07, 1.03, 4, 9, 1.1, 1.1, 70, 16, 14, 8, 10, 12, 4, 20.5, 0,
    ]  # fmt: skip
    reached = [place for place, row in enumerate(KEY_ROWS) if "goal" in row.verdict(results)]
    assert reached == [4, 8, 10, 18, 19, 21]
    assert missed(results) == []


def test_a_missed_bar_is_missed(results: Results) -> None:
    content = copy.deepcopy(results.content)
    content["figures"][0]["values"] = [1.2, 1.3]
    slow = Results(content)
    assert [row.what for row in missed(slow)] == ["the same at 50 ms"]
    assert "**missed**" in markdown(slow)


def test_what_was_not_measured_is_missed_too(results: Results) -> None:
    content = copy.deepcopy(results.content)
    content["cells"] = [cell for cell in content["cells"] if cell["group"] != "cache hit"]
    assert [row.only for row in missed(Results(content))] == [
        "test_a_hit and plain", "test_a_hit and revisions",
    ]  # fmt: skip


def test_what_missed_is_played_once_more_and_the_report_says_so(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, quick = copy.deepcopy(results.content), copy.deepcopy(results.content)
    slow["figures"][0]["values"] = [1.2, 1.3]
    quick.update(cells=[], in_process=[], figures=quick["figures"][:1])
    played: list[list[str]] = []

    def play(_: Path, arguments: list[str]) -> Results:
        played.append(arguments)
        return Results(quick)

    monkeypatch.setattr(command, "play", play)
    second = command.again(Results(slow), tmp_path)
    assert played == [["-k", "(test_against_the_ideal[50)"]]
    assert missed(second) == []
    assert len(second.content["cells"]) == len(results.content["cells"])
    assert "- the same at 50 ms: 1.25 [1.20, 1.30] at first" in markdown(second)
    assert command.again(second, tmp_path) is second  # nothing is left to play


def test_it_says_where_green_does_not_win(results: Results) -> None:
    assert [(loss.where, loss.rival) for loss in losses(results)] == [
        ("concurrent: 1 at a time, 200 ms", "AsyncWATS"),
        ("RSS per call in flight (100 at once)", "AsyncWATS"),
    ]


def test_the_report_is_whole(results: Results) -> None:
    text = markdown(results)
    for part in ("Key rows", "Where green does not win", "Many at once", "Not run", "A cache hit"):
        assert f"## {part}" in text
    assert "| threads | too heavy | 1,000 at a time; 2,000 at a time |" in text
    assert "- a shared client: 200 x boom" in text
    assert "in this process: cache: CacheManager.get | 1.00 us" in text
    assert f"| ideal: {AT_20_MS} | aiohttp | 160 [160, 160] |" in text
    assert "A quick run" not in text


def test_the_report_of_a_broken_run(results: Results) -> None:
    content = {**results.content, "cells": [], "figures": [], "broken": {"test_x": "it fell"}}
    text = markdown(Results(content))
    assert "- test_x: it fell" in text
    assert text.count("not measured |") >= 2 * len(KEY_ROWS + FURTHER_ROWS)


def test_commands_name_tests_that_exist() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "perf").glob("test_*.py"))
    for row in KEY_ROWS + FURTHER_ROWS:
        name = row.only.partition(" ")[0].partition("[")[0]
        assert f"def {name}" in sources, row


def test_the_block_is_put_between_its_markers(results: Results) -> None:
    block = figures_block(results)
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_block(text, block) == f"before\n{block}\nafter\n"
    assert with_block(with_block(text, block), block) == with_block(text, block)
    assert block.startswith(BEGIN)
    assert block.endswith(END)
    assert "in 12.3 minutes on 2026-01-02, A CPU, 2 cores" in block
    assert "In 2 of 8 comparisons green is not clearly ahead" in block


def test_the_figures_say_what_the_results_say() -> None:
    assert figures_block(load(RESULTS)) in (ROOT / "docs" / "figures.md").read_text("utf-8")


def test_the_report_says_what_the_results_say() -> None:
    assert RESULTS.with_suffix(".md").read_text("utf-8") == markdown(load(RESULTS))


@pytest.mark.long
def test_the_charts_are_the_same_for_the_same_results(results: Results, tmp_path: Path) -> None:
    from charts import CHARTS, draw

    content = copy.deepcopy(results.content)
    seconds = {"seconds": [1e-4], "cpu": [1e-4], "calls": 1}
    content["cells"].append(
        {
            "group": "layers", "cell": "50 at a time, 0 ms", "conditions": {},
            "contestants": {"transport, green": seconds},
        }
    )  # fmt: skip
    drawn = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        draw(Results(content), folder)
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {f"{name}.svg" for name in CHARTS}


def test_the_renderer_needs_neither_gevent_nor_matplotlib(run_python: Any) -> None:
    done = run_python(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'perf')!r})\n"
        "import report\n"
        "print({'gevent', 'matplotlib', 'pywats'} & set(sys.modules))\n"
    )
    assert done.stdout.strip() == "set()", done.stderr
