"""Thousands of files: start-up, memory, and the work that a report costs at any depth."""

import json
import os
import sys
import time
import tracemalloc
from collections.abc import Sized
from pathlib import Path

import pytest
from taking import take
from typed import present

from pywats_green.queue.folder import body
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.folder.schedule import Schedule, WaitingItem

DEPTH = 5_000


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def fill(folder: Path, count: int) -> None:
    folder.mkdir()
    report = json.dumps({"id": "r", "pad": "x" * 5000})
    for number in range(count):
        name = f"05-{number:014x}-00000000-r{number}.pending.wsjf"
        (folder / name).write_text(report)


def calls_for_a_report(folder: Path, count: int = 200) -> float:
    """Return the calls, of Python and of C, that claim, load and removal make."""
    queue = FolderQueue(folder, timer=Clock())  # no second look at the folder
    take(queue).release()
    calls = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        for _ in range(count):
            claim = take(queue)
            claim.load()
            claim.delivered()
    finally:
        sys.setprofile(None)
    queue.close()
    return calls / count


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep") / "queue"
    fill(folder, DEPTH)
    return folder


def test_it_starts_and_reads_no_body(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[Path] = []
    read = body.read
    monkeypatch.setattr(
        "pywats_green.queue.folder.store.read", lambda path: bodies.append(path) or read(path)
    )
    queue = FolderQueue(deep)
    claim = take(queue)
    assert claim.item_id == "r0"
    assert not bodies
    claim.release()
    queue.close()


def test_memory_is_a_fraction_of_the_bodies(deep: Path) -> None:
    tracemalloc.start()
    queue = FolderQueue(deep)
    take(queue).release()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    queue.close()
    assert used < 1200 * DEPTH  # a body has 5,000 bytes


def test_the_work_for_a_report_does_not_depend_on_the_depth(deep: Path, tmp_path: Path) -> None:
    fill(tmp_path / "queue", DEPTH // 10)
    assert calls_for_a_report(deep) < 1.1 * calls_for_a_report(tmp_path / "queue")


def test_a_new_file_is_noticed_within_a_second_beside_thousands_that_wait(deep: Path) -> None:
    later = json.dumps({"due_at": time.time() + 900, "delay": 900.0, "attempts": 1})
    reports = list(deep.glob("*.pending.wsjf"))
    for report in reports:
        report.with_suffix(".meta.json").write_text(later)
    timer = Clock()
    queue = FolderQueue(deep, timer=timer)
    assert queue.claim() is None
    assert queue.counts()["waiting"] == len(reports)
    (deep / "new.queued").write_text("{}")
    timer.now += 1.0
    assert take(queue).item_id == "new"
    queue.close()


def test_who_only_puts_neither_scans_nor_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scans.append(path) or scandir(path))
    timer = Clock()
    queue = FolderQueue(tmp_path, timer=timer)
    for number in range(100):
        queue.put({"n": number})
        timer.now += 30.0
    assert not scans
    assert len(queue._view.schedule) == 0
    assert queue.counts()["waiting"] == 100
    looked = len(scans)
    queue.put({"n": 100})  # who also looks knows it at once
    assert queue.counts()["waiting"] == 101
    assert len(scans) == looked


@pytest.mark.parametrize("group", [None, "one each", "one"])
def test_what_a_schedule_keeps_does_not_grow(group: str | None) -> None:
    schedule = Schedule()
    schedule.add(WaitingItem("held", "held", 9, 0, due=1e9))  # so that it is never empty
    for number in range(100_000):
        name = f"r{number}"
        token = name if group == "one each" else group
        schedule.add(WaitingItem(name, name, 5, number, group=token))
        if number % 3 == 0:  # put off once
            item = present(schedule.take(0.0))
            item.due = 1.0
            schedule.add(item)
        taken = present(schedule.take(2.0))
        assert taken.name == name
        schedule.hold(taken.group, name)
        schedule.let_go(taken.group, name)
    kept: list[Sized] = [
        schedule._by_age,
        schedule._ready,
        schedule._delayed,
        schedule._lines,
        schedule._held,
    ]
    assert max(map(len, kept)) <= 1100
    assert schedule.oldest() == 0


def test_owners_that_have_gone_are_forgotten(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(5):
        claim = tmp_path / f"r.queued.0000000{number}.claim"
        claim.write_text("{}")
        queue.refresh()
        assert queue.elsewhere().items == 1
        claim.unlink()
    queue.refresh()
    assert not queue._view._recovery._observer._seen


def test_what_a_process_died_with_goes_last_and_alone() -> None:
    schedule = Schedule()
    for number, (killed, failed_when) in enumerate([(True, 2.0), (True, 1.0), (False, 3.0)]):
        name = f"r{number}"
        schedule.add(WaitingItem(name, name, 5, number, killed=killed, failed_when=failed_when))
    taken = [present(schedule.take(0.0)).name, schedule.take(0.0, alone=False)]
    assert taken == ["r2", None]
    assert [present(schedule.take(0.0)).name for _ in range(2)] == ["r1", "r0"]


def test_a_probe_takes_who_failed_the_longest_ago_whatever_became_of_the_process() -> None:
    schedule = Schedule()
    for number, (killed, failed_when) in enumerate([(False, 3.0), (True, 2.0), (False, 1.0)]):
        name = f"r{number}"
        schedule.add(WaitingItem(name, name, 5, number, killed=killed, failed_when=failed_when))
    assert [present(schedule.take(0.0, probe=True)).name for _ in range(3)] == ["r2", "r1", "r0"]
