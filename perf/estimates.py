"""Medians with the interval in which they lie, from few rounds on a noisy machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

OUTSIDE = 0.025  # how often the truth lies below the interval, and how often above, at most


class Estimate(NamedTuple):
    """A median and its 95 % interval."""

    median: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate:
    """The median of measured values; its interval is bounded by two of them.

    Each value lies below the true median as often as above, whatever the noise is like, so how many
    do is a matter of coins. Fewer than six values cannot tell: theirs is from least to greatest.
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
    """The median of the ratios of neighbouring rounds.

    Args:
        above: What is divided, round by round.
        below: What it is divided by, in the same rounds.

    Raises:
        ValueError: They did not play the same number of rounds.
    """
    return estimate([a / b for a, b in zip(above, below, strict=True)])
