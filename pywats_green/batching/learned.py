"""What one client has learned of one route: how much a query may hold, and whether to trust it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pywats_green.admission_time import AdmissionTime

logger = logging.getLogger("pywats_green.batching")

# After so many queries in a row that were of little use, a route rests for so many seconds: a
# server that cannot do better is not asked twice for everything, and one bad hour is not for ever.
_PATIENCE = 2
_REST = 300.0

_PAIR = 2  # keys that are worth a query


class Learned:
    """What one client has learned of one route.

    Args:
        name: Of the route, for the log.
        limit: Keys in one query at first.
        clock: In seconds.

    Attributes:
        limit: Keys that one query may have.
        is_proven: A query gave what the single call gave.
        is_being_proven: A query is on its way that shall prove it; the others wait for it.
        admission: While a query waits to be admitted, all who wait for one do.
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
        """Return how many keys a query may have now, within a bound; less than 2: do not batch."""
        if self._is_refuted:
            return 0
        if self._rests_until is not None:
            if self._clock() < self._rests_until:
                return 0
            self._rests_until = None
        return self.limit if most is None else min(self.limit, most)

    def after_proof(self, go_on: Callable[[], None]) -> None:
        """Have `go_on` called, once, when the proof that is on its way has ended."""
        self._deferred[go_on] = None

    def end_proof(self) -> None:
        """The query that was to prove the route has ended, whether or not it did."""
        self.is_being_proven = False
        deferred, self._deferred = self._deferred, {}
        for go_on in deferred:
            go_on()

    def refute(self) -> None:
        """A query gave something else than the single call: never batch this route."""
        self._is_refuted = True
        self._warn("its query returns other JSON than the single call")

    def refused(self, keys: int) -> None:
        """A query of so many keys was refused as such."""
        # Of several that were under way at once, each would halve it; they say the same.
        self.limit = min(self.limit, max(keys // 2, 1))
        if self.limit < _PAIR:
            # Not for its size then, and maybe for one key that it cannot stand.
            self.limit = self._first_limit
            self._rest("the server refuses its queries")

    def judge(self, answered: int, missed: int) -> None:
        """Take note of how useful a query was.

        Args:
            answered: Look-ups that it answered.
            missed: Those that it left unanswered and that the single call then answered.
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
