"""Items of a queue as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from pywats_green.cli.console import plain
from pywats_green.cli.tables import Cell, Column, print_table
from pywats_green.queue.folder.inspection import STATES, QueueItem

_LONGEST_ERROR = 70
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_MANY = 2  # a unit is used from this many on


def span(seconds: float) -> str:
    """Return a readable duration: "90 s", "3 min"."""
    for size, name in _UNITS:
        if seconds >= _MANY * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def due_text(state: str, due_in: float) -> str | None:
    """Return when an item may be sent. None: it is not waiting."""
    if state != "waiting":
        return None
    return span(due_in) if due_in > 0 else "now"


_COLUMNS = (
    Column("ID"),
    Column("STATE"),
    Column("PRIORITY", right=True, dropped=1),
    Column("ATTEMPTS", right=True, dropped=3),
    Column("AGE", right=True, dropped=5),
    Column("DUE IN", right=True, dropped=4),
    Column("SIZE", right=True, dropped=2),
    Column("LAST ERROR", wraps=True),
)


def print_items(console: Console, items: Sequence[QueueItem]) -> None:
    """Print a row per item, and a line with the totals."""
    if not items:
        print("no items")
        return
    print_table(console, _COLUMNS, [_row(item) for item in items])
    counts = Counter(item.state for item in items)
    print("\n" + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))


def _row(item: QueueItem) -> tuple[Cell, ...]:
    return (
        plain(item.item_id),
        Text(item.state, "red" if item.state == "quarantined" else ""),
        str(item.priority),
        str(item.attempts),
        span(item.age),
        due_text(item.state, item.due_in) or "-",
        decimal(item.size),
        _shortened(item.last_error or ""),
    )


def _shortened(text: str) -> str:
    line = plain(text)
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 3] + "..."


def as_dict(item: QueueItem) -> dict[str, Any]:
    """Return the fields of an item for JSON."""
    return {
        "id": item.item_id,
        "state": item.state,
        "priority": item.priority,
        "attempts": item.attempts,
        "age": round(item.age, 3),
        "since": round(item.since, 3),
        "due_in": round(item.due_in, 3),
        "size": item.size,
        "owner": item.owner,
        "last_error": item.last_error,
        "name": item.name,
        "path": str(item.path),
    }


def print_page(console: Console, shown: Mapping[str, Any]) -> None:
    """Print everything about an item: a line per field, then the report.

    Args:
        console: Where.
        shown: What `FolderQueue.show` returned.
    """
    fields = {
        "id": shown["item_id"],
        "state": shown["state"],
        "priority": shown["priority"],
        "attempts": shown["attempts"],
        "age": span(shown["age"]),
        "due in": due_text(shown["state"], shown["due_in"]),
        "size": decimal(shown["size"]),
        "claimed by": shown["owner"],
        "reason": shown["reason"],
        "file": shown["path"],
    }
    print_table(
        console,
        (Column(""), Column("", wraps=True)),
        [(name, plain(value)) for name, value in fields.items() if value is not None],
    )
    body = shown["body"]
    print("\n" + ("the report cannot be read" if body is None else json.dumps(body, indent=2)))
