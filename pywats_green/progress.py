"""Progress: a bar on stderr, or the caller's own callable, tqdm bar or rich `Progress`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO, Union, runtime_checkable

from pywats_green.exceptions import ArgumentTypeError

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from typing_extensions import Self  # in typing from Python 3.11

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

_INTERVAL = 0.1  # seconds between redraws
_WIDEST, _NARROWEST = 30, 4  # characters of the bar
_FIGURES = 28  # characters that count, rate and time left take


class Bar:
    """Draws a bar with rate and time left; where there is no terminal, one line at the end.

    As a context manager, it ends its line whatever happens.

    Args:
        label: What is being counted.
        stream: Where to draw. None: stderr; a process without a console has none (pythonw), so
            nothing is drawn.
        clock: Monotonic clock, in seconds.
        may_grow: Whether the total may grow after all was completed; then `finish` ends the bar.
    """

    def __init__(
        self,
        label: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        may_grow: bool = False,
    ) -> None:
        self._label = label
        self._stream: TextIO | None = stream or sys.stderr
        self._clock = clock
        self._may_grow = may_grow
        self._display: Display | None = None
        self._began = clock()
        self._drawn_at = float("-inf")
        self._last = 0, 0

    def __call__(self, completed: int, total: int) -> None:
        """Show that `completed` of `total` are done."""
        if self._stream is None:
            return
        self._last = completed, total
        is_end = completed >= total and not self._may_grow
        if not self._stream.isatty():
            if is_end:
                self._stream.write(f"{self._label} {completed}/{total}\n".lstrip())
                self._stream.flush()
            return
        now = self._clock()
        if is_end or now - self._drawn_at >= _INTERVAL:
            self._drawn_at = now
            self._draw(completed, total)
        if is_end:
            self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Draw the last state and end the line."""
        if self._display is not None:
            self._draw(*self._last, ended=True)
            self._display.stop()
            self._display = None

    def _draw(self, completed: int, total: int, *, ended: bool = False) -> None:
        if self._display is None:
            self._display = self._started()
        (task,) = self._display.tasks
        self._display.update(task.id, completed=completed, total=total)
        # Of the last draws; of one, and of all at the end, since the beginning.
        speed = None if ended else task.finished_speed or task.speed
        if speed is None and (elapsed := self._clock() - self._began) > 0:
            speed = completed / elapsed
        self._display.update(task.id, rate="" if speed is None else f"{speed:,.1f}/s")
        self._display.refresh()

    def _started(self) -> Display:
        # Imported here, because most programs need no bar, and it takes a while.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(file=self._stream, emoji=False, highlight=False)
        room = console.width - _FIGURES
        width = room - len(self._label)
        display = Progress(
            *([TextColumn("{task.description}", markup=False)] if self._label else []),
            *([BarColumn(min(_WIDEST, width))] if width >= _NARROWEST else []),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=self._may_grow,  # as `finish` will be called,
            get_time=self._clock,
        )
        display.add_task(self._label[:room], total=None, rate="")
        display.start()
        console.show_cursor()  # whoever is killed cannot bring it back
        return display


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
