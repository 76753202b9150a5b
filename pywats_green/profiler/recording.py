"""Records the calls of a block, deferring as much work as possible until they are read."""

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
"""Calls that a recording keeps, about 400 bytes each; later ones are only counted."""


class Row(NamedTuple):
    """The record of a call; stored as a plain tuple with these fields.

    It has no reference to an exception, which would keep alive its frames and their variables.
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
        scope: Called in the context of a call; returns None outside of `batching()`.
        most: Maximum number of calls to keep.

    Attributes:
        rows: The calls, ordered by end; each has the fields of a `Row`.
        sent: Requests sent, including retries and those of dropped calls.
        dropped: Number of calls not kept.
        started: Start of the block, by `time.perf_counter()`.
        ended: End of the block, likewise. None: it is still running.
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
        """Record a call, unless the block has ended."""
        if self.ended is not None:
            return
        self.sent += attempts
        if len(self.rows) < self._most:
            self.rows.append(row)
        else:
            self.dropped += 1


_open: ContextVar[tuple[Recording, ...]] = ContextVar("pywats_green.recordings", default=())


def _note(event: RequestEvent) -> None:
    """Record a call. This is the overhead of a profile per call, hence the plain tuple."""
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
    """A subscription shared by all recordings of the process, held while there are any."""

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
    """Record the calls of this context during the block. For the arguments, see `Recording`."""
    found = Recording(finder, scope, most)
    _open.set((*_open.get(), found))
    _listening.begin(finder)
    try:
        yield found
    finally:
        found.ended = time.perf_counter()
        _listening.end()
        # No token: a fixture may end in another context than it started in.
        _open.set(tuple(other for other in _open.get() if other is not found))
