"""What the findings ask of those who know pywats."""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple, Protocol

from pywats_green.profiler.call import Call


class BatchAdvice(NamedTuple):
    """How look-ups can be asked for together.

    Attributes:
        limit: How many fit into one query.
        code: The call to use instead.
    """

    limit: int
    code: str


class Adviser(Protocol):
    """Knows pywats: its routes, its methods, and what to call instead."""

    def route_of(self, endpoint: str) -> str:
        """Return the route template of a path."""

    def name_of(self, service: CodeType) -> str:
        """Name a method, such as "api.product.get_product"; one that users cannot call, bare."""

    def is_write(self, call: Call) -> bool:
        """Tell whether a call may have changed what others read."""

    def can_fan_out(self, call: Call) -> bool:
        """Tell whether such calls can be made side by side: not by a method that makes several."""

    def batch(self, calls: list[Call]) -> BatchAdvice | None:
        """Say how calls of one route can be asked for together; None: not at all."""

    def fan_out(self, calls: list[Call]) -> str:
        """Say how to make calls from one place side by side."""

    def once(self, call: Call) -> str:
        """Say how to make a call once, where it is made again and again."""
