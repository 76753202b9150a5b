"""Tells the look-ups made in a block to travel together."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pywats_green.batching.gatherer import Gatherer
from pywats_green.exceptions import InvalidArgumentError


class Scope:
    """One `batching()` block.

    Args:
        window: Seconds that look-ups are gathered, from the first.
        max_batch: Upper bound of keys in one query; None: what is learned.
    """

    def __init__(self, window: float, max_batch: int | None) -> None:
        self.window = window
        self.max_batch = max_batch
        self.is_open = True
        self._gatherers: dict[Hashable, Gatherer] = {}

    def gatherer(self, key: Hashable, make: Callable[[Scope], Gatherer]) -> Gatherer:
        """Return the gatherer under a key, made where there is none yet."""
        gatherer = self._gatherers.get(key)
        if gatherer is None:
            gatherer = self._gatherers[key] = make(self)
        return gatherer

    def close(self) -> None:
        """End the block: what still waits is sent at once, and nothing is gathered any more."""
        self.is_open = False
        for gatherer in self._gatherers.values():
            gatherer.close()
        self._gatherers.clear()


_scope: ContextVar[Scope | None] = ContextVar("pywats_green.batching", default=None)


def current_scope() -> Scope | None:
    """Return the innermost block of this context; None outside, and after its end."""
    scope = _scope.get()
    return scope if scope is not None and scope.is_open else None


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
        InvalidArgumentError: `window` is negative or no number, or `max_batch` no whole number of
            at least 1.
    """
    if not isinstance(window, (int, float)) or not 0 <= window < math.inf:
        raise InvalidArgumentError(f"window must be 0 or more seconds, not {window!r}")
    if max_batch is not None and (
        not isinstance(max_batch, int) or isinstance(max_batch, bool) or max_batch < 1
    ):
        raise InvalidArgumentError(
            f"max_batch must be a whole number of at least 1, or None, not {max_batch!r}"
        )
    scope = Scope(window, max_batch)
    token = _scope.set(scope)
    try:
        yield
    finally:
        scope.close()
        _scope.reset(token)
