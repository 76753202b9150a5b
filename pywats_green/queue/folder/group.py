"""Which group a report is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pywats_green.queue.folder.body import Document

OrderBy: TypeAlias = "str | Callable[[Document], object] | None"
Grouping: TypeAlias = "Callable[[Document], object]"


def grouping(order_by: OrderBy) -> Grouping | None:
    """Return the function that tells the group of a report; None: there are no groups.

    Args:
        order_by: A field, a function, or None.
    """
    if isinstance(order_by, str):
        field = order_by
        return lambda document: document.get(field)
    return order_by
