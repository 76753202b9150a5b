"""Progress callbacks, (completed, total) -> None: a bar on stderr, or the caller's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

ProgressCallback = Callable[[int, int], object]

_WIDTH = 30
_INTERVAL = 0.1  # seconds between redraws


class Bar:
    """Draws a progress bar; if the stream is not a terminal, only one line at the end.

    Args:
        label: What is being counted.
        stream: Where to draw. None: stderr; a process without a console has none (pythonw), so
            nothing is drawn.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        label: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = f"{label} " if label else ""
        self._stream: TextIO | None = stream or sys.stderr
        self._clock = clock
        self._drawn_at = float("-inf")

    def __call__(self, completed: int, total: int) -> None:
        """Show that `completed` of `total` are done."""
        if self._stream is None:
            return
        now, last = self._clock(), completed >= total
        if not last and (not self._stream.isatty() or now - self._drawn_at < _INTERVAL):
            return
        self._drawn_at = now
        filled = _WIDTH * completed // total if total else _WIDTH
        start = "\r" if self._stream.isatty() else ""
        bar = "#" * filled + "." * (_WIDTH - filled)
        self._stream.write(f"{start}{self._label}[{bar}] {completed}/{total}")
        if last:
            self._stream.write("\n")
        self._stream.flush()


def reporter(progress: bool | ProgressCallback | None) -> ProgressCallback | None:
    """Return the function to call after each item.

    Args:
        progress: True for a bar on stderr, or a callable of (completed, total). None or False: no
            progress is reported.
    """
    if progress is True:
        return Bar()
    return progress or None
