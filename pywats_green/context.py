"""Carries contextvars into greenlets, which otherwise start with an empty context."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TypeAlias

from greenlet import greenlet

Annotator: TypeAlias = Callable[[Context], object]

annotators: tuple[Annotator, ...] = ()


def annotate_with(annotator: Annotator) -> Callable[[], None]:
    """Call a function with each captured context, so that it can set variables in it.

    Args:
        annotator: Called in the capturing greenlet. Must be fast and must not block.

    Returns:
        A function that cancels this; calling it again has no effect.
    """
    global annotators  # noqa: PLW0603  # only written here and in `cancel`

    def annotate(captured: Context) -> object:
        return annotator(captured)

    def cancel() -> None:
        global annotators  # noqa: PLW0603
        annotators = tuple(other for other in annotators if other is not annotate)

    annotators = (*annotators, annotate)  # not `annotator`, which may be passed twice
    return cancel


def capture() -> Context:
    """Copy the current context, for `carry`."""
    captured = copy_context()
    for annotate in annotators:
        annotate(captured)
    return captured


def carry(target: greenlet, captured: Context) -> None:
    """Give a greenlet that has not started its own copy of a context.

    Args:
        target: The greenlet; variables it sets do not affect others.
        captured: The context to copy, from `capture` or `contextvars.copy_context()`.
    """
    target.gr_context = captured.copy()
