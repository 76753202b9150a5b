"""Lazy results: items are read, and their greenlets started, as room appears for them."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import gevent
from gevent.queue import SimpleQueue

from pywats_green.pool.outcome import unwrap

Started: TypeAlias = "gevent.Greenlet[..., Any]"


class Results(Iterator[Any]):
    """Iterator over the values of greenlets that it starts itself.

    The source is read in the greenlet that iterates, so an idle reader stops it, nothing is left
    waiting when the iterator is dropped, and an error of the source reaches the reader alone.

    Args:
        source: The arguments of each call.
        start: Starts the greenlet for one item; waits for a slot.
        has_room: Tells whether a slot is free.
        maxsize: How many items may be started and not yet handed out. None: no bound.
    """

    def __init__(
        self,
        source: Iterable[tuple[Any, ...]],
        start: Callable[[tuple[Any, ...]], Started],
        has_room: Callable[[], bool],
        maxsize: int | None,
    ) -> None:
        self._source: Iterator[tuple[Any, ...]] | None = iter(source)
        self._start = start
        self._has_room = has_room
        self._maxsize = maxsize
        self._ahead = 0
        self._error: Exception | None = None
        if has_room():
            self._fill()  # begin at once, but a full pool must not block the call itself

    def __next__(self) -> Any:
        self._fill()
        if not self._ahead:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            raise StopIteration
        greenlet = self._take()
        self._ahead -= 1
        return unwrap(greenlet)

    def _fill(self) -> None:
        """Start what there is room for; wait for a slot only when nothing is under way."""
        while self._source is not None and not self._is_full():
            try:
                args = next(self._source)
            except StopIteration:
                self._source = None
            except Exception as error:  # noqa: BLE001  # raised in its turn, by `__next__`
                self._source, self._error = None, error
            else:
                self._keep(self._start(args))
                self._ahead += 1

    def _is_full(self) -> bool:
        if self._maxsize is not None and self._ahead >= self._maxsize:
            return True
        return self._ahead > 0 and not self._has_room()

    @abstractmethod
    def _keep(self, greenlet: Started) -> None:
        """Remember a greenlet that was started."""

    @abstractmethod
    def _take(self) -> Started:
        """Wait for the greenlet whose value is due, then forget it."""


class OrderedResults(Results):
    """Results in the order of the source."""

    def __init__(self, *args: Any) -> None:
        self._started: deque[Started] = deque()
        super().__init__(*args)

    def _keep(self, greenlet: Started) -> None:
        self._started.append(greenlet)

    def _take(self) -> Started:
        self._started[0].join()  # a timeout of the reader while it waits loses nothing
        return self._started.popleft()


class UnorderedResults(Results):
    """Results in the order in which they are there."""

    def __init__(self, *args: Any) -> None:
        self._finished: SimpleQueue[Started] = SimpleQueue()
        super().__init__(*args)

    def _keep(self, greenlet: Started) -> None:
        greenlet.rawlink(self._finished.put)

    def _take(self) -> Started:
        return self._finished.get()
