"""How long to pause for a server that does not say."""

from __future__ import annotations

from collections.abc import Callable
from random import random as _random

_FIRST = 1.0  # seconds
_HIGHEST_EXPONENT = 62  # beyond this, floats overflow


def growing_pause(failures: int, longest: float, random: Callable[[], float] = _random) -> float:
    """Return the seconds until the next probe: doubled after each failure, with jitter.

    Args:
        failures: How many probes have failed in a row.
        longest: Upper bound in seconds.
        random: Returns a number in [0, 1).
    """
    most: float = min(longest, _FIRST * 2.0 ** min(failures, _HIGHEST_EXPONENT))
    return most * (0.5 + 0.5 * random())
