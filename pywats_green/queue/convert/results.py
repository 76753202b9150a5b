"""The results of a ConverterPool: of one source file, and of a whole drain or run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pywats_green.queue.convert.child import CONVERTED, SKIPPED

ConversionStatus: TypeAlias = Literal["converted", "skipped", "failed"]


class ConversionResult(NamedTuple):
    """What became of one source file.

    Attributes:
        path: Where the file was.
        status: "converted", "skipped" or "failed".
        item_ids: The ids of its reports in the queue.
        reason: Why it was skipped or failed, in one line; empty if it was converted.
    """

    path: Path
    status: ConversionStatus
    item_ids: tuple[str, ...]
    reason: str


class ConversionSummary(NamedTuple):
    """What a drain or a run did.

    Attributes:
        converted: Files whose reports are in the queue.
        reports: How many reports those were.
        skipped: Files with nothing to report; they are in `done`, too.
        failed: Files that are now in `error`.
        remaining: Files still in the folder.
        elapsed: Seconds from start to end.
        changed: How often a file had changed after it was taken, and so was left or put back to be
            converted again.
    """

    converted: int
    reports: int
    skipped: int
    failed: int
    remaining: int
    elapsed: float
    changed: int


class ConversionCounts:
    """Counts results as they arrive."""

    def __init__(self) -> None:
        self.converted = self.reports = self.skipped = self.failed = self.changed = 0

    @property
    def files(self) -> int:
        """How many files were finished."""
        return self.converted + self.skipped + self.failed

    def add(self, result: ConversionResult) -> None:
        """Count a result."""
        if result.status == CONVERTED:
            self.converted += 1
            self.reports += len(result.item_ids)
        elif result.status == SKIPPED:
            self.skipped += 1
        else:
            self.failed += 1

    def summary(self, remaining: int, elapsed: float) -> ConversionSummary:
        """Return the counts.

        Args:
            remaining: Files still in the folder.
            elapsed: Seconds from start to end.
        """
        return ConversionSummary(
            self.converted,
            self.reports,
            self.skipped,
            self.failed,
            remaining,
            elapsed,
            self.changed,
        )
