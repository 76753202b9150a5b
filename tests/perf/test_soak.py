"""The soak's definition of growth, its table, and one of its waves."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from soak.calls import REPORTS, Calls, Mixed
from soak.drainers import AT_ONCE, Killed
from soak.measuring import Sample, grown
from soak.outage import Outage
from soak.report import BEGIN, END, Soak, draw, markdown, with_block

from pywats_green.testing import WatsServer


def run(growth: tuple[float, ...], count: int = 30) -> list[Sample]:
    """Return a warm-up in which everything doubles, then waves with noise and given growth."""
    chance = random.Random(1)
    samples = []
    for number in range(count):
        warm = 1.0 if number > count // 5 else 0.5
        samples.append(
            Sample(
                float(number),
                *(
                    warm * base + each * number + chance.uniform(-scatter, scatter)
                    for base, scatter, each in zip(
                        (7e7, 50, 9, 90_000), (5e5, 2, 1, 300), growth, strict=True
                    )
                ),
            )
        )
    return samples


def test_a_steady_process_is_steady() -> None:
    assert grown(run((0, 0, 0, 0))) == []


@pytest.mark.parametrize(
    ("growth", "what"),
    [
        ((1e6, 0, 0, 0), "rss"),
        ((0, 1, 0, 0), "files"),
        ((0, 0, 1, 0), "greenlets"),
        ((0, 0, 0, 400), "objects"),
    ],
)
def test_what_grows_is_named(growth: tuple[float, ...], what: str) -> None:
    found = grown(run(growth))
    assert [line.partition(" ")[0] for line in found] == [what]


CALLS, KILLS = 400, 40


def test_a_wave_counts_all_calls_and_loses_no_report(server: WatsServer, tmp_path: Path) -> None:
    run = Calls(server, tmp_path / "queue")
    try:
        run.wave(CALLS, KILLS)
        assert run.lost() == set()
    finally:
        run.close()
    assert run.outcomes["report sent"] == REPORTS == len(run.put)
    assert run.outcomes.total() == CALLS + REPORTS
    assert run.outcomes["success"] > 0
    assert run.outcomes["WrongAnswerError"] == 0


def test_a_report_that_is_gone_is_lost(server: WatsServer, tmp_path: Path) -> None:
    run = Calls(server, tmp_path / "queue")
    run.put.add("no such report")
    try:
        assert run.lost() == {"no such report"}
    finally:
        run.close()


SCALED = """
import time
before = time.monotonic(), time.time()
from soak.scaled import scale_clocks
scale_clocks(1e6)
import gevent
gevent.sleep(10_000)  # longer than a test may take
print(time.monotonic() - before[0] > 10_000, time.time() - before[1] > 10_000)
"""


def test_a_scaled_clock_goes_faster_for_timers_and_for_time() -> None:
    perf = Path(__file__).parents[2] / "perf"
    command = [sys.executable, "-c", SCALED]
    done = subprocess.run(command, cwd=perf, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


MIXED = Mixed([Sample(0.0, 7e7, 50, 9, 90_000)] * 12, Counter(success=9, killed=1), set(), 3)
OUTAGE = Outage(1_200.0, [Sample(0.0, 7e7, 50, 9, 90_000)], 5, [], 0, 0, Counter(success=5), 2.0)
KILLED = Killed(2, 100, [], 2 * AT_ONCE, 0)


def test_the_table_of_a_steady_run() -> None:
    soak = Soak("make soak", MIXED, OUTAGE, KILLED)
    assert soak.problems() == []
    text = with_block(f"before {BEGIN} old {END} after", markdown(soak))
    assert text.startswith(f"before {BEGIN}\n`make soak`, ")
    assert text.endswith(f"\n{END} after")
    assert "| drainers ended by SIGKILL | 2 |" in text


@pytest.mark.long
def test_the_plot(tmp_path: Path) -> None:
    draw(Soak("make soak", MIXED, OUTAGE, KILLED), tmp_path / "soak.svg")
    assert (tmp_path / "soak.svg").read_text("utf-8").endswith("</svg>\n")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"calls": MIXED._replace(lost={"a"})}, "mixed calls: lost report a"),
        (
            {"calls": MIXED._replace(outcomes=Counter(WrongAnswerError=1))},
            "mixed calls: 1 answers reached the wrong caller",
        ),
        ({"outage": OUTAGE._replace(lost=["b"])}, "outage: lost report b"),
        ({"outage": OUTAGE._replace(quarantined=1)}, "outage: 1 reports were given up"),
        ({"outage": OUTAGE._replace(reads=Counter(Error=2))}, "outage: 2 reads failed"),
        ({"killed": KILLED._replace(lost=["c"])}, "drainers: lost report c"),
        ({"killed": KILLED._replace(left=1)}, "drainers: 1 reports are left in the folder"),
        (
            {"killed": KILLED._replace(again=41)},
            "drainers: 41 reports were sent again, more than in flight",
        ),
    ],
)
def test_what_was_lost_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    soak = Soak("make soak", MIXED, OUTAGE, KILLED)._replace(**changes)
    assert soak.problems() == [problem]
