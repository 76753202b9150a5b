"""The Pool: gevent's, with every item in the caller's context."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

import gevent
import gevent.pool

from pywats_green.admission_time import waiting
from pywats_green.arguments import require_count, require_seconds
from pywats_green.context import capture, carry
from pywats_green.pool.futures import Submissions
from pywats_green.pool.mapping import Mapping
from pywats_green.pool.prefetch import Prefetch
from pywats_green.pool.raised import Raised, attempt, limited
from pywats_green.pool.slots import Slots
from pywats_green.progress import Progress, reporter

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import ParamSpec, Self  # Self is in typing from Python 3.11

    P = ParamSpec("P")

T = TypeVar("T")
X = TypeVar("X")

_AT_HAND = (list, tuple, range)

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class PoolStats(TypedDict):
    """Totals over the live Pools of this process.

    Attributes:
        pools: Number of Pools.
        size: Maximum number of greenlets running at once.
        running: Number of greenlets running now.
    """

    pools: int
    size: int
    running: int


def pool_statistics() -> PoolStats:
    """Return the totals over the live Pools of this process."""
    pools = list(_pools)
    return {
        "pools": len(pools),
        "size": sum(pool.size or 0 for pool in pools),
        "running": sum(map(len, pools)),
    }


_FOLLOW_SIZE: Any = object()


class Pool(gevent.pool.Pool):
    """The part of the public Pool that is independent of pywats.

    Args:
        size: Maximum number of greenlets running at once, 1 or more.

    Raises:
        ArgumentTypeError: `size` is not an integer.
        InvalidArgumentError: `size` is less than 1.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__(require_count("size", size))
        self._slots = Slots(self)
        self._submissions = Submissions(self._slots)
        _pools.add(self)

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

    def kill(self, *args: Any, **kwargs: Any) -> None:
        """Kill what is running, as in gevent. Items that have not started never will."""
        for running in list(self._slots.mappings):
            running.stop()
        super().kill(*args, **kwargs)

    def _discard(self, greenlet: Any) -> None:  # gevent's own hook; frees the slot
        super()._discard(greenlet)  # type: ignore[misc]
        self._slots.freed()

    def spawn(
        self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> gevent.Greenlet[P, T]:
        """Start `func(*args, **kwargs)` in a greenlet, waiting for a free slot.

        Returns:
            The greenlet; `get()` returns its value or raises its error.
        """
        greenlet: Any = self.greenlet_class(func, *args, **kwargs)
        carry(greenlet, capture())
        if self.full():
            with waiting():
                self.start(greenlet)
        else:
            self.start(greenlet)
        return greenlet  # type: ignore[no-any-return]

    def submit(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `func(*args, **kwargs)` as soon as a slot is free, without waiting for one.

        As with an executor of `concurrent.futures`, whose `as_completed` and `wait` take the
        futures. There is no bound on how many wait: `map` and `imap` keep less in memory.

        Returns:
            The future. A killed call's raises `CancelledError`; `kill` cancels those that wait.
        """
        return self._submissions.add(partial(func, *args, **kwargs), capture())

    def apply(
        self,
        func: Callable[..., T],
        args: Sequence[Any] | None = None,
        kwds: dict[str, Any] | None = None,
    ) -> T:
        """Call `func(*args, **kwds)` in a greenlet of this pool and wait for it.

        If called from a greenlet of this pool, it runs at once in that greenlet, as in gevent.

        Raises:
            BaseException: Whatever `func` raises.
        """
        args, kwds = args or (), kwds or {}
        if self._apply_immediately():  # type: ignore[attr-defined]  # gevent's own hook
            return func(*args, **kwds)
        value = self.spawn(attempt, lambda: func(*args, **kwds)).get()
        if isinstance(value, Raised):
            raise value.give_up()
        return value

    def map(self, func: Callable[[X], T], iterable: Iterable[X]) -> list[T]:
        """Call `func` for each item, at most `size` at once.

        Args:
            func: Called with one item.
            iterable: The items. Anything but a list, tuple or range is consumed in this greenlet,
                at most `size` items ahead.

        Returns:
            The values, in the order of the items; a killed item's is its `gevent.GreenletExit`.

        Raises:
            BaseException: The first error in that order, once all items were started; or, at once,
                whatever the iterable raises. As in gevent, running items continue (leaving a
                `with` block kills them), and so do those read before the iterable raised.
        """
        values: list[Any] = []
        size = self._slots.size
        running = Mapping(self._slots, func, capture(), values.__setitem__)
        known = 0
        with running:
            # Exact types only: the iterator of a subclass might block.
            if isinstance(iterable, (list, tuple, range)) and type(iterable) in _AT_HAND:
                values.extend([running.cancelled] * len(iterable))
                running.offer_all(list(iterable) if isinstance(iterable, list) else iterable)
            else:
                running.offer_from(
                    _noted(iterable, values, running.cancelled),
                    lambda: running.offered - running.taken < size,
                    low=size // 2,
                )
                if running.source_error is not None:
                    raise running.source_error.give_up()
            while not running.is_done:
                if running.has_failed and running.taken == running.offered:
                    known = _raise_first(values, known, running.cancelled)
                running.wait()
        if running.has_failed or running.is_stopped:
            _raise_first(values, known, None)
            values = [v.error if type(v) is Raised else v for v in values]
        return values

    @overload  # type: ignore[override]  # gevent's returns its own iterator class
    def imap(
        self, func: Callable[[X], T], iterable: Iterable[X], /, *, maxsize: int | None = ...
    ) -> Iterator[T]: ...

    @overload
    def imap(
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = ...
    ) -> Iterator[T]: ...

    def imap(
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = _FOLLOW_SIZE
    ) -> Iterator[T]:
        """Call `func` for each item, and yield the values in order.

        Args:
            func: Called with one item of each iterable.
            *iterables: The items; consumed in step, in a separate greenlet.
            maxsize: Maximum items that are consumed before their values are. Default: the size of
                the pool. None: no limit.

        Returns:
            An iterator. It raises the error of a failed item, and can then be continued.

        Raises:
            ArgumentTypeError: `maxsize` is not an integer.
            InvalidArgumentError: `maxsize` is less than 1.
        """
        return self._prefetch(True, func, iterables, maxsize)

    @overload  # type: ignore[override]
    def imap_unordered(
        self, func: Callable[[X], T], iterable: Iterable[X], /, *, maxsize: int | None = ...
    ) -> Iterator[T]: ...

    @overload
    def imap_unordered(
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = ...
    ) -> Iterator[T]: ...

    def imap_unordered(
        self, func: Callable[..., T], *iterables: Iterable[Any], maxsize: int | None = _FOLLOW_SIZE
    ) -> Iterator[T]:
        """Like `imap`, but yields each value as soon as it is available.

        Raises:
            ArgumentTypeError, InvalidArgumentError: As `imap`.
        """
        return self._prefetch(False, func, iterables, maxsize)

    def _prefetch(
        self,
        is_ordered: bool,
        func: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        maxsize: int | None,
    ) -> Prefetch:
        if maxsize is _FOLLOW_SIZE:
            maxsize = self._slots.size
        elif maxsize is not None:
            require_count("maxsize", maxsize)
        return Prefetch(
            self._slots,
            lambda args: func(*args),
            zip(*iterables),  # noqa: B905  # stops at the shortest, as the builtin map
            capture(),
            is_ordered=is_ordered,
            maxsize=maxsize,
        )

    def settle(
        self,
        func: Callable[[X], T],
        iterable: Iterable[X],
        *,
        timeout: float | None = None,
        fail_fast: bool = False,
        is_failure: Callable[[T | Raised], bool] = lambda value: isinstance(value, Raised),
        progress: Progress = None,
    ) -> list[T | Raised]:
        """Call `func` for each item and return its value or error.

        Args:
            func: Called with one item.
            iterable: The items; consumed completely before the first call.
            timeout: Seconds for each item, from its start; waiting for a slot does not count.
                None: no limit.
            fail_fast: Whether the first failure cancels everything unfinished.
            is_failure: Decides what is a failure for `fail_fast`.
            progress: True for a bar on stderr, a callable of (completed, total), a tqdm bar, or a
                rich `Progress`; called in this greenlet.

        Returns:
            The value or the error of each item, in order.

        Raises:
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is not positive.
            KeyboardInterrupt: An item raised it, or SystemExit; nothing is left running.
            Exception: Whatever the iterable or `progress` raises; nothing is left running.
        """
        if timeout is not None:
            func = limited(func, require_seconds("timeout", timeout))
        report = reporter(progress)
        items = list(iterable)
        values: list[Any] = []
        running = Mapping(
            self._slots,
            func,
            capture(),
            values.__setitem__,
            stops=is_failure if fail_fast else None,
            is_watched=report is not None,
        )
        values.extend([running.cancelled] * len(items))
        completed = 0
        try:
            running.offer_all(items)
            while not (running.is_done or running.is_stopped):
                running.wait()
                while report is not None and completed < running.finished:
                    completed += 1
                    report(completed, len(items))
        finally:
            running.kill()
        return values


def _noted(iterable: Iterable[X], values: list[Any], value: object) -> Iterator[X]:
    """Yield the items, appending a placeholder to `values` for each."""
    for item in iterable:
        values.append(value)
        yield item


def _raise_first(values: list[Any], start: int, unknown: object) -> int:
    """Raise the first error from `start` on; a killed item is not an error.

    Returns:
        The index of the first value that is not known yet, or the length.
    """
    for index in range(start, len(values)):
        value = values[index]
        if value is unknown:
            return index
        if type(value) is Raised and not value.is_cancelled:
            raise value.give_up()
    return len(values)
