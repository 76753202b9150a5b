"""Carries contextvars into greenlets, which otherwise start with an empty context."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TypeAlias

from greenlet import greenlet

Annotator: TypeAlias = Callable[[Context], object]

annotators: tuple[Annotator, ...] = ()


def annotate_with(annotator: Annotator) -> Callable[[], None]:
    """Have a function called with each context that is captured, to note something in it.

    Args:
        annotator: Called in the greenlet of the capture. It must be quick and must not block.

    Returns:
        A function that ends it; called again, it does nothing.
    """
    global annotators  # noqa: PLW0603  # with `cancel` the one place that writes it

    def annotate(captured: Context) -> object:
        return annotator(captured)

    def cancel() -> None:
        global annotators  # noqa: PLW0603
        annotators = tuple(other for other in annotators if other is not annotate)

    annotators = (*annotators, annotate)  # `annotate`, because one function may be given twice
    return cancel


def capture() -> Context:
    """Copy the context of a Pool call, for `carry`."""
    captured = copy_context()
    for annotate in annotators:
        annotate(captured)
    return captured


def carry(target: greenlet, captured: Context) -> None:
    """Give a greenlet that has not started its own copy of a context.

    Args:
        target: The greenlet; what it sets later stays its own.
        captured: The context to copy, from `capture` or `contextvars.copy_context()`.
    """
    target.gr_context = captured.copy()
