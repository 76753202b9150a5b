"""Carries contextvars into greenlets, which otherwise start with an empty context."""

from __future__ import annotations

from contextvars import Context

from greenlet import greenlet


def carry(target: greenlet, captured: Context) -> None:
    """Give a greenlet that has not started its own copy of a context.

    Args:
        target: The greenlet; what it sets later stays its own.
        captured: The context to copy, from `contextvars.copy_context()`.
    """
    target.gr_context = captured.copy()
