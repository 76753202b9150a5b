"""Medians with confidence intervals, from few rounds on a noisy machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

OUTSIDE = 0.025  # maximum probability of a true median below the interval, and of one above


class Estimate(NamedTuple):
    """A median and its 95 % interval."""

    median: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of measured values, with an interval bounded by two of them.

    Whatever the noise, each value is equally likely to be below and above the true median, so the
    number below it has a binomial distribution. Fewer than six values are not enough for 95 %:
    their interval is from minimum to maximum.
    """
    ordered = sorted(values)
    count, cut = len(ordered), 0
    ways = math.comb(count, 0)
    while ways <= OUTSIDE * 2**count:
        cut += 1
        ways += math.comb(count, cut)
    low = max(cut - 1, 0)
    return Estimate(statistics.median(ordered), ordered[low], ordered[count - 1 - low])


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Return the median of the ratios of neighbouring rounds.

    Args:
        above: The numerators, by round.
        below: The denominators of the same rounds.

    Raises:
        ValueError: The numbers of rounds differ.
    """
    return estimate([a / b for a, b in zip(above, below, strict=True)])
