"""What a contestant's process and the plays in it say to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """What a play is told: `flavour` is upstream or green."""

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
