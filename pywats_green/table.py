"""Aligned columns of text."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def one_line(text: str) -> str:
    """Return a text as one line that can be printed: control sequences and the like are escaped."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return rows as lines with aligned columns.

    Args:
        rows: Rows of cells, all of the same length.
        left: How many of the first columns are left-aligned; the others are right-aligned.

    Returns:
        A line per row, without trailing blanks.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
