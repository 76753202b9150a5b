"""The rows of a table of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MISSING = "00000000-0000-4000-8000-00000000dead"
"""An id that the embedded server does not know."""


def guid(kind: int, number: int) -> str:
    """Return an id of a seeded row; the embedded server's `seed.guid` makes the same."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


@dataclass(frozen=True)
class Kept:
    """A placeholder for the result of an earlier row.

    Attributes:
        path: The name that the row kept it under, then attributes and indexes, by dots.
        changes: Fields to change in a copy of the model found there.
    """

    path: str
    changes: dict[str, Any]


def kept(path: str, **changes: Any) -> Kept:
    """Return a placeholder for the result of an earlier row, or a part of it."""
    return Kept(path, changes)


@dataclass(frozen=True)
class Row:
    """A call of a public method.

    Attributes:
        method: Its name.
        args: Positional arguments; `Kept` ones are filled in, however deep they stand.
        kwargs: Keyword arguments, likewise.
        keep: The name for later rows to find the result under.
    """

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    keep: str | None


def call(method: str, /, *args: Any, keep: str | None = None, **kwargs: Any) -> Row:
    """Make a row, written like the call it describes."""
    return Row(method, args, kwargs, keep)


def fill_in(value: Any, found: dict[str, Any]) -> Any:
    """Return an argument with every `Kept` in it replaced by its value."""
    if isinstance(value, Kept):
        name, *steps = value.path.split(".")
        value_kept = found[name]
        for step in steps:
            is_index = step.lstrip("-").isdigit()
            value_kept = value_kept[int(step)] if is_index else getattr(value_kept, step)
        return value_kept.model_copy(update=value.changes) if value.changes else value_kept
    if isinstance(value, dict):
        return {key: fill_in(item, found) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill_in(item, found) for item in value)
    return value
