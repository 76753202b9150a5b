"""Tables that fit: columns where there is room for them, else a block of lines for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = Union[str, Text]  # noqa: UP007  # at run time

_GAP = 2
_LEAST = 24  # characters that the last column needs in order to be read


class Column(NamedTuple):
    """A column.

    Attributes:
        title: Its heading; may be empty.
        right: Whether it is right-aligned.
        wraps: Whether its cells may take several lines; for the last column.
        dropped: Where there is no room for all columns, they are dropped in this order; 0: never.
    """

    title: str
    right: bool = False
    wraps: bool = False
    dropped: int = 0


def print_table(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: int = 0
) -> None:
    """Print rows, aligned, without trailing blanks.

    Args:
        console: Where.
        columns: The columns.
        rows: Rows of as many cells.
        indent: Blanks before each line.
    """
    shown = _that_fit(columns, rows, console.width - indent)
    if shown:
        rows = [[row[at] for at in shown] for row in rows]
        _print(console, _as_columns([columns[at] for at in shown], rows), indent)
        return
    for number, row in enumerate(rows):
        if number:
            console.print()
        _print(console, _as_block(columns, row), indent)


def _that_fit(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int
) -> Sequence[int]:
    """Return which columns to show, by position; none if even the necessary ones do not fit."""
    widths = []
    for at, column in enumerate(columns):
        width = max(cell_len(column.title), *(cell_len(_plain(row[at])) for row in rows))
        widths.append(min(width, _LEAST) if column.wraps else width)
    shown = list(range(len(columns)))
    empty = [at for at in shown if columns[at].title and not any(_plain(row[at]) for row in rows)]
    ranked = sorted((at for at in shown if columns[at].dropped), key=lambda at: columns[at].dropped)
    for at in [*empty, *ranked]:
        if _total(widths, shown) <= room:
            break
        if at in shown:
            shown.remove(at)
    return shown if _total(widths, shown) <= room else ()


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown) + _GAP * (len(shown) - 1)


def _as_columns(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    table = _grid()
    for column in columns:
        table.add_column(
            justify="right" if column.right else "left", no_wrap=not column.wraps, overflow="fold"
        )
    if any(column.title for column in columns):
        table.add_row(*(Text(column.title, "bold") for column in columns))
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _as_block(columns: Sequence[Column], row: Sequence[Cell]) -> Table:
    table = _grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for column, cell in zip(columns, row, strict=True):
        if _plain(cell):
            table.add_row(Text(column.title, "bold"), _text(cell))
    return table


def _grid() -> Table:
    return Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _plain(cell: Cell) -> str:
    return cell.plain if isinstance(cell, Text) else cell


def _print(console: Console, table: Table, indent: int) -> None:
    """Print a table; rich itself pads all its lines to one length."""
    options = console.options.update_width(console.width - indent)
    for line in console.render_lines(table, options, pad=False):
        text = Text(" " * indent)
        for segment in line:
            text.append(segment.text, segment.style)
        text.rstrip()
        console.print(text, soft_wrap=True)
