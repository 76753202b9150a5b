"""What `drain` shows while it runs: a live bar, quarantined reports and pauses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pywats_green.cli.errors import redact
from pywats_green.cli.queue.folder import plain, say
from pywats_green.progress import Bar

LOGGER = "pywats_green.queue"


class LiveBar:
    """A bar whose total may grow, because reports may be added meanwhile.

    Args:
        stream: Where to draw. None: stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar = Bar("sent", self._stream)
        self._last: tuple[int, int] | None = None

    def __call__(self, completed: int, total: int) -> None:
        """Show that `completed` of `total` are done."""
        self._last = completed, total
        if completed < total:
            self._bar(completed, total)

    def finish(self) -> None:
        """Draw the last state and end the line."""
        if self._last is None:
            return
        completed, total = self._last
        if completed < total:
            self._stream.write("\n")
            self._stream.flush()
        else:
            self._bar(completed, total)


class Pauses:
    """Reports when `drain --watch` starts to wait for the server, and when it goes on.

    Args:
        reason: Returns why nothing is being sent, or None.
    """

    def __init__(self, reason: Callable[[], str | None]) -> None:
        self._reason = reason
        self._is_told = False

    def __call__(self, _item_id: str, outcome: str, _error: BaseException | None) -> None:
        """Handle the outcome of a report."""
        reason = self._reason()
        if reason is not None and not self._is_told:
            say(f"waiting: {plain(redact(reason))}")
        elif reason is None and self._is_told and outcome == "submitted":
            say("sending again")
        self._is_told = reason is not None


@contextmanager
def told_lines() -> Iterator[None]:
    """Print the queue's log messages as plain lines on stderr during the block."""
    handler = _Lines()
    logger = logging.getLogger(LOGGER)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # otherwise lines would be printed twice
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # On a terminal the line replaces the bar, which is drawn again below it.
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        say(start + plain(redact(record.getMessage())))
