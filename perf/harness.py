"""Lets contestants take turns in one run, and reports ratios of medians."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

CONTESTANT = Path(__file__).with_name("contestant.py")


class Contestant:
    """A process that plays rounds; see contestant.py."""

    def __init__(self, name: str, url: str, token: str, concurrency: int) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, str(CONTESTANT), name, url, token, str(concurrency)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Contestant:  # noqa: PYI034  # not subclassed
        assert self._read() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(timeout=30)
        self._process.stdout.close()  # type: ignore[union-attr]

    def _read(self) -> str:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}")
        return line.strip()

    def seconds_per_call(self, calls: int) -> float:
        self._process.stdin.write(f"{calls}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return float(self._read()) / calls


class Result(NamedTuple):
    """Seconds per call of each contestant, round by round, in the same order."""

    rounds: dict[str, list[float]]

    def rate(self, name: str) -> float:
        """Calls per second, the median of the rounds."""
        return 1 / statistics.median(self.rounds[name])

    def ratio(self, faster: str, slower: str) -> float:
        """How many times faster, the median of the ratios of neighbouring rounds."""
        pairs = zip(self.rounds[slower], self.rounds[faster], strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)

    def table(self, baseline: str) -> str:
        lines = [f"{'contestant':<20}{'calls/s':>10}{'x ' + baseline:>16}"]
        lines += [
            f"{name:<20}{self.rate(name):>10.0f}{self.ratio(name, baseline):>16.2f}"
            for name in self.rounds
        ]
        return "\n".join(lines)


def compare(
    server: Any, names: Sequence[tuple[str, int]], *, concurrency: int, rounds: int
) -> Result:
    """Play `rounds` rounds; each contestant plays its number of calls in each.

    Args:
        server: The embedded server.
        names: Contestant and calls a round.
        concurrency: Calls at once.
        rounds: How many rounds each plays, in turns.
    """
    with ExitStack() as stack:
        players = [
            (
                stack.enter_context(Contestant(name, server.url, server.token, concurrency)),
                calls,
            )
            for name, calls in names
        ]
        times: dict[str, list[float]] = {name: [] for name, _ in names}
        for _ in range(rounds):
            for player, calls in players:
                times[player.name].append(player.seconds_per_call(calls))
        return Result(times)
