"""A queue that may hold only so much."""

import os
from pathlib import Path
from typing import Any

import gevent
import pytest
from taking import take

from pywats_green.exceptions import InvalidArgumentError, QueueFolderError, QueueFullError
from pywats_green.queue.folder.capacity import Capacity
from pywats_green.queue.folder.queue import FolderQueue


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_queue_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, max_reports=3)
    for number in range(3):
        queue.put({"n": number})
    with pytest.raises(QueueFullError, match="full: 3 reports, and max_reports is 3. Drain"):
        queue.put({"n": 3})
    assert issubclass(QueueFullError, QueueFolderError)
    assert len(list(tmp_path.iterdir())) == 3
    claim = take(queue)
    with pytest.raises(QueueFullError):  # what is claimed may come back
        queue.put({"n": 3})
    claim.delivered()
    queue.put({"n": 3})
    queue.close()


def test_a_full_queue_refuses_what_is_in_it_too(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, max_reports=1)
    queue.put({"id": "a"})
    with pytest.raises(QueueFullError):
        queue.put({"id": "a"})
    assert queue.counts()["waiting"] == 1


def test_bytes_count_too(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, max_bytes=1000)
    queue.put({"id": "a", "pad": "x" * 600})
    with pytest.raises(QueueFullError, match=r"full: \d+ bytes; \d+ more exceed max_bytes, 1000"):
        queue.put({"id": "b", "pad": "x" * 600})
    with pytest.raises(QueueFullError, match=r"The report has \d+ bytes, and max_bytes"):
        queue.put({"id": "b", "pad": "x" * 1000})
    queue.put({"id": "c", "pad": "x" * 100})
    assert sum(path.stat().st_size for path in tmp_path.glob("*.wsjf")) <= 1000


def test_what_others_put_is_counted_after_a_while(tmp_path: Path) -> None:
    timer = Clock()
    queue = FolderQueue(tmp_path, max_reports=3, timer=timer)
    queue.put({"n": 0})
    for number in (1, 2):
        FolderQueue(tmp_path).put({"n": number})
    timer.now += 6.0
    with pytest.raises(QueueFullError):
        queue.put({"n": 3})


def test_a_put_that_fails_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path, max_reports=1)

    def fail(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for _ in range(3):
            with pytest.raises(QueueFolderError, match="Input/output error"):
                queue.put({"n": 0})
    queue.put({"n": 0})


def test_what_is_being_put_counts_once_whether_it_has_its_name_yet_or_not(tmp_path: Path) -> None:
    capacity = Capacity(tmp_path, 3, 30)
    with capacity.room_for("a.queued", 10):
        (tmp_path / "a.queued").write_text("x" * 10)
        with capacity.room_for("b.queued", 10), capacity.room_for("c.queued", 10):
            for _ in range(2):
                with pytest.raises(QueueFullError), capacity.room_for("d.queued", 10):
                    pass
        (tmp_path / "a.queued").rename(tmp_path / "a.queued.0123abcd.claim")
        with (
            capacity.room_for("b.queued", 10),
            capacity.room_for("c.queued", 10),
            pytest.raises(QueueFullError),
            capacity.room_for("d.queued", 10),
        ):
            pass


def test_many_greenlets_never_put_too_much(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, max_reports=5)
    greenlets = [gevent.spawn(queue.put, {"n": number}) for number in range(20)]
    gevent.joinall(greenlets)
    refused = [each for each in greenlets if isinstance(each.exception, QueueFullError)]
    assert (len(refused), len(list(tmp_path.glob("*.wsjf")))) == (15, 5)


def test_many_greenlets_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = Capacity._look

    def counted(capacity: Capacity, known: dict[str, int]) -> tuple[int, int]:
        nonlocal looks
        looks += 1
        return look(capacity, known)

    monkeypatch.setattr(Capacity, "_look", counted)
    queue = FolderQueue(tmp_path, max_reports=50)
    gevent.joinall(
        [gevent.spawn(queue.put, {"n": number}) for number in range(20)], raise_error=True
    )
    assert looks == 1


def test_a_full_folder_that_takes_long_to_count_is_not_counted_for_each_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = Clock()
    look = Capacity._look
    looks = 0

    def slow(capacity: Capacity, known: dict[str, int]) -> tuple[int, int]:
        nonlocal looks
        looks += 1
        timer.now += 0.4
        return look(capacity, known)

    monkeypatch.setattr(Capacity, "_look", slow)
    queue = FolderQueue(tmp_path, max_reports=1, timer=timer)
    queue.put({"n": 0})
    timer.now += 4.5
    for _ in range(3):
        with pytest.raises(QueueFullError):
            queue.put({"n": 1})
    assert looks == 2
    next(tmp_path.glob("*.wsjf")).unlink()
    with pytest.raises(QueueFullError):
        queue.put({"n": 1})
    timer.now += 4.5
    queue.put({"n": 1})
    assert looks == 3


def test_who_waits_for_a_count_that_is_killed_counts_on_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.queued").write_text("x")
    capacity = Capacity(tmp_path, 1, None)

    def put() -> None:
        with capacity.room_for("b.queued", 1):
            pass

    killed, other = gevent.spawn(put), gevent.spawn(put)
    gevent.sleep(0)  # both have begun
    killed.kill()
    with pytest.raises(QueueFullError):
        other.get()


@pytest.mark.parametrize("limit", [{"max_reports": 0}, {"max_bytes": -1}, {"keep_quarantined": 0}])
def test_a_limit_is_at_least_one(tmp_path: Path, limit: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        FolderQueue(tmp_path, **limit)


@pytest.mark.parametrize(("keep", "left"), [(None, 2), (3600.0, 1)])
def test_what_was_quarantined_long_ago_is_deleted_where_that_is_wanted(
    tmp_path: Path, keep: float | None, left: int
) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(2):
        queue.put({"id": str(number)})
        take(queue).quarantine("bad")
    queue.close()
    [old] = (tmp_path / "quarantine").glob("*-0.pending.wsjf.reason.json")
    os.utime(old, (1.0, 1.0))
    (tmp_path / "quarantine" / "notes.txt").write_text("not the queue's")
    os.utime(tmp_path / "quarantine" / "notes.txt", (1.0, 1.0))
    queue = FolderQueue(tmp_path, keep_quarantined=keep)
    queue.refresh()
    queue.refresh()
    assert queue.counts()["quarantined"] == left
    assert len(list((tmp_path / "quarantine").iterdir())) == 2 * left + 1
