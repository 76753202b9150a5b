"""How contestants take turns, absent ones are recorded, and rounds reach pytest-benchmark."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from harness import AbsentError, BrokenError, Cell, Contestant, Lap, Player, take_turns
from machine import fingerprint
from recording import FAILED, Records, Tape

SPEED = 0.01  # seconds a call


class Fake:
    """A contestant that takes no time, and records its turns."""

    def __init__(self, name: str, turns: list[str], *, breaks_at: int | None = None) -> None:
        self.name, self.turns, self.breaks_at, self.played = name, turns, breaks_at, 0

    def open(self, play: str) -> None:
        if play == "none":
            raise AbsentError("no such transport")

    def play(self, _: str, calls: int) -> Lap:
        self.played += 1
        if self.played == self.breaks_at:
            raise BrokenError("it fell")
        self.turns.append(f"{self.name}{calls}")
        return Lap(calls, calls * SPEED, 0.0, None)


def players(turns: list[str], **others: Any) -> list[Player]:
    fakes: list[Any] = [Fake("a", turns), Fake("b", turns, **others)]
    return [Player(fake.name, fake, "some", 10) for fake in fakes]


def test_they_take_turns_and_every_other_round_backwards() -> None:
    turns: list[str] = []
    cell = take_turns(Cell("g", "c", {}), players(turns), rounds=3, seconds=0.3)
    assert turns == ["a10", "a10", "b10", "b10", *("a30", "b30"), *("b30", "a30"), *("a30", "b30")]
    assert [len(laps) for laps in cell.laps.values()] == [3, 3]


def test_the_first_wave_is_not_the_first_thing_played() -> None:
    turns: list[str] = []
    fake: Any = Fake("a", turns)
    crowd = [Player("a", fake, "some", 1000)]
    take_turns(Cell("g", "c", {}), crowd, rounds=1, seconds=0)
    assert turns == ["a50", "a1000", "a1000"]


def test_a_contestant_whose_process_ended_is_broken_at_every_order() -> None:
    server = SimpleNamespace(url="http://127.0.0.1:1", token="none")
    with Contestant("upstream", server) as contestant:
        contestant._process.kill()
        contestant._process.wait()
        for _ in range(2):
            with pytest.raises(BrokenError, match="ended with status"):
                contestant.play("sequential", 1)


def test_a_round_has_one_wave_at_least() -> None:
    cell = take_turns(Cell("g", "c", {}), players([]), rounds=1, seconds=0)
    assert cell.laps["a"][0].calls == 10


@pytest.mark.parametrize(("budget", "rounds"), [(100.0, 9), (3.1, 5), (0.1, 3)])
def test_a_budget_takes_rounds_away_but_not_the_last_three(budget: float, rounds: int) -> None:
    cell = take_turns(Cell("g", "c", {}), players([]), rounds=9, seconds=0.3, budget=budget)
    assert len(cell.laps["a"]) == rounds


def test_who_is_absent_is_noted() -> None:
    fake: Any = Fake("c", [])
    absent = Player("c", fake, "none", 1)
    cell = take_turns(Cell("g", "c", {}), [*players([]), absent], rounds=2, seconds=0.1)
    assert cell.absent == {"c": "no such transport"}
    assert set(cell.laps) == {"a", "b"}


@pytest.mark.parametrize("breaks_at", [1, 2, 4])
def test_who_fails_is_noted_and_the_others_play_on(breaks_at: int) -> None:
    cell = take_turns(Cell("g", "c", {}), players([], breaks_at=breaks_at), rounds=4, seconds=0.1)
    assert cell.absent == {"b": "failed: it fell"}
    assert {name: len(laps) for name, laps in cell.laps.items()} == {"a": 4}


class FakeBenchmark:
    """The part of pytest-benchmark's fixture that a replay uses."""

    def __init__(self, tape: Tape) -> None:
        self.tape, self.group = tape, ""
        self.extra_info: dict[str, Any] = {}
        self.data: list[float] = []

    def pedantic(self, target: Any, rounds: int) -> None:
        for _ in range(rounds):
            start = self.tape.now()
            target()
            self.data.append(self.tape.now() - start)


def test_rounds_are_replayed_as_they_were() -> None:
    tape = Tape()
    benchmark = FakeBenchmark(tape)
    tape.replay(benchmark, [1.0, 0.5, 4.0])
    assert benchmark.data == [1.0, 0.5, 4.0]


def test_absent_contestants_are_skipped_and_failed_green_ones_fail() -> None:
    cell = Cell("g", "c", {}, absent={"threads": FAILED + "boom", "green": FAILED + "boom"})
    records = Records()
    with pytest.raises(pytest.skip.Exception, match="boom"):
        records.show(FakeBenchmark(Tape()), cell, "threads")
    with pytest.raises(pytest.fail.Exception, match="boom"):
        records.show(FakeBenchmark(Tape()), cell, "green")
    assert [item["contestant"] for item in records.absent] == ["threads", "green"]


def test_the_fingerprint_is_json_and_names_the_versions() -> None:
    found = json.loads(json.dumps(fingerprint()))
    assert found["versions"]["pywats-api"][0].isdigit()
    assert found["cores"] >= 1
