"""Whose fault a failure was: the report's, or that of the server, which all would have met."""

from __future__ import annotations

from typing import NamedTuple

from pywats_green.queue.source import Claim, Memory, Source, is_proven


class Standing(NamedTuple):
    """Where the ledger stood when a report was taken.

    Attributes:
        failures: The failures noted until then.
        receipts: The receipts noted until then.
    """

    failures: int
    receipts: int


class Ledger:
    """Tells which failures count against a report.

    A failure counts only when another report got through after it. So each report that failed
    bears the number of receipts at that time, and once the ledger has seen more, the failure
    counts. Only one receipt after each failure is noted, so a healthy queue costs nothing.

    Where the probe that follows, another report, fails as well, the server is at fault: all
    failures since the last receipt are pardoned, and so are those until the next.

    Both numbers only grow, and are on disk where the queue is (`Source.remember`). Whatever gets
    lost between two processes, or with one of them, makes a failure count later or not at all.

    Args:
        source: The queue that remembers.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._receipts = self._pardoned = self._failures = 0
        self._witnessed = 0  # the failures at the last receipt that was noted
        self._doubted: set[str] = set()  # who failed since, as far as is known here
        self._has_unknown = False  # and whether others did
        self._written = Memory()

    def open(self) -> str | None:
        """Read what was remembered; return why the gate was closed last. None: it was not."""
        memory = self._source.recall()
        if memory is None:
            return None
        self._adopt(memory)
        return memory.cause

    def standing(self) -> Standing:
        """Return where it stands, for a report that is taken now."""
        return Standing(self._failures, self._receipts)

    def is_confirmed(self, claim: Claim) -> bool:
        """Tell whether the last failure of a report counts, and was not counted before."""
        return is_proven(claim.failed_at, self._memory(None))

    def attempts_of(self, claim: Claim) -> int:
        """Return the attempts that count against a report."""
        return claim.attempts + self.is_confirmed(claim)

    def note_failure(self, claim: Claim, standing: Standing, *, is_probe: bool) -> int:
        """Note a failure that may be the report's.

        Returns:
            What the report is to bear as `failed_at`.
        """
        self._refresh()
        self._failures += 1
        if standing.receipts < self._pardoned:
            return standing.receipts  # it was sent while the server was at fault
        others = self._doubted - {claim.item_id}
        if is_probe and (others or (self._has_unknown and claim.failed_at is None)):
            self.pardon()
        else:
            self._doubted.add(claim.item_id)
        return self._receipts

    def is_pardoned(self, failed_at: int) -> bool:
        """Tell whether a failure was the server's fault."""
        return failed_at < self._pardoned

    @property
    def is_undecided(self) -> bool:
        """Whether reports failed, and no other has told yet whose fault it was."""
        return bool(self._doubted or self._has_unknown) and self._pardoned <= self._receipts

    def pardon(self) -> None:
        """Put the failures since the last receipt, and until the next, down to the server."""
        self._failures += 1  # so that only a report that is taken from now on ends it
        self._pardoned = self._receipts + 1
        self._doubted.clear()
        self._has_unknown = False

    def note_receipt(self, standing: Standing) -> None:
        """Note that a report got through."""
        self._refresh()
        if standing.failures > self._witnessed:
            self._witnessed = self._failures
            self._receipts += 1
            self._doubted.clear()
            self._has_unknown = False

    def keep(self, cause: str | None) -> None:
        """Have the queue remember, if something changed.

        Args:
            cause: Why the gate is closed; None: it is open.
        """
        memory = self._memory(cause)
        if memory != self._written:
            self._written = memory
            self._source.remember(None if memory == Memory() else memory)

    def forget(self) -> None:
        """Begin anew: no report is left that anything could be held against."""
        if self._written != Memory():
            self._source.remember(None)
        self._receipts = self._pardoned = self._failures = self._witnessed = 0
        self._doubted.clear()
        self._has_unknown = False
        self._written = Memory()

    def _memory(self, cause: str | None) -> Memory:
        return Memory(self._receipts, self._pardoned, self._failures, cause)

    def _refresh(self) -> None:
        """Adopt what other processes have noted meanwhile."""
        memory = self._source.recall()
        if memory is not None and memory != self._written:
            self._adopt(memory)

    def _adopt(self, memory: Memory) -> None:
        self._written = memory
        self._receipts = max(self._receipts, memory.receipts)
        self._pardoned = max(self._pardoned, memory.pardoned)
        if memory.failures > self._failures:
            self._failures = memory.failures
            self._witnessed = min(self._witnessed, memory.failures - 1)
            self._has_unknown = True
