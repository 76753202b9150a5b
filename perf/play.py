"""The interface between a contestant's process and its plays, and the keys they use."""

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
    """The settings of a play; for `flavour`, see contestant.py."""

    flavour: str
    url: str
    token: str
    concurrency: int


class Play(NamedTuple):
    """A prepared play. Both functions take the number of calls; `prepare` is not timed.

    If `run` returns a dict, it is passed to the harness.
    """

    run: Callable[[int], Any]
    prepare: Callable[[int], object] | None = None
