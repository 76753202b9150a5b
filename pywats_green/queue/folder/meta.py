"""The sidecar of a report: attempts, due time, last error. Losing it loses no report.

It is upstream's `.meta.json` with five more fields, so both sides see each other's attempts and
priorities.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pywats_green.queue.folder.files import write_small


@dataclass(slots=True)
class Meta:
    """What is stored about an item besides its name.

    Attributes:
        attempts: Attempts counted so far.
        last_error: The error of the last attempt; None: there is none.
        due_at: When it may be sent again, in seconds since the epoch. 0: at once.
        failed_at: The receipts at the last failure, if it is not known yet whose fault that was.
            None: it is known, or there was no failure.
        failed_when: When it last failed, in seconds since the epoch: probes are taken in
            this order. 0: not since it was put.
        killed: How many times in a row its sending ended with its process. Above 0 it is sent after
            all others, and alone.
        delay: The delay chosen, in seconds: an upper bound for the wait, however the clock jumps.
        priority: 1 is sent before 10. None: not in the file.
        created: Seconds since the epoch. None: not in the file.
        moved: When it was quarantined, in seconds since the epoch. None: it is not, or not known.
        other: Fields of upstream's that are not used here, but kept.
    """

    attempts: int = 0
    last_error: str | None = None
    due_at: float = 0.0
    failed_at: int | None = None
    failed_when: float = 0.0
    killed: int = 0
    delay: float = 0.0
    priority: int | None = None
    created: float | None = None
    moved: float | None = None
    other: dict[str, Any] = field(default_factory=dict)

    def wait(self, now: float) -> float:
        """Return the seconds until the item is due; 0: it is.

        Args:
            now: Seconds since the epoch.
        """
        return max(0.0, min(self.due_at - now, self.delay))


def read_meta(path: Path) -> Meta | None:
    """Read a sidecar; None: there is none. A damaged one counts as empty.

    Raises:
        OSError: It could not be read at the moment.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return Meta()
    if not isinstance(values, dict):
        return Meta()
    error = values.get("last_error")
    return Meta(
        attempts=int(_number(values.get("attempts"))),
        last_error=error if isinstance(error, str) else None,
        due_at=_number(values.get("due_at")),
        failed_at=int(_number(values["failed_at"]))
        if values.get("failed_at") is not None
        else None,
        failed_when=_number(values.get("failed_when")),
        killed=int(_number(values.get("killed"))),
        delay=_number(values.get("delay")),
        priority=min(99, int(_number(values["priority"]))) if "priority" in values else None,
        created=moment(values.get("created_at")),
        other=values,
    )


def glance_at_meta(path: Path) -> Meta | None:
    """Read a sidecar for a list; one that cannot be read at the moment counts as empty."""
    try:
        return read_meta(path)
    except OSError:
        return Meta()


def write_meta(path: Path, item_id: str, priority: int, meta: Meta) -> None:
    """Write a sidecar atomically.

    Raises:
        OSError: It could not be written.
    """
    values = {
        "id": item_id,
        **meta.other,
        "priority": priority,
        "status": "pending",
        "updated_at": datetime.now(timezone.utc).isoformat(),
        "attempts": meta.attempts,
        "last_error": meta.last_error,
        "due_at": meta.due_at,
        "failed_at": meta.failed_at,
        "failed_when": meta.failed_when,
        "killed": meta.killed,
        "delay": meta.delay,
    }
    write_small(path, json.dumps(values).encode("ascii"))


def _number(value: object) -> float:
    """Return a finite number of at least 0, whatever the file holds."""
    if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return 0.0
    return float(value)


def moment(value: object) -> float | None:
    """Return seconds since the epoch. Upstream writes local time without a zone."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
