"""What a folder remembers for those who drain it, and whose fault a failure was, on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.source import DrainState

FILE = ".gate.json"


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    return FolderQueue(tmp_path, clock=lambda: 5000.0)


def _names(queue: FolderQueue) -> set[str]:
    return {path.name for path in queue.path.iterdir() if path.is_file()}


def test_nothing_is_remembered_at_first(queue: FolderQueue) -> None:
    assert queue.recall() is None
    assert queue.last_closure() is None
    queue.remember(None)
    assert _names(queue) == set()


def test_another_process_finds_it(queue: FolderQueue) -> None:
    state = DrainState(receipts=3, pardoned=2, failures=9, cause="the server failed (HTTP 500)")
    queue.remember(state)
    other = FolderQueue(queue.path)
    assert other.recall() == state
    assert other.last_closure() == ("the server failed (HTTP 500)", 5000.0)
    other.remember(state._replace(failures=10))
    assert queue.recall() == state._replace(failures=10)
    assert queue.last_closure() == ("the server failed (HTTP 500)", 5000.0)  # since it closed first
    other.remember(state._replace(cause=None))
    assert queue.recall() == state._replace(cause=None)
    assert queue.last_closure() is None
    other.remember(None)
    assert queue.recall() is None
    assert _names(queue) == set()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"receipts": 1}', '{"receipts": "x"}', "[" * 9999]
)
def test_a_damaged_file_is_as_none(queue: FolderQueue, text: str) -> None:
    (queue.path / FILE).write_text(text)
    assert queue.recall() is None
    assert queue.last_closure() is None
    queue.remember(DrainState(receipts=1))
    assert queue.recall() == DrainState(receipts=1)


def test_it_is_no_item(queue: FolderQueue) -> None:
    queue.remember(DrainState(cause="away"))
    assert queue.list() == []
    assert queue.claim() is None
    queue.close()
    assert FILE in _names(queue)


def test_a_folder_that_cannot_be_written_ends_no_drain(
    queue: FolderQueue, caplog: pytest.LogCaptureFixture
) -> None:
    (queue.path / FILE).mkdir()
    queue.remember(DrainState(cause="away"))
    assert "why reports wait" in caplog.text
    assert queue.recall() is None


def _postponed(queue: FolderQueue, **changes: Any) -> None:
    claim = queue.claim()
    assert claim is not None
    claim.postpone(**{"error": "HTTP 500", "delay": 0.0, "attempts": 1, "failed_at": 4, **changes})


def test_a_failure_is_kept_with_its_report(queue: FolderQueue) -> None:
    queue.put({"id": "a"})
    _postponed(queue)
    queue.close()
    again = FolderQueue(queue.path)
    claim = again.claim()
    assert claim is not None
    assert (claim.attempts, claim.failed_at, claim.last_error) == (1, 4, "HTTP 500")
    claim.release()  # changes nothing
    claim = again.claim()
    assert claim is not None
    assert (claim.attempts, claim.failed_at) == (1, 4)
    claim.retry("cannot be read", 0.0)
    claim = again.claim()
    assert claim is not None
    assert (claim.attempts, claim.failed_at) == (2, None)
    again.close()


@pytest.mark.parametrize(
    ("state", "attempts"),
    [
        (None, 1),
        (DrainState(receipts=4), 1),
        (DrainState(receipts=5), 2),
        (DrainState(receipts=5, pardoned=4), 2),
        (DrainState(receipts=5, pardoned=5), 1),
    ],
)
def test_attempts_are_shown_as_they_count(
    queue: FolderQueue, state: DrainState | None, attempts: int
) -> None:
    queue.put({"id": "a"})
    _postponed(queue)
    queue.remember(state)
    [item] = queue.list()
    assert (item.attempts, item.last_error) == (attempts, "HTTP 500")


def test_a_probe_is_one_that_did_not_fail_then_the_one_that_failed_first(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, clock=lambda: 5000.0)  # a clock that stands still
    for name in "abc":
        queue.put({"id": name})
    _postponed(queue)  # a
    _postponed(queue)  # again
    claim = queue.claim(probe=True)
    assert claim is not None
    assert claim.item_id == "b"
    claim.postpone("HTTP 500", 0.0, 0, None)
    queue.close()
    for other in (queue, FolderQueue(tmp_path)):  # the order is on disk
        taken = []
        while (claim := other.claim(probe=True)) is not None:
            taken.append(claim)
        assert [each.item_id for each in taken] == ["c", "a", "b"]
        other.close()
    claim = queue.claim()
    assert claim is not None
    assert claim.item_id == "a"  # but for probes, the order is what it was
    queue.close()


def test_a_probe_that_is_not_due_or_not_its_groups_turn_is_none(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    queue.put({"id": "a", "sn": "1"})
    queue.put({"id": "b", "sn": "1"})
    queue.put({"id": "c", "sn": "2"})
    _postponed(queue)  # a, which b waits for
    _postponed(queue, delay=60.0)  # again
    claim = queue.claim(probe=True)
    assert claim is not None
    assert claim.item_id == "c"
    assert queue.claim(probe=True) is None
    queue.close()


def test_a_requeued_report_begins_anew(queue: FolderQueue) -> None:
    queue.put({"id": "a"})
    _postponed(queue, attempts=4)
    queue.requeue("a")
    claim = queue.claim()
    assert claim is not None
    assert (claim.attempts, claim.failed_at) == (0, None)
    queue.close()


def test_upstream_reads_the_sidecar(queue: FolderQueue) -> None:
    (queue.path / "r.pending.wsjf").write_text('{"id": "r"}')
    queue.refresh()
    _postponed(queue)
    told = json.loads((queue.path / "r.pending.meta.json").read_text())
    assert (told["attempts"], told["status"], told["failed_at"]) == (1, "pending", 4)
    assert told["failed_when"] == 5000.0


def test_a_probe_is_none_that_failed_elsewhere(tmp_path: Path) -> None:
    """Another process has tried it since this one has looked into the folder."""
    mine, other = (FolderQueue(tmp_path, scan_interval=3600.0) for _ in range(2))
    for name in "ab":
        mine.put({"id": name})
    other.refresh()
    _postponed(other)  # a
    claim = mine.claim(probe=True)
    assert claim is not None
    assert claim.item_id == "b"
    again = mine.claim(probe=True)  # now it is the only one that is due
    assert again is not None
    assert (again.item_id, again.attempts) == ("a", 1)
    mine.close()
    other.close()
