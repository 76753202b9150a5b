"""The drainer is killed with SIGKILL: nothing is lost, little is sent again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each kill costs a fork")

DRAINER = Path(__file__).with_name("drainer.py")


def _run(mode: str, workdir: Path, first: int, second: int) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, str(DRAINER), mode, str(workdir), str(first), str(second)],
        env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def test_killed_at_some_steps_it_loses_nothing(tmp_path: Path) -> None:
    result = _run("faults", tmp_path, 1, 9)
    assert not result["problems"]
    assert result["kills"] > 8


def test_killed_at_a_few_random_moments_it_loses_nothing(tmp_path: Path) -> None:
    result = _run("random", tmp_path, 20, 8)
    assert not result["problems"]
    assert result["kills"] == 8


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_at_every_step_it_loses_nothing(tmp_path: Path) -> None:
    result = _run("faults", tmp_path, 1, 1)
    assert not result["problems"]
    assert result["kills"] > 80  # so many steps are there between put, claim and removal
    assert result["resent"] > 0  # it was killed between the submission and the removal, too


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_at_random_moments_it_loses_nothing(tmp_path: Path) -> None:
    result = _run("random", tmp_path, 20, 130)
    assert not result["problems"]
    assert result["kills"] == 130


def test_killed_at_some_steps_it_holds_nothing_against_a_report_too_much(tmp_path: Path) -> None:
    result = _run("blame", tmp_path, 3, 19)
    assert not result["problems"]
    assert result["kills"] > 5


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_at_every_step_it_holds_nothing_against_a_report_too_much(tmp_path: Path) -> None:
    result = _run("blame", tmp_path, 1, 1)
    assert not result["problems"]
    assert result["kills"] > 80


def test_two_drainers_send_each_report_once(tmp_path: Path) -> None:
    result = _run("pair", tmp_path, 1, 0)
    assert result == {"kills": 0, "problems": [], "resent": 0, "drainers": 2}


def test_a_drainer_takes_over_from_others_that_are_killed_beside_it(tmp_path: Path) -> None:
    result = _run("pair", tmp_path, 2, 8)
    assert not result["problems"]
    assert result["kills"] == 8


@pytest.mark.parametrize("concurrency", [1, 20])
@pytest.mark.parametrize("how", [0, 1], ids=["a kill", "SystemExit"])
def test_a_report_that_ends_its_process_is_overtaken_and_quarantined(
    tmp_path: Path, concurrency: int, how: int
) -> None:
    result = _run("poison", tmp_path, concurrency, how)
    assert result["sent"] == list(range(1, 11))  # each once
    assert result["deliveries"] == 5
    assert result["sent_by_run"][2] == 10  # from the third on, it goes last and alone
    assert result["reason"]["attempts"] == 5
    assert "given up after 5 attempts; the last: " in result["reason"]["reason"]


def test_three_owners_of_which_one_comes_back_under_another_host_name(tmp_path: Path) -> None:
    result = _run("trio", tmp_path, 3, 8)
    assert not result["problems"]
    assert result["kills"] == 8


@pytest.mark.long
@pytest.mark.timeout(300)
def test_three_owners_are_killed_forty_times(tmp_path: Path) -> None:
    result = _run("trio", tmp_path, 4, 40)
    assert not result["problems"]
    assert result["kills"] == 40


@pytest.mark.parametrize("kills", [6, pytest.param(30, marks=pytest.mark.long)])
def test_killed_on_a_disk_that_fills_and_empties_it_loses_nothing(
    small_disk: Path, kills: int
) -> None:
    result = _run("disk", small_disk, 5, kills)
    assert not result["problems"]
    assert (result["bad"], result["reasons"], result["left"]) == (20, 20, [])
    assert result["kills"] > 0
