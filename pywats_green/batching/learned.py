"""What a client has learned about a route: how many keys a query may have, and if it is proven."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pywats_green.admission_time import AdmissionTime

logger = logging.getLogger("pywats_green.batching")

# After `_PATIENCE` useless queries in a row, a route is not batched for `_REST` seconds: not every
# look-up should cost two requests, but one bad hour should not last for ever.
_PATIENCE = 2
_REST = 300.0

FEWEST = 2
"""The fewest keys worth a query."""


class Learned:
    """What a client has learned about a route.

    Args:
        name: Name of the route, for the log.
        limit: Initial maximum of keys per query.
        clock: Monotonic clock, in seconds.

    Attributes:
        limit: Maximum keys per query.
        is_proven: Whether a query has returned the same as the single call.
        is_being_proven: Whether the proving query is in flight; others wait for it.
        admission: While a query waits for admission, so does everyone waiting for one.
    """

    def __init__(
        self, name: str, limit: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.is_proven = False
        self.is_being_proven = False
        self._first_limit = limit
        self._name = name
        self._clock = clock
        self._is_refuted = False
        self._useless = 0
        self._rests_until: float | None = None
        self._has_warned = False
        self._deferred: dict[Callable[[], None], None] = {}
        self.admission = AdmissionTime()

    def allows(self, most: int | None) -> int:
        """Return how many keys a query may have now, at most `most`. Below 2: do not batch."""
        if self._is_refuted:
            return 0
        if self._rests_until is not None:
            if self._clock() < self._rests_until:
                return 0
            self._rests_until = None
        return self.limit if most is None else min(self.limit, most)

    def after_proof(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` once the proof in flight has ended."""
        self._deferred[go_on] = None

    def end_proof(self) -> None:
        """Record that the proving query has ended, successfully or not."""
        self.is_being_proven = False
        deferred, self._deferred = self._deferred, {}
        for go_on in deferred:
            go_on()

    def refute(self) -> None:
        """Record that a query disagreed with the single call: never batch this route again."""
        self._is_refuted = True
        self._warn("its query returns other JSON than the single call")

    def refused(self, keys: int) -> None:
        """Record that the server refused a query with this many keys."""
        # Based on `keys`, so that several refusals in flight halve the limit only once.
        self.limit = min(self.limit, max(keys // 2, 1))
        if self.limit < FEWEST:
            # So size was not the reason; perhaps a single key was.
            self.limit = self._first_limit
            self._rest("the server refuses its queries")

    def judge(self, answered: int, missed: int) -> None:
        """Record how useful a query was.

        Args:
            answered: Look-ups it answered.
            missed: Look-ups it did not answer but the single call did.
        """
        if answered and answered >= missed:
            self._useless = 0
        elif missed > answered:
            self._useless += 1
            if self._useless >= _PATIENCE:
                self._useless = 0
                self._rest("its queries answer too little")

    def _rest(self, reason: str) -> None:
        self._rests_until = self._clock() + _REST
        self._warn(f"{reason}; next try in {_REST:.0f} s")

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s is not batched: %s", self._name, reason)
