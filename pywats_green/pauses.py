"""How long to pause before trying again, if nobody says."""

from __future__ import annotations

from collections.abc import Callable
from random import random as _random

LONGEST_PAUSE = 30.0
"""Longest pause between two probes of a server, in seconds, unless it asks for more.

A server that is back is found within this time, however long it was away.
"""

_HIGHEST_EXPONENT = 62  # beyond this, floats overflow


def doubled(first: float, times: int) -> float:
    """Return a number of seconds, doubled so many times."""
    return float(first * 2.0 ** min(times, _HIGHEST_EXPONENT))


def growing_pause(
    failures: int,
    longest: float = LONGEST_PAUSE,
    random: Callable[[], float] = _random,
    *,
    first: float = 1.0,
) -> float:
    """Return the seconds until the next probe, uniform over the upper half of the range.

    Args:
        failures: How many probes have failed in a row; each doubles the upper bound.
        longest: The highest upper bound, in seconds.
        random: Returns a number in [0, 1).
        first: The upper bound after no failure, in seconds.
    """
    return min(longest, doubled(first, failures)) * (0.5 + 0.5 * random())
