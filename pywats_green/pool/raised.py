"""Errors of items as values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

from pywats_green.admission_time import affecting, own
from pywats_green.bridge import set_deadline

T = TypeVar("T")
X = TypeVar("X")

_GIVEN_UP = RuntimeError("already raised")


class Raised:
    """The error of an item, as a value.

    Attributes:
        error: What the item raised; a `gevent.Timeout` if it timed out; a `gevent.GreenletExit` if
            it was killed or never started.
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @classmethod
    def in_worker(cls, error: BaseException) -> Raised:
        """Wrap an error, dropping its first frame: the worker's, which outlives the item."""
        traceback = error.__traceback__
        return cls(error.with_traceback(None if traceback is None else traceback.tb_next))

    @property
    def is_cancelled(self) -> bool:
        """Whether it was killed or never started."""
        return isinstance(self.error, gevent.GreenletExit)

    def give_up(self) -> BaseException:
        """Return and drop the error, so that raising it makes no cycle through its frames."""
        error, self.error = self.error, _GIVEN_UP
        return error


def attempt(func: Callable[[], T]) -> T | Raised:
    """Call `func` and return its error as a value, so that the hub prints no traceback."""
    try:
        return func()
    except (gevent.GreenletExit, KeyboardInterrupt, SystemExit):
        raise  # left to gevent
    except BaseException as error:  # noqa: BLE001  # raised to the consumer
        return Raised(error)


def limited(func: Callable[[X], T], timeout: float) -> Callable[[X], T]:
    """Return `func` with a timeout for each call, excluding waits for admission.

    Args:
        func: Called with the item.
        timeout: Seconds, from the start of the call.

    Returns:
        A function that raises a `gevent.Timeout` after that time.
    """

    def call(item: X) -> T:
        deadline = set_deadline(timeout)
        try:
            # Also while the calls that it makes by way of another Pool are what waits.
            with affecting(own()):
                return func(item)
        finally:
            deadline.cancel()

    return call
