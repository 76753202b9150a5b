"""Lets contestants take turns: in each round, all of them run one after another.

The speed of a machine varies from minute to minute, but hardly between neighbouring rounds. So the
result is the median, over all rounds, of the ratio within a round.
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
# Calls that open the first connections. If AsyncWATS starts with 1,000 concurrent calls, they take
# many times as long as later ones, which would be unfair to it and delay the run.
OPENING = 50
FAILED = "failed: "  # prefix of the reason if a contestant is absent because it failed
CONTESTANT = Path(__file__).with_name("contestant.py")


class BrokenError(Exception):
    """A contestant failed during its play."""


class AbsentError(Exception):
    """A contestant cannot run here; the message says why."""


class Lap(NamedTuple):
    """A round of a contestant, with seconds for all its calls."""

    calls: int
    seconds: float
    cpu: float
    result: dict[str, Any] | None


class Contestant:
    """A process that runs rounds; see contestant.py.

    Args:
        flavour: upstream or green.
        server: The embedded server.
        concurrency: Calls in flight.
        throttled: Whether to leave upstream's limiter on.
        environment: Environment of the process. None: this one's.
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
        with suppress(BrokenPipeError):  # it exited before reading a command
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def open(self, play: str) -> None:
        """Prepare a play.

        Raises:
            AbsentError: This flavour cannot run here.
            BrokenError: It failed, or its process exited.
        """
        if self._greeting is None:
            self._greeting = self._read()
        if "absent" in self._greeting:
            raise AbsentError(self._greeting["absent"])
        self._ask(open=play)

    def play(self, play: str, calls: int) -> Lap:
        """Run a round.

        Raises:
            BrokenError: It failed, or its process exited.
        """
        answer = self._ask(play=play, calls=calls)
        return Lap(calls, answer["seconds"], answer["cpu"], answer.get("result"))

    def _ask(self, **order: Any) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # it exited, which the missing answer will show
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
        name: Its name in the report.
        contestant: Its process.
        play: Name of its play.
        wave: The number of calls in a round is a multiple of this.
    """

    name: str
    contestant: Contestant
    play: str
    wave: int = 1


@dataclass
class Cell:
    """The measurements under one set of conditions.

    Attributes:
        group: Group in the report.
        name: Name within the group.
        conditions: Conditions such as concurrency and latency.
        laps: Rounds of each contestant, in the same order.
        absent: Contestants that did not run, with the reasons.
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
    """Run all rounds of a cell.

    Args:
        cell: The cell to fill.
        players: The contestants; one that cannot run, or fails, is recorded as absent.
        rounds: Number of rounds; every other one is in reverse order.
        seconds: Target duration of a contestant's round. The number of calls, at least one wave, is
            derived from a wave before the rounds, which does not count.
        budget: Seconds for all rounds; if they would take longer, there are fewer, but at least
            three.
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
    """Record a contestant that cannot run or fails; the others continue without it."""
    try:
        yield
    except AbsentError as exc:
        cell.absent[player.name] = str(exc)
    except BrokenError as exc:
        cell.absent[player.name] = FAILED + str(exc)
        cell.laps.pop(player.name, None)
