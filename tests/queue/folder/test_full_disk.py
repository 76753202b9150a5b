"""A disk without a byte left: what is there goes out, and makes room for the rest."""

import contextlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from taking import take

from pywats_green.exceptions import QueueFolderError
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.upstream.features.queues.processor import QueueProcessor


@pytest.fixture
def disk(small_disk: Path) -> Path:
    return small_disk


def fill_up(disk: Path) -> Path:
    """Take the last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)
    assert os.statvfs(disk).f_bavail == 0
    return filler


class BadRequestError(Exception):
    """The answer of the server to a bad report."""

    def __init__(self) -> None:
        super().__init__("HTTP 400: bad")
        self.response = SimpleNamespace(status_code=400, text="bad", headers={}, body=b"bad")


def submit(report: dict[str, Any]) -> None:
    if report.get("bad"):
        raise BadRequestError


def reasons(folder: Path) -> list[str]:
    found = (folder / "quarantine").glob("*.reason.json")
    return [json.loads(path.read_bytes())["reason"] for path in found]


def put(queue: FolderQueue, count: int, **fields: Any) -> None:
    for number in range(count):
        queue.put({"n": number, "pad": "x" * 3000, **fields})


def test_it_drains_itself_and_keeps_every_reason(disk: Path) -> None:
    folder = disk / "queue"
    put(FolderQueue(folder), 20, bad=True)
    put(FolderQueue(folder), 20)
    (folder / "no-id.queued").write_text('{"n": 1}')
    fill_up(disk)
    sent: list[dict[str, Any]] = []

    def noting(report: dict[str, Any]) -> None:
        submit(report)
        sent.append(report)

    with pytest.raises(QueueFolderError):
        FolderQueue(folder).put({"n": 99, "pad": "x" * 5000})
    summary = QueueProcessor(folder, noting, concurrency=4).drain()
    assert (summary.submitted, summary.quarantined) == (21, 20)
    assert len(sent) == len({report["id"] for report in sent}) == 21
    assert len(reasons(folder)) == 20
    assert all("400" in reason for reason in reasons(folder))
    assert not list(folder.glob("*.wsjf*"))


def test_what_finds_no_room_for_its_reason_waits_for_it(disk: Path) -> None:
    folder = disk / "queue"
    put(FolderQueue(folder), 20, bad=True)
    filler = fill_up(disk)
    assert QueueProcessor(folder, submit).drain().remaining == 20
    assert [item.state for item in FolderQueue(folder).list()] == ["waiting"] * 20
    filler.unlink()
    summary = QueueProcessor(folder, submit).drain()
    assert (summary.quarantined, summary.remaining) == (20, 0)
    assert len(reasons(folder)) == 20


def test_a_report_without_an_id_gets_the_same_one_at_each_attempt(disk: Path) -> None:
    folder = disk / "queue"
    queue = FolderQueue(folder)
    (folder / "no-id.queued").write_text(json.dumps({"n": 1, "pad": "x" * 5000}))
    filler = fill_up(disk)
    ids = []
    for _ in range(2):
        claim = take(queue)
        ids.append(claim.load()["id"])
        claim.release()
    filler.unlink()
    ids.append(take(queue).load()["id"])
    assert len(set(ids)) == 1
    queue.close()
