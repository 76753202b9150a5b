"""What a folder keeps for the processes that drain it: one small file beside the reports.

    .gate.json     why the submissions gate is closed and since when, and what the ledger counted

It only exists while there is something to keep. Losing it costs one failed probe, and an attempt
that should have counted.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pywats_green.queue.folder.files import remove_patiently, write_small
from pywats_green.queue.source import DrainState

logger = logging.getLogger(__name__)

NAME = ".gate.json"


class LastClosure(NamedTuple):
    """Why a folder's reports are not sent.

    Attributes:
        cause: Why, for people.
        since: When it began, in seconds since the epoch.
    """

    cause: str
    since: float


class DrainStateFile:
    """Reads and writes the file; reading it unchanged, or where there is none, costs a stat.

    Args:
        folder: The queue's folder.
        clock: Seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._state: DrainState | None = None
        self._since = 0.0

    def read(self) -> DrainState | None:
        """Return what is kept. None: nothing, or nothing legible."""
        try:
            status = os.stat(self._path)  # noqa: PTH116  # at each receipt, and Path.stat is slower
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if stamp != self._seen:
                self._state, self._since = _parsed(self._path.read_bytes())
                self._seen = stamp
        except OSError:
            self._seen = self._state = None
        return self._state

    def write(self, state: DrainState | None) -> None:
        """Replace what is kept. None: remove the file. A failure is logged."""
        if state is None:
            remove_patiently(self._path)
            return
        before = self.read()
        if state.cause is None:
            self._since = 0.0
        elif before is None or before.cause is None:
            self._since = self._clock()
        try:
            data = json.dumps({**state._asdict(), "closed_since": self._since}).encode("ascii")
            write_small(self._path, data)
        except OSError as error:
            logger.warning("Cannot note in %s why reports wait: %s", self._path, error)

    def last_closure(self) -> LastClosure | None:
        """Return why nothing was being sent last. None: nothing prevented it."""
        state = self.read()
        if state is None or state.cause is None:
            return None
        return LastClosure(state.cause, self._since)


def _parsed(data: bytes) -> tuple[DrainState | None, float]:
    """Parse a file that anyone may have written."""
    try:
        values = json.loads(data)
        receipts, pardoned, failures = (
            max(0, int(values[name])) for name in ("receipts", "pardoned", "failures")
        )
        cause = values["cause"]
        since = float(values["closed_since"])
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return None, 0.0
    cause = None if cause is None else str(cause)
    return DrainState(receipts, pardoned, failures, cause), since
