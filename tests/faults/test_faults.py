"""Answers of every kind, cut anywhere, over TCP and TLS: green makes of them what upstream does.

What upstream makes of each was recorded by record.py, from upstream alone.
"""

from __future__ import annotations

import json
import random
import re
import ssl
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from parity import determinism

from faults.differences import ROWS
from faults.play import KINDS, Player, play, playing
from faults.record import RECORDED, server_context
from faults.scenarios import SCENARIOS, Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "upstream-differences.md"
SHORT = 400  # bytes; a shorter answer is also sent byte by byte

_numbers = count()


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    document = json.loads(RECORDED.read_text(encoding="utf-8"))
    scenarios: dict[str, Any] = document["scenarios"]
    return scenarios


@pytest.fixture(scope="module")
def context() -> ssl.SSLContext:
    return server_context()


@pytest.fixture
def player(transport: str, context: ssl.SSLContext) -> Iterator[Player]:
    with playing(context if transport == "TLS" else None) as player:
        yield player


def cuts_of(scenario: Scenario, seed: int, name: str) -> list[int]:
    """Choose where to cut an answer."""
    chance, length = random.Random(f"{seed} {name}"), len(scenario.answer)
    if length < 2:
        return []
    if length < SHORT and chance.random() < 0.2:
        return list(range(1, length))
    places = min(chance.choice((1, 1, 2, 3, 8)), length - 1)
    return sorted(chance.sample(range(1, length), places))


def outcomes(player: Player, kind: str, cuts: dict[str, list[int]]) -> dict[str, Any]:
    """Play every scenario; the call after each must get an answer of its own."""
    found = {}
    for name, scenario in SCENARIOS.items():
        determinism.open_gates()
        found[name], is_own = play(player, kind, scenario, cuts[name], next(_numbers))
        assert is_own, (name, cuts[name])
    return found


def compare(player: Player, kind: str, recorded: dict[str, Any], seed: int) -> None:
    cuts = {name: cuts_of(scenario, seed, name) for name, scenario in SCENARIOS.items()}
    found = outcomes(player, kind, cuts)
    wrong = [
        f"{name}, seed {seed}, cut at {cuts[name]}\n  upstream: {recorded[name]}\n  green: {ours}"
        for name, ours in found.items()
        if (ours == recorded[name]) == (name in ROWS)
    ]
    if wrong:
        pytest.fail("\n".join(["not as upstream, or listed though it is:", *wrong]), pytrace=False)


@pytest.mark.parametrize(("transport", "kind"), [("TCP", "HttpClient"), ("TLS", "pyWATS")])
def test_green_makes_of_answers_what_upstream_does(
    player: Player, kind: str, recorded: dict[str, Any]
) -> None:
    compare(player, kind, recorded, seed=0)


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("transport", ["TCP", "TLS"])
@pytest.mark.parametrize("kind", KINDS)
def test_green_makes_of_answers_what_upstream_does_however_they_are_cut(
    player: Player, kind: str, recorded: dict[str, Any]
) -> None:
    for seed in range(1, 21):
        compare(player, kind, recorded, seed)


def test_every_scenario_is_recorded(recorded: dict[str, Any]) -> None:
    assert recorded.keys() == SCENARIOS.keys(), "cd tests && python -m faults.record"
    assert ROWS.keys() <= SCENARIOS.keys()


def test_every_difference_has_a_row_in_the_document() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(ROWS.values()) <= set(rows)
