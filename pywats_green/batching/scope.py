"""Tells the look-ups made in a block to travel together."""

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
    """One `batching()` block, of the native thread that makes it.

    Args:
        window: Seconds that look-ups are gathered, from the first.
        max_batch: Upper bound of keys in one query; None: what is learned.
    """

    def __init__(self, window: float, max_batch: int | None) -> None:
        self.window = window
        self.max_batch = max_batch
        self.is_open = True
        self._thread_id = _native_thread_id()
        self._batchers: dict[Hashable, Batcher] = {}

    @property
    def counts_here(self) -> bool:
        """Whether it is open, and of this native thread: a query would use its connections."""
        return self.is_open and bool(self._thread_id == _native_thread_id())

    def batcher(self, key: Hashable, make: Callable[[Scope], Batcher]) -> Batcher:
        """Return the batcher under a key, made where there is none yet."""
        batcher = self._batchers.get(key)
        if batcher is None:
            batcher = self._batchers[key] = make(self)
        return batcher

    def release(self, key: Hashable, batcher: Batcher) -> None:
        """Forget a batcher if it is idle: it holds its client, and a block may last for long."""
        if batcher.is_idle and self._batchers.get(key) is batcher:
            del self._batchers[key]

    def close(self) -> None:
        """End the block: what still waits is sent at once, and nothing is gathered any more."""
        self.is_open = False
        for batcher in self._batchers.values():
            batcher.close()
        self._batchers.clear()


_scope: ContextVar[Scope | None] = ContextVar("pywats_green.batching", default=None)


innermost_scope = _scope.get
"""Returns the innermost block of this context, which may not count here any more; None: outside."""


def current_scope() -> Scope | None:
    """Return the innermost block of this context.

    Returns:
        None outside, after its end, and in another native thread that was given the context.
    """
    scope = _scope.get()
    return scope if scope is not None and scope.counts_here else None


@contextmanager
def batching(*, window: float = 0.002, max_batch: int | None = None) -> Iterator[None]:
    """Let single look-ups that are made at the same time travel as one query.

    It reaches the calls of this greenlet and those made through a `pywats_green.Pool` that is used
    inside the block, until the block ends. Results and errors stay those of the single calls: what
    a query does not return is asked for singly, and no query is trusted before one key, fetched
    both ways, gave equal JSON. Without green clients it does nothing.

    Blocks can be nested; the settings of the inner one count inside it.

    Args:
        window: Seconds that look-ups are gathered, from the first; a full query does not wait.
            0: those that are ready to run now.
        max_batch: The most keys in one query, 1 or more. None: learned for each client and route,
            from 18 on (8 where a key has two parts), halved when the server refuses a query.

    Raises:
        ArgumentTypeError: `window` is no number, or `max_batch` no whole number.
        InvalidArgumentError: `window` is negative or endless, or `max_batch` less than 1.
    """
    if require_seconds_or_zero("window", window) == math.inf:
        raise InvalidArgumentError("window must be a time that ends, not inf")
    if max_batch is not None:
        require_count("max_batch", max_batch)
    scope = Scope(window, max_batch)
    outer = _scope.get()
    _scope.set(scope)
    try:
        yield
    finally:
        scope.close()
        # Not by a token: a generator, such as a fixture, may end in another context than it began.
        if _scope.get() is scope:
            _scope.set(outer)
