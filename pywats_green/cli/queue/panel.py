"""The live panel of `drain --watch`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import gevent
from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pywats_green.cli.console import err, plain
from pywats_green.cli.errors import redact
from pywats_green.cli.queue.items import span
from pywats_green.queue.drain.statistics import ProcessorStats
from pywats_green.upstream.client.limits import LimitState, limit_statistics
from pywats_green.upstream.features.queues.processor import QueueProcessor

_INTERVAL = 0.5  # seconds between redraws
_TWO_COLUMNS = 60  # characters that they need


@contextmanager
def watch_panel(processor: QueueProcessor) -> Iterator[None]:
    """Show on stderr what a processor is doing, until the block ends; only on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    console = err()
    live = Live(
        get_renderable=lambda: panel_of(processor, console.width), console=console,
        auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True,
    )  # fmt: skip
    live.start()
    console.show_cursor()  # whoever is killed cannot bring it back
    redrawing = gevent.spawn(_redraw, live.refresh)
    try:
        yield
    finally:
        redrawing.kill()
        with suppress(OSError):  # the terminal is gone
            live.stop()


def _redraw(refresh: Callable[[], object]) -> None:
    while True:
        gevent.sleep(_INTERVAL)
        try:
            refresh()
        except OSError:  # the terminal is gone, and the drain goes on
            return


def panel_of(processor: QueueProcessor, width: int) -> RenderableType:
    """Return the panel of a processor as it is now, for a terminal of some characters."""
    try:
        stats = processor.stats()
    except OSError as exc:  # the processor says so, and waits for the folder
        return Panel(Text(plain(exc), "red"))
    return render(stats, limit_statistics(), narrow=width < _TWO_COLUMNS)


def render(
    stats: ProcessorStats, limits: Sequence[LimitState], *, narrow: bool = False
) -> RenderableType:
    """Return the panel.

    Args:
        stats: What the processor is doing.
        limits: How much of the rate limits is used.
        narrow: Whether there is room for one column only.
    """
    age, quarantined = stats["oldest_age"], stats["quarantined"]
    cells = [
        ("per second", Text(f"{stats['rate']:.1f}", "bold")),
        ("waiting", Text(f"{stats['depth']:,}", "bold")),
        ("oldest", Text("-" if age is None else span(age))),
        ("in flight", Text(f"{stats['in_flight']:,}")),
        ("sent", Text(f"{stats['submitted']:,}", "green")),
        ("tried again", Text(f"{stats['retried']:,}", "yellow" if stats["retried"] else "")),
        ("quarantined", Text(f"{quarantined:,}", "red" if quarantined else "")),
        ("rate limit", _limits(limits)),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    if narrow:
        for title, value in cells:
            grid.add_row(Text(title, "dim"), value)
    else:
        half = len(cells) // 2
        for (left, one), (right, other) in zip(cells[:half], cells[half:], strict=True):
            grid.add_row(Text(left, "dim"), one, Text(right, "dim"), other)
    rows = Table.grid()
    rows.add_row(grid)
    rows.add_row(Text.assemble(("gate  ", "dim"), _gate(stats, limits)))
    return Panel(rows, title="drain", title_align="left", expand=False)


def _gate(stats: ProcessorStats, limits: Sequence[LimitState]) -> Text:
    paused = stats["paused"]
    if paused is not None:
        return Text(redact(paused), "red")
    if stats["in_flight"] and any(state["used"] >= state["limit"] for state in limits):
        return Text("open, waiting for the rate limit", "yellow")
    return Text("open", "green")


def _limits(limits: Sequence[LimitState]) -> Text:
    if not limits:
        return Text("off")
    used, limit = (sum(state[key] for state in limits) for key in ("used", "limit"))
    seconds = max(state["seconds"] for state in limits)
    return Text(f"{used:,} of {limit:,} in {seconds:g} s", "yellow" if used >= limit else "")
