"""Medians with the interval in which they lie, from few rounds on a noisy machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gate_decision import bootstrap


class Estimate(NamedTuple):
    """A median and its 95 % interval, bootstrapped over the rounds with a fixed seed."""

    median: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate:
    """The median of measured values; one value alone is its own interval."""
    interval = bootstrap(values)
    return Estimate(interval.median, interval.low, interval.high)


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """The median of the ratios of neighbouring rounds.

    Args:
        above: What is divided, round by round.
        below: What it is divided by, in the same rounds.

    Raises:
        ValueError: They did not play the same number of rounds.
    """
    return estimate([a / b for a, b in zip(above, below, strict=True)])
