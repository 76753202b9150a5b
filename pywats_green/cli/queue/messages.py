"""What `drain` says while it runs: quarantined reports and pauses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pywats_green.cli.console import say
from pywats_green.cli.errors import redact

LOGGER = "pywats_green.queue"


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
            say(f"waiting: {redact(reason)}")
        elif reason is None and self._is_told and outcome == "submitted":
            say("sending again")
        self._is_told = reason is not None


@contextmanager
def messages_on_stderr() -> Iterator[None]:
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
        say(redact(record.getMessage()))
