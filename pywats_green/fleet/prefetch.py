"""How many slots to reserve before a call waits for them."""

from __future__ import annotations

_MOST = 20
_BUSY = 0.1  # seconds between two requests to the server, at most, while many calls come


class Prefetch:
    """Reserves twice as many slots as were taken just now, while the limit is not short.

    Attributes:
        is_on: Whether slots are reserved ahead: the server is asked as soon as none is left.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._taken = 0

    def count(self, taken: int, since: float, *, is_plenty: bool) -> int:
        """Return how many slots to reserve ahead.

        Args:
            taken: How many were taken in all.
            since: Seconds since the last request to the server.
            is_plenty: Whether more than half of the limit is free.
        """
        ahead = min(2 * (taken - self._taken), _MOST)
        self._taken = taken
        self.is_on = since < _BUSY and is_plenty and ahead > 0
        return ahead if self.is_on else 0
