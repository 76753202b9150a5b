"""The soak's definition of growth, and one of its waves."""

import random
from pathlib import Path

import pytest
from soak import CALLS, REPORTS, Sample, Soak, grown

from pywats_green.testing import WatsServer


def run(growth: Sample, count: int = 30) -> list[Sample]:
    """Return a warm-up in which everything doubles, then waves with noise and given growth."""
    chance = random.Random(1)
    samples = []
    for number in range(count):
        warm = 1.0 if number > count // 5 else 0.5
        samples.append(
            Sample(
                *(
                    warm * base + each * number + chance.uniform(-scatter, scatter)
                    for base, scatter, each in zip(
                        (7e7, 50, 9, 90_000), (5e5, 2, 1, 300), growth, strict=True
                    )
                )
            )
        )
    return samples


def test_a_steady_process_is_steady() -> None:
    assert grown(run(Sample(0, 0, 0, 0))) == []


@pytest.mark.parametrize(
    ("growth", "what"),
    [
        (Sample(1e6, 0, 0, 0), "rss"),
        (Sample(0, 1, 0, 0), "files"),
        (Sample(0, 0, 1, 0), "greenlets"),
        (Sample(0, 0, 0, 400), "objects"),
    ],
)
def test_what_grows_is_named(growth: Sample, what: str) -> None:
    found = grown(run(growth))
    assert [line.partition(" ")[0] for line in found] == [what]


def test_a_wave_counts_all_calls_and_loses_no_report(server: WatsServer, tmp_path: Path) -> None:
    soak = Soak(server, tmp_path / "queue")
    try:
        soak.wave()
        assert soak.lost() == set()
    finally:
        soak.close()
    assert soak.outcomes["report sent"] == REPORTS == len(soak.put)
    assert soak.outcomes.total() == CALLS + REPORTS
    assert soak.outcomes["success"] > 0


def test_a_report_that_is_gone_is_lost(server: WatsServer, tmp_path: Path) -> None:
    soak = Soak(server, tmp_path / "queue")
    soak.put.add("no such report")
    try:
        assert soak.lost() == {"no such report"}
    finally:
        soak.close()
