"""Progress: a bar on stderr, or the caller's own callable, tqdm bar or rich `Progress`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO, Union, runtime_checkable

from pywats_green.exceptions import ArgumentTypeError

ProgressCallback = Callable[[int, int], object]
"""Called with (completed, total)."""


@runtime_checkable
class TqdmBar(Protocol):
    """A bar such as tqdm's."""

    total: Any

    def update(self, n: int, /) -> object:
        """Add to what is completed."""


@runtime_checkable
class RichProgress(Protocol):
    """A display such as rich's, which gets one more task."""

    def add_task(self, description: str, *, total: float | None) -> Any:
        """Add a task and return its id."""

    def update(self, task_id: Any, *, completed: float, total: float) -> object:
        """Show the state of a task."""


Progress = Union[bool, ProgressCallback, TqdmBar, RichProgress, None]  # noqa: UP007  # at run time
"""What `progress=` takes: True for a bar on stderr; None or False for no report."""

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


def reporter(progress: Progress) -> ProgressCallback | None:
    """Return the function to call after each item.

    Args:
        progress: True for a bar on stderr, a callable of (completed, total), a tqdm bar, or a rich
            `Progress`, which the caller starts and stops. None or False: no progress is reported.

    Raises:
        ArgumentTypeError: It is none of these.
    """
    if progress is True:
        return Bar()
    if progress is None or progress is False:
        return None
    if callable(progress):
        return progress
    if isinstance(progress, RichProgress):
        return _showing(progress)
    if isinstance(progress, TqdmBar):
        return _adding(progress)
    raise ArgumentTypeError(
        "progress must be True, a callable of (completed, total), a tqdm bar or a rich Progress, "
        f"not {type(progress).__name__}"
    )


def _showing(display: RichProgress) -> ProgressCallback:
    task = display.add_task("", total=None)
    return lambda completed, total: display.update(task, completed=completed, total=total)


def _adding(bar: TqdmBar) -> ProgressCallback:
    shown = 0

    def report(completed: int, total: int) -> None:
        nonlocal shown
        bar.total = total
        bar.update(completed - shown)
        shown = completed

    return report
