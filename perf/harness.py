"""Lets contestants take turns in one run: each round is played by all, one after another.

A machine's speed changes from minute to minute; that of neighbouring rounds hardly differs. So what
counts is the ratio within a round, and of all rounds the median.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FEWEST = 3  # rounds that give an interval
# Calls that open the first connections. Where 1,000 at once are its first calls, AsyncWATS takes
# many times as long for them as for any later ones; it need not pay, nor the run wait, for that.
OPENING = 50
FAILED = "failed: "  # begins the reason of a contestant that is absent because it failed
CONTESTANT = Path(__file__).with_name("contestant.py")


class BrokenError(Exception):
    """A contestant failed in the middle of its play."""


class AbsentError(Exception):
    """A contestant cannot play here; the text says why."""


class Lap(NamedTuple):
    """One round of one contestant, seconds for all its calls."""

    calls: int
    seconds: float
    cpu: float
    result: dict[str, Any] | None


class Contestant:
    """A process that plays rounds; see contestant.py.

    Args:
        flavour: upstream or green.
        server: The embedded server.
        concurrency: Calls at once.
        throttled: True leaves upstream's limiter at its default.
        environment: Of the process; None: this one's.
    """

    def __init__(
        self,
        flavour: str,
        server: Any,
        concurrency: int = 1,
        *,
        throttled: bool = False,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.flavour = flavour
        options = {
            "flavour": flavour, "url": server.url, "token": server.token,
            "concurrency": concurrency, "throttled": throttled,
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, str(CONTESTANT), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._greeting: dict[str, Any] | None = None

    def __enter__(self) -> Contestant:  # noqa: PYI034  # not subclassed
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):  # it ended before, with an order unread
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def open(self, play: str) -> None:
        """Make a play ready.

        Raises:
            AbsentError: This flavour cannot play here.
            BrokenError: It failed, or its process ended.
        """
        if self._greeting is None:
            self._greeting = self._read()
        if "absent" in self._greeting:
            raise AbsentError(self._greeting["absent"])
        self._ask(open=play)

    def play(self, play: str, calls: int) -> Lap:
        """Play a round.

        Raises:
            BrokenError: It failed, or its process ended.
        """
        answer = self._ask(play=play, calls=calls)
        return Lap(calls, answer["seconds"], answer["cpu"], answer.get("result"))

    def _ask(self, **order: Any) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # it ended; the answer, which does not come, says so
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise BrokenError(f"{self.flavour} ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BrokenError(answer["error"])
        return answer


class Player(NamedTuple):
    """A contestant in a cell.

    Attributes:
        name: As the report calls it.
        contestant: Its process.
        play: What it plays.
        wave: It plays whole multiples of so many calls.
    """

    name: str
    contestant: Contestant
    play: str
    wave: int = 1


@dataclass
class Cell:
    """What was measured under one set of conditions.

    Attributes:
        group: The group of the report.
        name: The cell's name in it.
        conditions: Such as concurrency and latency.
        laps: Of each contestant, round by round, in the same order.
        absent: Contestants that did not run, and why.
    """

    group: str
    name: str
    conditions: dict[str, Any]
    laps: dict[str, list[Lap]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def take_turns(
    cell: Cell,
    players: Sequence[Player],
    *,
    rounds: int,
    seconds: float,
    budget: float = float("inf"),
) -> Cell:
    """Play all rounds of a cell.

    Args:
        cell: Filled by this.
        players: Those who take turns; who cannot play, or fails, is noted as absent.
        rounds: How many rounds each plays; every other one in the opposite order.
        seconds: How long a round of one of them should take; the number of calls follows from a
            wave before the rounds, which does not count, and is one wave at least.
        budget: Seconds for all rounds; there are fewer of them, though not less than three, where
            they would take longer.
    """
    calls: dict[Player, int] = {}
    of_a_round = 0.0
    for player in players:
        with noted(cell, player):
            player.contestant.open(player.play)
            player.contestant.play(player.play, min(player.wave, OPENING))
            first = player.contestant.play(player.play, player.wave)
            waves = max(1, round(seconds / first.seconds))
            calls[player] = player.wave * waves
            of_a_round += waves * first.seconds
            cell.laps[player.name] = []
    if of_a_round * rounds > budget:
        rounds = max(min(FEWEST, rounds), int(budget / of_a_round))
    for number in range(rounds):
        for player in list(calls)[:: -1 if number % 2 else 1]:
            if player.name in cell.laps:
                with noted(cell, player):
                    lap = player.contestant.play(player.play, calls[player])
                    cell.laps[player.name].append(lap)
    return cell


@contextmanager
def noted(cell: Cell, player: Player) -> Iterator[None]:
    """Note who cannot play or fails; the others go on without it."""
    try:
        yield
    except AbsentError as exc:
        cell.absent[player.name] = str(exc)
    except BrokenError as exc:
        cell.absent[player.name] = FAILED + str(exc)
        cell.laps.pop(player.name, None)
