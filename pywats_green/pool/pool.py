"""The Pool itself: gevent's, with the caller's context in every greenlet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import gevent.pool
from gevent.queue import SimpleQueue

from pywats_green.context import capture, carry
from pywats_green.exceptions import InvalidArgumentError
from pywats_green.pool.lookahead import Results, Started
from pywats_green.pool.outcome import Outcome, attempt, attempt_within, outcome_of, unwrap

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

T = TypeVar("T")


_FOLLOW_SIZE: Any = object()


class Pool(gevent.pool.Pool):
    """The part of the public Pool that knows nothing of pywats.

    Args:
        size: How many greenlets may run at once, 1 or more.

    Raises:
        InvalidArgumentError: `size` is not a whole number of at least 1.
    """

    def __init__(self, size: int = 50) -> None:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InvalidArgumentError(f"size must be a whole number of at least 1, not {size!r}")
        super().__init__(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self.kill()
            return
        try:
            self.join()
        except BaseException:
            self.kill(block=False)  # a timeout or Ctrl-C while joining: leave nothing running
            raise

    def spawn(  # type: ignore[override]  # a plain signature for a generic one
        self, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Started:
        """Start `func(*args, **kwargs)` in a greenlet, waiting for a free slot.

        Returns:
            The greenlet; `get()` gives its value or raises its error.
        """
        return self._spawn(capture(), func, *args, **kwargs)

    def _spawn(
        self, captured: Context, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Started:
        greenlet = self.greenlet_class(func, *args, **kwargs)
        carry(greenlet, captured)
        self.start(greenlet)
        return greenlet

    def apply(self, func: Callable[..., T], args: Any = None, kwds: Any = None) -> T:
        """Call `func(*args, **kwds)` in a greenlet of this pool and wait for it.

        Called from a greenlet of this pool it runs at once, in that greenlet, as gevent's.

        Raises:
            BaseException: What `func` raises.
        """
        args, kwds = args or (), kwds or {}
        if self._apply_immediately():  # type: ignore[attr-defined]  # gevent's own hook
            return func(*args, **kwds)
        call = self.spawn(attempt, lambda: func(*args, **kwds), ())
        return unwrap(call)  # type: ignore[no-any-return]

    def map(self, func: Callable[[Any], T], iterable: Iterable[Any]) -> list[T]:
        """Call `func` for each item, at most `size` at once.

        Returns:
            The values, in the order of the items.

        Raises:
            BaseException: The first error in that order, after all items were started; those
                that still run go on, as with gevent's (leave a `with` block to kill them).
        """
        captured = capture()
        started = [self._spawn(captured, attempt, func, (item,)) for item in iterable]
        return [unwrap(greenlet) for greenlet in started]

    def imap(  # type: ignore[override]  # gevent's returns its own iterator class
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = _FOLLOW_SIZE
    ) -> Iterator[T]:
        """Call `func` for the items and give the values in order, as they are asked for.

        Args:
            func: Called with one item of each iterable.
            *iterables: Read in step, in a greenlet of its own.
            maxsize: How many items may be read and not yet handed out. Left out: the size of the
                pool. None: no bound but the free slots.

        Returns:
            An iterator; where an item failed, it raises, and can be asked for the next.

        Raises:
            InvalidArgumentError: `maxsize` is less than 1.
        """
        return self._lazily(True, func, iterables, maxsize)

    def imap_unordered(  # type: ignore[override]
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = _FOLLOW_SIZE
    ) -> Iterator[T]:
        """As `imap`, but gives each value as soon as it is there."""
        return self._lazily(False, func, iterables, maxsize)

    def _lazily(
        self,
        is_ordered: bool,
        func: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        maxsize: int | None,
    ) -> Results:
        if maxsize is _FOLLOW_SIZE:
            maxsize = self.size
        elif maxsize is not None and not (isinstance(maxsize, int) and maxsize >= 1):
            raise InvalidArgumentError(f"maxsize must be at least 1, or None, not {maxsize!r}")
        captured = capture()
        return Results(
            zip(*iterables),  # noqa: B905  # the shortest ends it, as with the builtin map
            lambda args: self._spawn(captured, attempt, func, args),
            captured,
            is_ordered=is_ordered,
            maxsize=maxsize,
        )

    def settle(
        self,
        func: Callable[[Any], Any],
        items: Sequence[Any],
        *,
        timeout: float | None = None,
        fail_fast: bool = False,
        is_failure: Callable[[Outcome], bool] = lambda outcome: outcome.error is not None,
        on_settled: Callable[[int, int], object] | None = None,
    ) -> list[Outcome]:
        """Call `func` for each item and say what became of each, never raising for one.

        Args:
            func: Called with one item.
            items: What to call it with.
            timeout: Seconds for each item from its start; waiting for a slot does not count.
                None: no limit.
            fail_fast: Whether the first failure cancels all that has not finished.
            is_failure: What counts as a failure for that.
            on_settled: Called in this greenlet with (settled so far, all) after each item.

        Returns:
            One outcome an item, in order.

        Raises:
            Exception: What `on_settled` raises; nothing is left running.
        """
        outcomes = [Outcome(None, gevent.GreenletExit())] * len(items)
        captured = capture()
        waiting = deque(enumerate(items))
        running: dict[Started, int] = {}
        finished: SimpleQueue[Started] = SimpleQueue()
        settled = 0
        try:
            while waiting or running:
                while waiting and (not running or self.free_count() > 0):
                    index, item = waiting.popleft()
                    greenlet = self._spawn(captured, attempt_within, func, item, timeout)
                    running[greenlet] = index
                    greenlet.rawlink(finished.put)
                done = finished.get()
                index = running.pop(done)
                outcomes[index] = outcome_of(done)
                settled += 1
                if on_settled is not None:
                    on_settled(settled, len(items))
                if fail_fast and is_failure(outcomes[index]):
                    break
        finally:
            if running:
                gevent.killall(list(running))
        for greenlet, index in running.items():
            outcomes[index] = outcome_of(greenlet)  # it may have finished before the kill
        return outcomes
