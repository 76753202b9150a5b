"""What a batcher must be told about the look-ups that it gathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Key = tuple[str, ...]
"""What a look-up asks for: one text, or two where the thing has two keys."""


class QueryRefusedError(Exception):
    """The server refused a query as such (400): it may be too large for it."""


class Source(Protocol):
    """One kind of look-up of one client."""

    @property
    def room(self) -> int:
        """Characters that the keys of one query may take."""

    def size(self, key: Key) -> int:
        """Characters that a key takes in a query."""

    def query(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """Ask for several keys at once. May block.

        Returns:
            What was found without doubt.

        Raises:
            QueryRefusedError: It was refused as such.
            Exception: It failed.
        """

    def fullness(self, found: Any) -> int:
        """How much there is in what a query found: the more, the better it can be compared."""

    def compare(self, single: Any, found: Any) -> bool | None:
        """Tell whether a query found what the single call gave.

        Returns:
            None where the comparison says nothing: the single call found nothing, or so little
            that a query which leaves things out would look the same.
        """

    def exists(self, single: Any) -> bool:
        """Tell whether the single call found something."""

    def answer(self, found: Any) -> Any:
        """Make what the single call would give, an object of its own at each call."""
