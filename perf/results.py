"""The results of a run: pytest-benchmark's output, condensed enough to be committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from estimates import Estimate, estimate, ratio

DIGITS = 5  # significant digits; more would be noise

Laps = dict[str, dict[str, Any]]  # contestant -> calls, seconds and cpu per call, by round


def rounded(value: Any) -> Any:
    """Round all numbers in a JSON value to a few digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def condensed(run: dict[str, Any], benchmarks: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep what the report needs: all rounds of all cells from pytest-benchmark's records.

    Args:
        run: What conftest.py wrote next to them.
        benchmarks: The records.
    """
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    in_process = []
    for bench in benchmarks:
        extra, stats = bench["extra_info"], bench["stats"]
        if "contestant" not in extra:
            name = bench["param"] if bench["name"].startswith("test_in_process") else bench["name"]
            in_process.append({"group": bench["group"], "name": name, "median": stats["median"]})
            continue
        cell = cells.setdefault(
            (extra["group"], extra["cell"]),
            {key: extra[key] for key in ("group", "cell", "conditions")} | {"contestants": {}},
        )
        cell["contestants"][extra["contestant"]] = {
            "calls": extra["calls"], "seconds": stats["data"], "cpu": extra["cpu"],
        }  # fmt: skip
    return rounded({**run, "cells": list(cells.values()), "in_process": in_process})  # type: ignore[no-any-return]


class Figure(NamedTuple):
    """A figure other than time per call."""

    name: str
    values: list[float]
    unit: str
    note: str

    @property
    def estimate(self) -> Estimate:
        return estimate(self.values)


class Results:
    """Queries on the results, for the report.

    Args:
        content: As returned by `condensed`.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.machine: dict[str, Any] = content["machine"]
        self.figures = [Figure(**figure) for figure in content["figures"]]

    def with_second(self, second: Results, before: dict[str, str]) -> Results:
        """Return results in which a second run replaces whatever it measured.

        Args:
            second: The second run, of some cells.
            before: The first results of their rows, kept for the report.
        """
        old, new = self.content, second.content

        def merged(part: str, *keys: str) -> list[Any]:
            items = {tuple(item[key] for key in keys): item for item in old[part] + new[part]}
            return list(items.values())

        return Results(
            {
                **old,
                "cells": merged("cells", "group", "cell"),
                "figures": merged("figures", "name"),
                "in_process": merged("in_process", "group", "name"),
                "minutes": old["minutes"] + new["minutes"],
                "broken": {**old["broken"], **new["broken"]},
                "played_twice": before,
            }
        )

    def cells(self, group: str) -> Iterator[dict[str, Any]]:
        return (cell for cell in self.content["cells"] if cell["group"] == group)

    def laps(self, group: str, cell: str) -> Laps:
        """Return the contestants of a cell; empty if it was not run."""
        found = [item for item in self.cells(group) if item["cell"] == cell]
        return found[0]["contestants"] if found else {}

    def ratio(
        self, group: str, cell: str, slower: str, faster: str, clock: str = "seconds"
    ) -> Estimate | None:
        """Return how many times as fast one contestant is as another. None: one did not run.

        Compares wall time or, with the clock "cpu", the CPU time of the two processes.
        """
        laps = self.laps(group, cell)
        if slower not in laps or faster not in laps:
            return None
        return ratio(laps[slower][clock], laps[faster][clock])

    def figure(self, name: str) -> Figure | None:
        return next((figure for figure in self.figures if figure.name == name), None)


def load(path: Path) -> Results:
    return Results(json.loads(path.read_text("utf-8")))
