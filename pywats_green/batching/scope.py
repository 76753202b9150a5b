"""`batching()` blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gevent import monkey

from pywats_green.arguments import require_count, require_seconds_or_zero
from pywats_green.batching.batcher import Batcher
from pywats_green.exceptions import InvalidArgumentError

_native_thread_id: Any = monkey.get_original("threading", "get_ident")


class Scope:
    """A `batching()` block; it belongs to the native thread that opened it.

    Args:
        window: Seconds to collect look-ups, from the first one.
        max_batch: Maximum keys per query. None: what has been learned.
    """

    def __init__(self, window: float, max_batch: int | None) -> None:
        self.window = window
        self.max_batch = max_batch
        self.is_open = True
        self._thread_id = _native_thread_id()
        self._batchers: dict[Hashable, Batcher] = {}

    @property
    def counts_here(self) -> bool:
        """Whether it is open and belongs to this native thread, whose connections queries use."""
        return self.is_open and bool(self._thread_id == _native_thread_id())

    def batcher(self, key: Hashable, make: Callable[[Scope], Batcher]) -> Batcher:
        """Return the batcher for a key, creating it if necessary."""
        batcher = self._batchers.get(key)
        if batcher is None:
            batcher = self._batchers[key] = make(self)
        return batcher

    def release(self, key: Hashable, batcher: Batcher) -> None:
        """Drop a batcher if it is idle: it keeps its client alive, and a block may last long."""
        if batcher.is_idle and self._batchers.get(key) is batcher:
            del self._batchers[key]

    def close(self) -> None:
        """End the block: send what is waiting at once, and stop collecting."""
        self.is_open = False
        for batcher in self._batchers.values():
            batcher.close()
        self._batchers.clear()


_scope: ContextVar[Scope | None] = ContextVar("pywats_green.batching", default=None)


innermost_scope = _scope.get
"""Returns the innermost block of this context, even if it has ended. None: outside of any."""


def current_scope() -> Scope | None:
    """Return the innermost block of this context.

    Returns:
        The block. None: outside of any, after its end, or in another native thread.
    """
    scope = _scope.get()
    return scope if scope is not None and scope.counts_here else None


@contextmanager
def batching(*, window: float = 0.002, max_batch: int | None = None) -> Iterator[None]:
    """Combine single look-ups that are made concurrently into queries.

    Applies to the calls of this greenlet and those made through a `pywats_green.Pool` used inside
    the block, until the block ends. Results and errors are those of the single calls: keys that a
    query does not return are looked up singly, and a query is trusted only after one key, fetched
    both ways, gave equal JSON. Has no effect on clients that are not green.

    Blocks can be nested; inside the inner one, its settings apply.

    Args:
        window: Seconds to collect look-ups, from the first one; a full query is sent at once. 0:
            only those that are ready to run now.
        max_batch: Maximum keys per query, 1 or more. None: learned per client and route, starting
            at 18 (8 if a key has two parts), and halved when the server refuses a query.

    Raises:
        ArgumentTypeError: `window` is not a number, or `max_batch` is not an integer.
        InvalidArgumentError: `window` is negative or infinite, or `max_batch` is less than 1.
    """
    if require_seconds_or_zero("window", window) == math.inf:
        raise InvalidArgumentError("window must be finite, not inf")
    if max_batch is not None:
        require_count("max_batch", max_batch)
    scope = Scope(window, max_batch)
    outer = _scope.get()
    _scope.set(scope)
    try:
        yield
    finally:
        scope.close()
        # No token: a generator, such as a fixture, may end in another context than it started in.
        if _scope.get() is scope:
            _scope.set(outer)
