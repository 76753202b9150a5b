"""Converts rounds to pytest-benchmark's records, and keeps what does not fit into those."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from harness import FAILED, Cell


class Tape:
    """A clock for pytest-benchmark that only advances when a recorded round is replayed.

    pytest-benchmark measures one callable in one process. Contestants take turns in separate
    processes and are measured there; `benchmark.pedantic` then replays their rounds with this clock
    as its timer, and provides statistics, groups, tables and JSON.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        return self._seconds

    def replay(self, benchmark: Any, rounds: list[float]) -> None:
        """Replay seconds per call, by round, in the `benchmark` fixture of a test."""
        upcoming = iter(rounds)

        def advance() -> None:
            self._seconds += next(upcoming)

        benchmark.pedantic(advance, rounds=len(rounds))


TAPE = Tape()
replayed = pytest.mark.benchmark(timer=TAPE.now)


class Figure(NamedTuple):
    """A measured value other than time per call: its repetitions, unit, and conditions."""

    name: str
    values: list[float]
    unit: str
    note: str = ""


class Records:
    """The results of a run other than times per call."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.texts: dict[str, str] = {}
        self.absent: list[dict[str, Any]] = []
        self.broken: dict[str, str] = {}

    def figure(self, name: str, values: list[float], unit: str, note: str = "") -> None:
        """Store a figure, and print it."""
        self.figures.append(Figure(name, values, unit, note))
        print(f"\n{name}: {', '.join(f'{value:.4g}' for value in values)} {unit}")

    def show(self, benchmark: Any, cell: Cell, who: str) -> None:
        """Record one contestant of a cell, or skip the test with the reason it did not run."""
        where = {"group": cell.group, "cell": cell.name, "conditions": cell.conditions}
        if who in cell.absent:
            reason = cell.absent[who]
            self.absent.append({**where, "contestant": who, "reason": reason})
            if who.startswith("green") and reason.startswith(FAILED):
                pytest.fail(reason)
            pytest.skip(f"not run: {reason}")
        laps = cell.laps[who]
        benchmark.group = f"{cell.group}: {cell.name}"
        benchmark.extra_info.update(
            where, contestant=who, calls=laps[0].calls, cpu=[lap.cpu / lap.calls for lap in laps]
        )
        TAPE.replay(benchmark, [lap.seconds / lap.calls for lap in laps])

    def as_dict(self) -> dict[str, Any]:
        return {
            "figures": [figure._asdict() for figure in self.figures],
            "texts": self.texts,
            "absent": self.absent,
            "broken": self.broken,
        }
