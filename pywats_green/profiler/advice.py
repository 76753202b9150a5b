"""The interface through which findings use knowledge of pywats."""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple, Protocol

from pywats_green.profiler.call import Call


class BatchAdvice(NamedTuple):
    """How look-ups can be batched.

    Attributes:
        limit: Maximum per query.
        code: The call to use instead.
    """

    limit: int
    code: str


class Adviser(Protocol):
    """Knows pywats' routes, its methods, and what to call instead."""

    def route_of(self, endpoint: str) -> str:
        """Return the route template of a path."""

    def name_of(self, service: CodeType) -> str:
        """Return a name such as "api.product.get_product"; a bare one for internal methods."""

    def is_write(self, call: Call) -> bool:
        """Return whether a call may have changed what others read."""

    def can_fan_out(self, call: Call) -> bool:
        """Return whether such calls can run concurrently: not if one method makes several."""

    def batch(self, calls: list[Call]) -> BatchAdvice | None:
        """Return how to batch calls of one route. None: they cannot be batched."""

    def fan_out(self, calls: list[Call]) -> str:
        """Return the code to run calls from one place concurrently."""

    def once(self, call: Call) -> str:
        """Return the code to make a repeated call only once."""
