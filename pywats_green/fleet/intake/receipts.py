"""Which reports were taken: a station that lost the answer gets the same one again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from gevent.lock import Semaphore

from pywats_green.exceptions import QueueFolderError
from pywats_green.queue.folder.files import off_hub

_BUSY = 5.0  # seconds to wait for one's turn, and for another process of this hub
_PURGE = 600.0  # seconds between two

_TABLE = """
CREATE TABLE IF NOT EXISTS receipts (
    station TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (station, id)
) WITHOUT ROWID
"""


class Receipts:
    """The digests of the reports that were taken, in an SQLite file that processes may share.

    A receipt is written once its report is on disk, without waiting for the disk itself. If a loss
    of power takes it, the report may be taken again, under the same id.

    Args:
        path: The file; it is created if it is missing.
        keep: Seconds for which a receipt is kept.
        clock: Seconds since the epoch.

    Raises:
        QueueFolderError: It cannot be used.
    """

    def __init__(self, path: Path, keep: float, clock: Callable[[], float] = time.time) -> None:
        self._keep = keep
        self._clock = clock
        self._purged_at = clock()
        self._path = path
        self._turn = Semaphore()
        try:
            # Each statement is a transaction, and SQLite itself makes them wait for each other.
            self._file = sqlite3.connect(
                path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(_TABLE)
            self._file.execute("CREATE INDEX IF NOT EXISTS by_age ON receipts (at)")
        except sqlite3.Error as error:
            raise QueueFolderError(f"The receipts {path} cannot be used: {error}") from error

    def find(self, station: str, item_id: str) -> bytes | None:
        """Return the digest of the report that was taken under an id; None: none was.

        Raises:
            QueueFolderError: The file cannot be read at the moment.
        """
        query = "SELECT body FROM receipts WHERE station = ? AND id = ?"
        rows = self._run(lambda: self._file.execute(query, (station, item_id)).fetchall())
        return rows[0][0] if rows else None

    def note(self, station: str, item_id: str, digest: bytes) -> None:
        """Note that a report was taken.

        Raises:
            QueueFolderError: The file cannot be written at the moment.
        """
        now = self._clock()
        query = "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?)"

        def write() -> list[tuple[bytes]]:
            self._file.execute(query, (station, item_id, digest, now))
            if now - self._purged_at >= _PURGE:
                self._purged_at = now
                self._file.execute("DELETE FROM receipts WHERE at < ?", (now - self._keep,))
            return []

        self._run(write)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _run(self, function: Callable[[], list[tuple[bytes]]]) -> list[tuple[bytes]]:
        # SQLite serves one after another. Those who wait for it in threads would keep these from
        # the queue, and their station without an answer.
        if not self._turn.acquire(timeout=_BUSY):
            raise QueueFolderError(f"The receipts {self._path} are busy")
        try:
            return off_hub(function)
        except sqlite3.Error as error:
            raise QueueFolderError(f"The receipts {self._path} cannot be used: {error}") from error
        finally:
            self._turn.release()
