"""Lazy mappings: a feeder consumes the source as the values are consumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from typing import Any

import gevent

from pywats_green.context import carry
from pywats_green.pool.mapping import Mapping
from pywats_green.pool.raised import Raised
from pywats_green.pool.slots import Slots


class Prefetch(Iterator[Any]):
    """Iterator over the values of a mapping whose source is consumed by a feeder greenlet.

    With a separate greenlet, a source that blocks, even on what the consumer does with the values,
    never delays values that are available. The feeder ends with the iterator.

    Args:
        slots: Slots of the pool.
        func: Called with each item.
        source: The items.
        captured: Context in which the source is consumed and the items run.
        is_ordered: Whether values are yielded in the order of the source, or as they become
            available.
        maxsize: Maximum items that are consumed before their values are. None: no limit.
    """

    def __init__(
        self,
        slots: Slots,
        func: Callable[[Any], Any],
        source: Iterable[Any],
        captured: Context,
        *,
        is_ordered: bool,
        maxsize: int | None,
    ) -> None:
        self._by_index: dict[int, Any] = {}
        self._arrived: deque[Any] = deque()
        self._is_ordered = is_ordered
        arrived = self._arrived  # a reference to self would keep it alive
        keep = self._by_index.__setitem__ if is_ordered else lambda _, value: arrived.append(value)
        self._mapping = Mapping(slots, func, captured, keep, is_watched=True)
        self._feeder = gevent.Greenlet(_feed, self._mapping, iter(source), maxsize)
        carry(self._feeder, captured)
        self._feeder.start()

    def __next__(self) -> Any:
        mapping = self._mapping
        while not self._is_there():
            if mapping.is_done:
                error, mapping.source_error = mapping.source_error, None
                raise StopIteration if error is None else error.give_up()
            mapping.wait()  # safe against a timeout in the consumer
        value = self._by_index.pop(mapping.handed) if self._is_ordered else self._arrived.popleft()
        mapping.handed += 1
        mapping.make_room()
        if type(value) is not Raised:
            return value
        if value.is_cancelled:
            return value.error  # like gevent's `get` of a killed greenlet
        raise value.give_up()

    def _is_there(self) -> bool:
        if self._is_ordered:
            return self._mapping.handed in self._by_index
        return bool(self._arrived)

    def __del__(self) -> None:
        feeder = getattr(self, "_feeder", None)
        if feeder is not None:
            self._mapping.stop()
            feeder.kill(block=False)  # it may wait for room for ever


def _feed(mapping: Mapping, source: Iterator[Any], maxsize: int | None) -> None:
    def has_room() -> bool:
        return maxsize is None or mapping.offered - mapping.handed < maxsize

    mapping.offer_from(source, has_room)
