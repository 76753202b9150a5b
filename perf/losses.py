"""Where green does not win: cells in which another is as fast, or needs as little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from estimates import Estimate, ratio
from results import Results

CLEARLY = 1.05  # green is ahead if its interval is above this
GROUPS = ("concurrent", "sequential", "crud", "cache hit", "start-up")
NOT_RIVALS = ("python alone",)  # only shown for the subtraction
WEIGHED = ("RSS per call in flight", "address space per call in flight")


class Comparison(NamedTuple):
    """Green is `times` as fast, or as light, as the rival."""

    where: str
    rival: str
    times: Estimate


def in_time(results: Results) -> Iterator[Comparison]:
    """Compare green with each rival of each cell."""
    for group in GROUPS:
        for cell in results.cells(group):
            laps = cell["contestants"]
            for rival, of_rival in laps.items():
                if "green" not in laps or rival.startswith("green") or rival in NOT_RIVALS:
                    continue
                times = ratio(of_rival["seconds"], laps["green"]["seconds"])
                yield Comparison(f"{group}: {cell['cell']}", rival, times)


def in_memory(results: Results) -> Iterator[Comparison]:
    """Compare the memory of calls in flight; repetitions are separate runs, not rounds."""
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
    """Return all comparisons."""
    return [*in_time(results), *in_memory(results)]


def losses(results: Results) -> list[Comparison]:
    """Return the comparisons that green does not clearly win."""
    return [found for found in comparisons(results) if found.times.low <= CLEARLY]
