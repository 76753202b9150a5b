"""Errors, and what they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def noted(exc: E, note: str) -> E:
    """Let a traceback show one more line below an error, whose text stays; from Python 3.11 on.

    Args:
        exc: The error.
        note: The line. Empty: none.

    Returns:
        The error.
    """
    if note and hasattr(exc, "add_note"):
        exc.add_note(note)
    return exc


def causes(exc: BaseException, *, contexts: bool = False) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, down to the first.

    Args:
        exc: The error.
        contexts: Where nothing is said about that, follow what was being handled.
    """
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        following = current.__cause__
        if following is None and contexts and not current.__suppress_context__:
            following = current.__context__
        current = following


def everything_behind(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it refers to, also what a traceback would not show."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [exc]
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__]
