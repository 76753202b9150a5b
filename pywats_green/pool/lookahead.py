"""Lazy results: a feeder reads the items and starts their greenlets as room appears for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from typing import Any, TypeAlias

import gevent
from gevent.lock import Semaphore
from gevent.queue import SimpleQueue

from pywats_green.context import carry
from pywats_green.pool.outcome import unwrap

Started: TypeAlias = "gevent.Greenlet[..., Any]"

_END: Any = object()


class _Feed:
    """What the feeder works on. It knows nothing of the iterator, so that this can be dropped.

    Args:
        source: The arguments of each call.
        start: Starts the greenlet for one item; waits for a slot.
        is_ordered: Whether greenlets are handed out as they start, or as they finish.
        maxsize: How many items may be read and not yet handed out. None: no bound.
    """

    def __init__(
        self,
        source: Iterable[tuple[Any, ...]],
        start: Callable[[tuple[Any, ...]], Started],
        is_ordered: bool,
        maxsize: int | None,
    ) -> None:
        self._source = iter(source)
        self._start = start
        self.is_ordered = is_ordered
        self.room = None if maxsize is None else Semaphore(maxsize)
        self.greenlets: SimpleQueue[Any] = SimpleQueue()
        self.under_way = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Read and start, until the source ends or raises."""
        try:
            while self.room is None or self.room.acquire():
                try:
                    args = next(self._source)
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001  # raised in its turn, by the iterator
                    self.error = error
                    return
                greenlet = self._start(args)
                self.under_way += 1
                if self.is_ordered:
                    self.greenlets.put(greenlet)
                else:
                    greenlet.rawlink(self.greenlets.put)
        finally:
            self.greenlets.put(_END)


class Results(Iterator[Any]):
    """Iterator over the values of greenlets that its feeder starts.

    The feeder is a greenlet of its own, so a source that waits, even for what the reader does with
    the values, keeps nobody from reading what is there. It goes with the iterator.

    Args:
        source: The arguments of each call.
        start: Starts the greenlet for one item; waits for a slot.
        captured: The context in which the source is read.
        is_ordered: Whether the values come in the order of the source, or as they are there.
        maxsize: How many items may be read and not yet handed out. None: no bound.
    """

    def __init__(
        self,
        source: Iterable[tuple[Any, ...]],
        start: Callable[[tuple[Any, ...]], Started],
        captured: Context,
        *,
        is_ordered: bool,
        maxsize: int | None,
    ) -> None:
        self._feed = _Feed(source, start, is_ordered, maxsize)
        self._next: Any = None  # taken from the feed, not yet handed out
        self._is_over = False
        self._feeder = gevent.Greenlet(self._feed.run)
        carry(self._feeder, captured)
        self._feeder.start()

    def __next__(self) -> Any:
        feed = self._feed
        while self._next is None:
            if self._is_over and not feed.under_way:
                error, feed.error = feed.error, None
                if error is not None:
                    raise error
                raise StopIteration
            taken = feed.greenlets.get()
            if taken is _END:  # unordered, it may come before those that have not finished
                self._is_over = True
            else:
                self._next = taken
        self._next.join()  # a timeout of the reader while it waits loses nothing
        greenlet, self._next = self._next, None
        feed.under_way -= 1
        if feed.room is not None:
            feed.room.release()
        return unwrap(greenlet)

    def __del__(self) -> None:
        feeder = getattr(self, "_feeder", None)
        if feeder is not None:
            feeder.kill(block=False)  # it may wait for room that nobody makes any more
