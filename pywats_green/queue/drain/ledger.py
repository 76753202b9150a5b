"""Whose fault a failure was: the report's, or the server's, which every report would meet."""

from __future__ import annotations

from typing import NamedTuple

from pywats_green.queue.source import Claim, DrainState, Source, is_proven


class Standing(NamedTuple):
    """Where the ledger stood when a report was taken.

    Attributes:
        failures: The failures noted by then.
        receipts: The receipts noted by then.
    """

    failures: int
    receipts: int


class Ledger:
    """Decides which failures count against a report.

    A failure counts only once another report has got through after it. So a report that failed is
    marked with the number of receipts at that time, and once the ledger has more, the failure
    counts. Only the first receipt after a failure is noted, so a healthy queue costs nothing.

    If the probe that follows, another report, fails as well, the server is at fault: all failures
    since the last receipt, and until the next, are pardoned.

    The numbers only grow, and are kept on disk if the queue is (`Source.remember`). Whatever is
    lost between two processes, or with one of them, makes a failure count later or not at all.

    Args:
        source: The queue that keeps the numbers.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._receipts = self._pardoned = self._failures = 0
        self._failures_at_receipt = 0  # at the last noted one
        self._doubted: set[str] = set()  # the reports that failed since, in this process
        self._has_unknown = False  # whether others did, elsewhere
        self._written = DrainState()

    def open(self) -> str | None:
        """Read what is kept; return why the gate was last left closed. None: it was not."""
        state = self._source.recall()
        if state is None:
            return None
        self._adopt(state)
        return state.cause

    def standing(self) -> Standing:
        """Return the standing for a report that is taken now."""
        return Standing(self._failures, self._receipts)

    def is_confirmed(self, claim: Claim) -> bool:
        """Return whether a report's last failure counts and has not been counted yet."""
        return is_proven(claim.failed_at, self._state(None))

    def attempts_of(self, claim: Claim) -> int:
        """Return the attempts that count against a report."""
        return claim.attempts + self.is_confirmed(claim)

    def note_failure(self, claim: Claim, standing: Standing, *, is_probe: bool) -> int:
        """Note a failure that may be the report's.

        Returns:
            The report's new `failed_at`.
        """
        self._refresh()
        self._failures += 1
        if standing.receipts < self._pardoned:
            return standing.receipts  # sent while the server was at fault
        others = self._doubted - {claim.item_id}
        if is_probe and (others or (self._has_unknown and claim.failed_at is None)):
            self.pardon()
        else:
            self._doubted.add(claim.item_id)
        return self._receipts

    def is_pardoned(self, failed_at: int) -> bool:
        """Return whether a failure was the server's fault."""
        return failed_at < self._pardoned

    @property
    def is_undecided(self) -> bool:
        """Whether reports have failed and no other has shown yet whose fault it was."""
        return bool(self._doubted or self._has_unknown) and self._pardoned <= self._receipts

    def pardon(self) -> None:
        """Blame the server for the failures since the last receipt and until the next."""
        self._failures += 1  # so that only a report taken from now on can end it
        self._pardoned = self._receipts + 1
        self._doubted.clear()
        self._has_unknown = False

    def note_receipt(self, standing: Standing) -> None:
        """Note that a report has got through."""
        self._refresh()
        if standing.failures > self._failures_at_receipt:
            self._failures_at_receipt = self._failures
            self._receipts += 1
            self._doubted.clear()
            self._has_unknown = False

    def keep(self, cause: str | None) -> None:
        """Have the queue keep the numbers and the cause, if anything changed.

        Args:
            cause: Why the gate is closed. None: it is open.
        """
        state = self._state(cause)
        if state != self._written:
            self._written = state
            self._source.remember(None if state == DrainState() else state)

    def forget(self) -> None:
        """Start afresh, because no report is left."""
        if self._written != DrainState():
            self._source.remember(None)
        self._receipts = self._pardoned = self._failures = self._failures_at_receipt = 0
        self._doubted.clear()
        self._has_unknown = False
        self._written = DrainState()

    def _state(self, cause: str | None) -> DrainState:
        return DrainState(self._receipts, self._pardoned, self._failures, cause)

    def _refresh(self) -> None:
        """Adopt what other processes have noted meanwhile."""
        state = self._source.recall()
        if state is not None and state != self._written:
            self._adopt(state)

    def _adopt(self, state: DrainState) -> None:
        self._written = state
        self._receipts = max(self._receipts, state.receipts)
        self._pardoned = max(self._pardoned, state.pardoned)
        if state.failures > self._failures:
            self._failures = state.failures
            self._failures_at_receipt = min(self._failures_at_receipt, state.failures - 1)
            self._has_unknown = True
