"""What became of one item, carried as a value from its greenlet to the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gevent


class Outcome(NamedTuple):
    """What became of one item.

    Attributes:
        value: What the function returned; meaningless when `error` is set.
        error: What it raised, a `gevent.Timeout` when its time was over, a
            `gevent.GreenletExit` when it was cancelled; None when it returned.
    """

    value: Any
    error: BaseException | None = None


def attempt(func: Callable[..., Any], args: Sequence[Any]) -> Outcome:
    """Call `func` and carry its error as a value, so that the hub prints no traceback of it."""
    try:
        return Outcome(func(*args))
    except (gevent.GreenletExit, KeyboardInterrupt, SystemExit):
        raise  # a kill, or the end of the program: gevent knows what to do with these
    except BaseException as error:  # noqa: BLE001  # raised again in the caller, by `unwrap`
        return Outcome(None, error)


def attempt_within(func: Callable[[Any], Any], item: Any, timeout: float | None) -> Outcome:
    """As `attempt`, for at most `timeout` seconds (None: no limit)."""
    timer = gevent.Timeout.start_new(timeout)
    try:
        return attempt(func, (item,))
    finally:
        timer.close()


def outcome_of(greenlet: gevent.Greenlet[..., Any]) -> Outcome:
    """Wait for a greenlet that runs an attempt, and return what became of it.

    Raises:
        KeyboardInterrupt: As the attempt did; SystemExit likewise.
    """
    result = greenlet.get()
    # A killed greenlet has no outcome: gevent hands out its GreenletExit as the value.
    return result if isinstance(result, Outcome) else Outcome(None, result)


def unwrap(greenlet: gevent.Greenlet[..., Any]) -> Any:
    """Wait for a greenlet that runs an attempt, and return its value or raise its error."""
    outcome = outcome_of(greenlet)
    if outcome.error is None:
        return outcome.value
    if isinstance(outcome.error, gevent.GreenletExit):
        return outcome.error  # as gevent's own `get` of a killed greenlet
    raise outcome.error
