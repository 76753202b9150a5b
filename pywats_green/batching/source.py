"""The interface through which a batcher makes its queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Key = tuple[str, ...]
"""The key of a look-up: one string, or two for a key with two parts."""


class QueryRefusedError(Exception):
    """The server refused a query (400), perhaps because it is too large."""


class Source(Protocol):
    """One kind of look-up by one client."""

    @property
    def room(self) -> int:
        """Characters available for the keys of one query."""

    def size(self, key: Key) -> int:
        """Return how many characters a key takes in a query."""

    def query(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """Query several keys. May block.

        Returns:
            By key, what was found unambiguously.

        Raises:
            QueryRefusedError: The server refused the query.
            Exception: The query failed.
        """

    def fullness(self, found: Any) -> int:
        """Return how much data a result has: the more, the better the comparison."""

    def compare(self, single: Any, found: Any) -> bool | None:
        """Return whether a query found what the single call returned.

        Returns:
            None if inconclusive: the single call found nothing, or so little that a query with
            missing data would look the same.
        """

    def exists(self, single: Any) -> bool:
        """Return whether the single call found something."""

    def answer(self, found: Any) -> Any:
        """Return what the single call would return; a new object on each call."""
