"""What a contestant's process and the plays in it say to each other, and the keys they all ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

PRODUCTS = 1000
KEYS = [f"PN-{number:05d}" for number in range(PRODUCTS)]


def keys(count: int) -> Iterator[str]:
    return itertools.islice(itertools.cycle(KEYS), count)


def paths(count: int) -> Iterator[str]:
    return map("/api/Product/{}".format, keys(count))


class Setting(NamedTuple):
    """What a play is told: `flavour` is that of contestant.py."""

    flavour: str
    url: str
    token: str
    concurrency: int


class Play(NamedTuple):
    """A play that is ready: both are given a number of calls; `prepare` is not timed.

    A dict that `run` returns goes to the harness.
    """

    run: Callable[[int], Any]
    prepare: Callable[[int], object] | None = None
