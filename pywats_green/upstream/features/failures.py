"""`failure_table()`: what failed in a batch, for people and for tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pywats_green.table import aligned, one_line

if TYPE_CHECKING:
    from pywats.shared.result import Failure, Success

_MOST_ROWS = 20
_LONGEST_TEXT = 80  # characters


class FailureRow(NamedTuple):
    """An item of a batch that failed.

    Attributes:
        position: Its index in the batch, from 0.
        key: The item, as a str.
        error_code: Such as "TIMEOUT" or "NOT_FOUND".
        exception_type: Type name of the exception. None: there was none.
        message: What happened.
    """

    position: int
    key: str
    error_code: str
    exception_type: str | None
    message: str


class FailureTable(list[FailureRow]):
    """The failures of a batch, in order; its str is a table of the first twenty.

    Attributes:
        total: Number of items in the batch.
    """

    def __init__(self, rows: Iterable[FailureRow], total: int) -> None:
        super().__init__(rows)
        self.total = total

    def __str__(self) -> str:
        head = f"{len(self):,} of {self.total:,} failed"
        if not self:
            return head
        cells = [
            (row.key, row.error_code, row.exception_type or "", row.message)
            for row in self[:_MOST_ROWS]
        ]
        names = ("key", "error_code", "exception_type", "message")
        lines = aligned([names, *(tuple(map(_short, row)) for row in cells)], left=len(names))
        if len(self) > _MOST_ROWS:
            lines.append(f"... and {len(self) - _MOST_ROWS:,} more")
        return "\n".join([head, *lines])


def failure_table(results: Iterable[Success[Any] | Failure]) -> FailureTable:
    """Return what failed in a batch.

    Args:
        results: What `Pool.map_results` or pywats' `parallel_execute` returned.

    Returns:
        A list of a `FailureRow` for each `Failure`; empty if all succeeded. `print` shows it as a
        table, and `pandas.DataFrame` takes it as it is.
    """
    found = list(results)
    rows = (_row(index, each) for index, each in enumerate(found) if each.is_failure)
    return FailureTable(rows, len(found))


def _row(index: int, failure: Any) -> FailureRow:
    details = failure.details
    return FailureRow(
        position=details.get("index", index),
        key=str(details.get("key", "")),
        error_code=failure.error_code,
        exception_type=details.get("exception_type"),
        message=failure.message,
    )


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."
