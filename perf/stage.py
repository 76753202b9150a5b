"""The setup of a run: the server on a fixed core, and contestants shared between cells."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from harness import Cell, Contestant, Player, take_turns

from pywats_green.testing import WatsServer


class Effort(NamedTuple):
    """How much a run measures; PERF_QUICK=1 only checks that everything works."""

    quick: bool

    def rounds(self, full: int) -> int:
        return 2 if self.quick else full

    def seconds(self, full: float) -> float:
        return 0.02 if self.quick else full


EFFORT = Effort(quick=os.environ.get("PERF_QUICK", "") not in ("", "0"))


def server_core() -> int | None:
    """Return the core that the server is pinned to. None: there is only one, or no pinning here.

    The contestants may use any core, like users' programs. Pinned to one, upstream's threads would
    switch faster than they do for users.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    first, *others = sorted(os.sched_getaffinity(0))
    return first if others else None


CORE = server_core()


@contextmanager
def pinned_server(**options: Any) -> Iterator[WatsServer]:
    """Run the embedded server on its core."""
    with WatsServer(**options) as server:
        if CORE is not None and server.pid is not None:
            os.sched_setaffinity(server.pid, {CORE})
        yield server


class Part(NamedTuple):
    """A contestant's part in a cell.

    Attributes:
        flavour: Flavour of the contestant.
        play: Name of its play.
        at_once: Whether its calls are concurrent; rounds of sequential ones can have any length.
        at_most: Maximum concurrency with which it runs. None: no limit.
        why: Reason for that maximum.
    """

    flavour: str
    play: str
    at_once: bool = True
    at_most: int | None = None
    why: str = ""


class Stage:
    """Runs cells, each only once, however many tests use it.

    Args:
        server: The embedded server.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self._cells: dict[Hashable, Cell | Exception] = {}
        self._troupe: dict[str, Contestant] = {}
        self._troupe_of: Hashable = None
        self._exits = ExitStack()

    def close(self) -> None:
        """Stop all contestants; the next cell starts new ones."""
        self._exits.close()
        self._troupe, self._troupe_of = {}, None

    def cell(self, key: Hashable, play: Callable[[], Cell]) -> Cell:
        """Return the cell with a key, running it on first use."""
        if key not in self._cells:
            try:
                self._cells[key] = play()
            except Exception as exc:  # noqa: BLE001  # each test of the cell raises it
                self._cells[key] = exc
        found = self._cells[key]
        if isinstance(found, Exception):
            raise found
        return found

    def contestant(self, flavour: str, concurrency: int = 1, **options: Any) -> Contestant:
        """Start a contestant; the caller stops it."""
        return Contestant(flavour, self.server, concurrency, **options)

    def take_turns(
        self,
        cell: Cell,
        parts: dict[str, Part],
        concurrency: int,
        *,
        rounds: int,
        seconds: float,
        budget: float = float("inf"),
        calls: int | None = None,
    ) -> Cell:
        """Let contestants take turns; those with the same concurrency are kept for the next cell.

        The number of calls in a round is a multiple of `calls`. None: of the concurrency, or 1 if
        calls are sequential.
        """
        for name, part in parts.items():
            if part.at_most is not None and concurrency > part.at_most:
                cell.absent[name] = part.why
        present = {name: part for name, part in parts.items() if name not in cell.absent}
        self._engage({name: part.flavour for name, part in present.items()}, concurrency)
        players = [
            Player(
                name,
                self._troupe[name],
                part.play,
                calls or (concurrency if part.at_once else 1),
            )
            for name, part in present.items()
        ]
        rounds, seconds = EFFORT.rounds(rounds), EFFORT.seconds(seconds)
        return take_turns(cell, players, rounds=rounds, seconds=seconds, budget=budget)

    def _engage(self, flavours: dict[str, str], concurrency: int) -> None:
        troupe = (concurrency, tuple(flavours.items()))
        if troupe == self._troupe_of:
            return
        self.close()
        self._troupe_of = troupe
        for name, flavour in flavours.items():
            contestant = self.contestant(flavour, concurrency)
            self._troupe[name] = self._exits.enter_context(contestant)
