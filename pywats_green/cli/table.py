"""Columns of text that line up."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return the rows as lines whose columns line up.

    Args:
        rows: Cells; all rows have as many.
        left: How many columns, from the first, stand to the left; the rest to the right.

    Returns:
        One line a row, without blanks at its end.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
