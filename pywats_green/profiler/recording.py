"""Writes down the calls of a block: as little as possible while they run, the rest when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from sys import _getframe as current_frame
from types import CodeType
from typing import Any, NamedTuple

from pywats_green.context import annotate_with
from pywats_green.events import RequestEvent, subscribe
from pywats_green.profiler.callers import CallerFinder, Place, pool_place

MOST_CALLS = 100_000
"""Calls that one recording keeps, of about 400 bytes each; later ones are only counted."""


class Row(NamedTuple):
    """What is noted of a call; kept as a plain tuple, in this order.

    No error stands in it: that would hold the frames it was raised in, and all that is in them.
    """

    method: str
    endpoint: str
    params: tuple[tuple[str, Any], ...]
    server: str
    started: float
    elapsed: float
    attempts: int
    cache: str | None
    is_batched: bool
    status: int | None
    error: str | None
    place: Place | None
    pool_place: Place | None
    service: CodeType | None
    in_batching: bool
    waited: float


class Recording:
    """The calls of one block.

    Args:
        finder: Finds the callers.
        scope: Asked in the context of a call; gives None where look-ups are not gathered.
        most: Calls that are kept.

    Attributes:
        rows: Of the calls, in the order of their ends; each has the fields of a `Row`.
        sent: Requests sent, retries and those of dropped calls included.
        dropped: Calls that found no room.
        started: By `time.perf_counter()`, in seconds.
        ended: Likewise; None while the block runs.
    """

    __slots__ = ("_most", "dropped", "ended", "finder", "rows", "scope", "sent", "started")

    def __init__(
        self, finder: CallerFinder, scope: Callable[[], object], most: int = MOST_CALLS
    ) -> None:
        self.finder = finder
        self.scope = scope
        self.rows: list[tuple[Any, ...]] = []
        self.sent = 0
        self.dropped = 0
        self.started = time.perf_counter()
        self.ended: float | None = None
        self._most = most

    def add(self, row: tuple[Any, ...], attempts: int) -> None:
        """Keep a call; after the end of the block, none."""
        if self.ended is not None:
            return
        self.sent += attempts
        if len(self.rows) < self._most:
            self.rows.append(row)
        else:
            self.dropped += 1


_open: ContextVar[tuple[Recording, ...]] = ContextVar("pywats_green.recordings", default=())


def _note(event: RequestEvent) -> None:
    """Write down a call. This is what a profile costs a call, hence the plain tuple."""
    recordings = _open.get()
    if not recordings:
        return
    first = recordings[0]
    place, service = first.finder.way_in(current_frame(1))
    params, error, attempts = event.params, event.error, event.attempts
    row = (
        event.method, event.endpoint, tuple(params.items()) if params else (), event.server,
        event.started, event.elapsed, attempts, event.cache, event.is_batched,
        event.status, None if error is None else type(error).__name__,
        place, pool_place.get(), service, first.scope() is not None, event.waited,
    )  # fmt: skip
    for found in recordings:
        found.add(row, attempts)


class _Listening:
    """One subscription for all recordings of the process, while there are any."""

    def __init__(self) -> None:
        self._recordings = 0
        self._cancel: tuple[Callable[[], None], ...] = ()

    def begin(self, finder: CallerFinder) -> None:
        self._recordings += 1
        if self._recordings == 1:
            self._cancel = subscribe(_note), annotate_with(finder.note_place)

    def end(self) -> None:
        self._recordings -= 1
        if not self._recordings:
            for cancel in self._cancel:
                cancel()


_listening = _Listening()


@contextmanager
def record_calls(
    finder: CallerFinder, scope: Callable[[], object], most: int = MOST_CALLS
) -> Iterator[Recording]:
    """Record the calls of this context while the block runs; see `Recording` for the arguments."""
    found = Recording(finder, scope, most)
    _open.set((*_open.get(), found))
    _listening.begin(finder)
    try:
        yield found
    finally:
        found.ended = time.perf_counter()
        _listening.end()
        # Not by a token: a fixture may end in another context than it began in.
        _open.set(tuple(other for other in _open.get() if other is not found))
