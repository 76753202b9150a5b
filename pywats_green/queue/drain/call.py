"""Runs a function in a greenlet of its own, so that a kill ends it and not the one who waits."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import gevent
from gevent.event import Event

from pywats_green.context import carry

# A function that swallows the kill (a bare `except:`) is left to itself after this time.
_SECONDS_TO_DIE = 2.0


class Cancelled(Exception):  # noqa: N818  # not an error: it says what became of a call
    """The call was cancelled before it ended."""


class Call:
    """A call that can be cancelled.

    Args:
        func: What to call.
        context: The contextvars it starts with; what it sets stays its own.
    """

    def __init__(self, func: Callable[[], object], context: Context) -> None:
        self._func = func
        self._error: BaseException | None = None
        self._ended = False
        self._is_cancelled = False
        self._wake = Event()
        self._greenlet = gevent.Greenlet(self._body)
        carry(self._greenlet, context)

    @property
    def greenlet(self) -> gevent.Greenlet[..., None]:
        """The greenlet it runs in."""
        return self._greenlet

    def run(self) -> BaseException | None:
        """Make the call and wait for its end.

        Returns:
            What it raised, of whatever kind; `Cancelled` where it was cancelled before it ended,
            whatever came of it; None: it returned.
        """
        if not self._is_cancelled:
            self._greenlet.start()
            self._await_end()
        # It may have returned because it swallowed the kill: that is no success.
        return Cancelled() if self._is_cancelled else self._error

    def cancel(self) -> None:
        """Kill it, unless it has ended; does not wait."""
        if self._ended or self._is_cancelled:
            return
        self._is_cancelled = True
        self._greenlet.kill(block=False)
        self._wake.set()

    def _await_end(self) -> None:
        self._wake.wait()
        if not self._ended:  # it was cancelled
            self._wake.clear()
            self._wake.wait(_SECONDS_TO_DIE)

    def _body(self) -> None:
        try:
            self._func()
        except BaseException as exc:  # noqa: BLE001  # handed to the one who waits
            self._error = exc
        finally:
            self._ended = True
            self._wake.set()
