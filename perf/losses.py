"""Where green does not win: every cell in which another is as fast, and what costs more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from estimates import Estimate, ratio
from results import Results

CLEARLY = 1.05  # green is ahead where its interval lies above this
GROUPS = ("concurrent", "sequential", "crud", "cache hit", "start-up")
NOT_RIVALS = ("python alone",)  # shown for what it is subtracted from
WEIGHED = ("RSS per call in flight", "address space per call in flight")


class Comparison(NamedTuple):
    """Green is `times` as quick, or as light, as the rival."""

    where: str
    rival: str
    times: Estimate


def in_time(results: Results) -> Iterator[Comparison]:
    """Green over its default transport against each rival of each cell."""
    for group in GROUPS:
        for cell in results.cells(group):
            laps = cell["contestants"]
            for rival, of_rival in laps.items():
                if "green" not in laps or rival.startswith("green") or rival in NOT_RIVALS:
                    continue
                times = ratio(of_rival["seconds"], laps["green"]["seconds"])
                yield Comparison(f"{group}: {cell['cell']}", rival, times)


def in_memory(results: Results) -> Iterator[Comparison]:
    """What calls in flight weigh; a rival's repetitions are runs of their own, not rounds."""
    for title in WEIGHED:
        ours = results.figure(f"{title}: green")
        for figure in results.figures:
            what, _, rival = figure.name.partition(": ")
            if ours is None or what != title or rival.startswith("green"):
                continue
            median = ours.estimate.median
            times = Estimate(*(value / median for value in figure.estimate))
            yield Comparison(f"{title} ({figure.note})", rival, times)


def comparisons(results: Results) -> list[Comparison]:
    """All that the contestants were compared in."""
    return [*in_time(results), *in_memory(results)]


def losses(results: Results) -> list[Comparison]:
    """The comparisons that green does not clearly win."""
    return [found for found in comparisons(results) if found.times.low <= CLEARLY]
