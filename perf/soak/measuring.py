"""What a process holds after each wave, and what has grown."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import greenlet

WARM_UP = 0.25  # fraction of the waves that does not count
FEWEST = 12  # waves


class Sample(NamedTuple):
    """Measurements of a process; `at` is seconds since the phase began, by its own clock."""

    at: float
    rss: float
    files: float
    greenlets: float
    objects: float


HELD = Sample._fields[1:]

# Allowed difference between the medians of two thirds: a fraction, plus a number.
SLACK = {"rss": 0.05, "files": 0.0, "greenlets": 0.0, "objects": 0.02}
BESIDES = {"rss": 4e6, "files": 3.0, "greenlets": 3.0, "objects": 1000.0}


def look(since: float) -> Sample:
    """Measure this process, after a collection.

    Args:
        since: When the phase began, by `time.monotonic()`.
    """
    import objgraph

    gc.collect()
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    rss = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
    greenlets = sum(isinstance(item, greenlet.greenlet) for item in gc.get_objects())
    objects = sum(objgraph.typestats().values())
    files = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(time.monotonic() - since, rss, files, greenlets, objects)


def thirds(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Return the medians of the first third after the warm-up, and of the last, by name."""
    settled = samples[int(len(samples) * WARM_UP) :]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    return {
        name: (
            statistics.median(getattr(sample, name) for sample in first),
            statistics.median(getattr(sample, name) for sample in last),
        )
        for name in HELD
    }


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return what has grown between the first third after the warm-up and the last.

    Args:
        samples: One per wave.
    """
    return [
        f"{name} grew from {first:,.0f} to {last:,.0f}"
        for name, (first, last) in thirds(samples).items()
        if last > first * (1 + SLACK[name]) + BESIDES[name]
    ]
