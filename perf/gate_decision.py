"""What the numbers say: intervals of ratios, and classifier."""

from __future__ import annotations

import enum
import math
import random
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 20


class Disposition(str, enum.Enum):
    """What the gate says of one row, or of all."""

    PASS = "pass"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARED = "not compared"


class Interval(NamedTuple):
    """The median of log ratios, and its bootstrapped interval."""

    low: float
    median: float
    high: float


def bootstrap(
    log_ratios: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The interval of the median: percentiles of the medians of samples drawn from the sample.

    The same numbers give the same interval, whoever asks.

    Args:
        log_ratios: log(HEAD / BASE), one of each repetition; at least one.
        resamples: How many samples are drawn.
        seed: Of the draws.
    """
    chance = random.Random(seed)  # noqa: S311
    count = len(log_ratios)
    medians = sorted(
        statistics.median(chance.choices(log_ratios, k=count)) for _ in range(resamples)
    )
    cut = round(resamples * (1 - CONFIDENCE) / 2)
    return Interval(medians[cut], statistics.median(log_ratios), medians[-1 - cut])


def judge(interval: Interval, tolerance: float) -> Disposition:
    """Fail only what is slower beyond doubt, pass only what is not.

    Args:
        interval: Of log ratios.
        tolerance: How much slower HEAD may be: 0.10 is 10 %.
    """
    limit = math.log1p(tolerance)
    if interval.low > limit:
        return Disposition.FAIL
    if interval.high <= limit:
        return Disposition.PASS
    return Disposition.INCONCLUSIVE


def judge_counter(base: float, head: float, slack: float) -> Disposition:
    """A counter does not vary: what grows by more than the slack has grown.

    Args:
        base: BASE's count a call.
        head: HEAD's count a call.
        slack: How much more is let pass, in counts a call.
    """
    return Disposition.FAIL if head > base + slack else Disposition.PASS


def overall(classifier: Iterable[Disposition]) -> Disposition:
    """One failure fails; else one doubt leaves doubt; what was not compared has no voice."""
    found = set(classifier)
    for disposition in (Disposition.FAIL, Disposition.INCONCLUSIVE, Disposition.PASS):
        if disposition in found:
            return disposition
    return Disposition.NOT_COMPARED
