"""FolderQueue over what upstream's two queues wrote, and they over what it wrote."""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

import pytest
from taking import take
from typed import present

from pywats_green.exceptions import QueueItemError
from pywats_green.queue.folder import owners
from pywats_green.queue.folder import scan as folder_scan
from pywats_green.queue.folder.long_paths import extended
from pywats_green.queue.folder.queue import FolderQueue


def write(folder: Path, name: str, body: object, **meta: object) -> None:
    (folder / name).write_text(json.dumps(body))
    if meta:
        (folder / f"{name.removesuffix('.wsjf')}.meta.json").write_text(json.dumps(meta))


def forget_owner(queue: FolderQueue) -> None:
    """Let its owner die: the lock is free, nothing is put back."""
    owner = present(queue._claims._owner)
    owner._heart.kill(block=False)
    present(owner._lock).release()
    owners._living.pop(owner.owner_id)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_both_formats_go_out_and_leave_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.queued", {"id": "A"})
    write(tmp_path, "b.pending.wsjf", {"id": "B"}, id="b", priority=1, attempts=2, custom={"x": 1})
    queue = FolderQueue(tmp_path)
    first, second = take(queue), take(queue)
    assert (first.item_id, first.attempts, first.load()) == ("b", 2, {"id": "B"})
    assert (second.item_id, second.attempts, second.load()) == ("a", 0, {"id": "A"})
    first.delivered()
    second.delivered()
    assert not files(tmp_path)
    queue.close()


def test_its_priority_and_its_time_decide(tmp_path: Path) -> None:
    for item_id, priority, second in [("d", 10, 1), ("c", 5, 3), ("b", 5, 2), ("a", 1, 4)]:
        created = datetime(2024, 1, 1, 0, 0, second).isoformat()  # noqa: DTZ001  # as upstream
        write(tmp_path, f"{item_id}.pending.wsjf", {}, priority=priority, created_at=created)
    write(tmp_path, "q2.queued", {})
    write(tmp_path, "q1.queued", {})
    os.utime(tmp_path / "q1.queued", (1_800_000_000, 1_800_000_000))
    os.utime(tmp_path / "q2.queued", (1_800_000_001, 1_800_000_001))
    queue = FolderQueue(tmp_path)
    assert [take(queue).item_id for _ in range(6)] == ["a", "b", "c", "q1", "q2", "d"]
    queue.close()


def test_an_attempt_is_counted_in_its_own_side_car(tmp_path: Path) -> None:
    write(tmp_path, "a.pending.wsjf", {}, id="a", priority=2, attempts=1, custom={"x": 1})
    queue = FolderQueue(tmp_path)
    take(queue).retry("refused", 0.0)
    queue.close()
    meta = json.loads((tmp_path / "a.pending.meta.json").read_bytes())
    assert (meta["attempts"], meta["priority"], meta["last_error"]) == (2, 2, "refused")
    assert (meta["custom"], meta["status"], meta["id"]) == ({"x": 1}, "pending", "a")
    assert (tmp_path / "a.pending.wsjf").exists()


def test_a_report_without_an_id_has_one_on_disk_before_it_can_be_sent(tmp_path: Path) -> None:
    write(tmp_path, "a.queued", {"v": 1})
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    report = claim.load()
    claim.release()
    assert json.loads((tmp_path / "a.queued").read_bytes()) == report
    assert report["id"]
    assert files(tmp_path) == {"a.queued"}
    queue.close()


def test_two_files_of_one_id_both_go_out(tmp_path: Path) -> None:
    write(tmp_path, "a.queued", {"id": "a", "v": 1})
    write(tmp_path, "a.pending.wsjf", {"id": "a", "v": 2}, priority=5)
    queue = FolderQueue(tmp_path)
    queue.put({"id": "a", "v": 3})
    seen = []
    while (claim := queue.claim()) is not None:
        seen.append(claim.load()["v"])
        claim.delivered()
    assert sorted(seen) == [1, 2, 3]
    assert not files(tmp_path)
    queue.close()


def test_a_new_file_of_the_same_name_replaces_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.queued", {"id": "1"})
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    write(tmp_path, "a.queued", {"id": "2"})
    claim.release()
    take(queue).quarantine("bad")
    queue.refresh()
    take(queue).quarantine("bad")
    room = tmp_path / "quarantine"
    bodies = [json.loads(p.read_bytes())["id"] for p in room.iterdir() if ".reason" not in p.name]
    assert sorted(bodies) == ["1", "2"]
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 2}
    queue.close()


def test_a_name_too_long_to_be_claimed_is_cut(tmp_path: Path) -> None:
    write(extended(tmp_path), f"{'x' * 245}.queued", {"id": "long"})
    write(extended(tmp_path), f"{'y' * 240}.queued", {"id": "long, too"})
    queue = FolderQueue(tmp_path)
    claim, other = take(queue), take(queue)
    claim.retry("again", 0.0)
    other.quarantine("bad")
    claim = take(queue)
    assert (claim.attempts, claim.load()["id"][:4]) == (1, "long")
    claim.delivered()
    assert not files(tmp_path)
    queue.close()


LEFT = ["a.processing", "a.processing.wsjf"]


@pytest.mark.parametrize("name", LEFT)
def test_what_upstream_may_still_be_sending_is_left_alone(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, {"id": "A"})
    os.utime(tmp_path / name, (1.0, 1.0))  # a rename keeps the time of the last write
    queue = FolderQueue(tmp_path)
    assert queue.claim() is None
    assert files(tmp_path) == {name}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_crashed_upstream_left_is_taken_over(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, name, {"id": "A"}, attempts=1, priority=3)
    write(tmp_path, "a.queued", {"id": "another"})
    now = folder_scan.time.time()
    monkeypatch.setattr(folder_scan.time, "time", lambda: now + 1801)
    timer = iter(range(0, 10**9, 10_000))
    queue = FolderQueue(tmp_path, timer=lambda: float(next(timer)))
    queue.refresh()
    queue.refresh()  # where a file has no time of its last change it must have been in sight
    seen = [take(queue).load()["id"] for _ in range(2)]
    assert sorted(seen) == ["A", "another"]
    queue.close()


def test_what_upstream_set_aside_as_error_goes_out(tmp_path: Path) -> None:
    """Its AsyncPendingQueue calls a method that does not exist, so all it took ends there."""
    write(tmp_path, "a.error", {"id": "A"})
    write(tmp_path, "a.error.info", {"error": "no attribute 'submit_raw'", "attempts": 1})
    queue = FolderQueue(tmp_path)
    take(queue).delivered()
    assert not files(tmp_path)
    queue.close()


def test_what_else_lies_there_is_left_alone(tmp_path: Path) -> None:
    names = {"a.completed", "a.completed.wsjf", "notes.txt", "._a.queued", ".hidden.pending.wsjf",
             ".queued", ".pending.wsjf", ".failed.wsjf", "2025-archive.xml.sent", ".error",
             "station.error", "notes.deadbeef.claim", "notes.0123abcd.meta.json", "mail.sent",
             "x.queued.claim", "x.queued.0123ABCD.claim", ".q.failed.wsjf"}  # fmt: skip
    for name in names:
        write(tmp_path, name, {})
    (tmp_path / "owners").mkdir()
    (tmp_path / "owners" / "uv.lock").touch()
    os.utime(tmp_path / "owners" / "uv.lock", (1.0, 1.0))
    queue = FolderQueue(tmp_path)
    assert queue.claim() is None
    queue.refresh()
    queue.refresh()
    assert files(tmp_path) == names
    assert (tmp_path / "owners" / "uv.lock").exists()
    assert not queue.list()


def test_what_only_ends_like_a_file_of_upstream_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "station.processing").write_text("since 06:00")
    now = folder_scan.time.time()
    monkeypatch.setattr(folder_scan.time, "time", lambda: now + 1801)
    timer = iter(range(0, 10**9, 10_000))
    queue = FolderQueue(tmp_path, timer=lambda: float(next(timer)))
    queue.refresh()
    queue.refresh()
    assert files(tmp_path) == {"station.processing"}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
def test_a_pipe_that_ends_like_a_file_of_upstream_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "station.processing"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)  # so that reading it ends, with what is written
    os.write(writer, b"x")
    queue = FolderQueue(tmp_path)
    queue.refresh()
    assert queue.elsewhere().items == 0
    assert queue.list() == []
    assert os.read(writer, 1) == b"x"
    os.close(writer)


def test_a_file_of_another_program_is_not_read_at_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "station.processing"
    path.write_text("since 06:00")
    read, reads = Path.read_bytes, []

    def noting(self: Path) -> bytes:
        reads.append(self.name)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", noting)
    queue = FolderQueue(tmp_path)
    for _ in range(3):
        queue.refresh()
        assert queue.elsewhere().items == 0
    assert reads.count(path.name) == 1
    path.write_text('{"id": "A"}')
    queue.refresh()
    assert queue.elsewhere().items == 1


@pytest.mark.parametrize("state", ["failed", "suspended"])
def test_what_upstream_gave_up_is_listed_and_can_be_requeued(tmp_path: Path, state: str) -> None:
    write(tmp_path, f"a.{state}.wsjf", {"id": "A"}, priority=2, attempts=5, last_error="away")
    queue = FolderQueue(tmp_path)
    assert queue.claim() is None
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 1}
    [item] = queue.list("quarantined")
    assert (item.item_id, item.attempts, item.last_error) == ("a", 5, "away")
    assert queue.show("a")["body"] == {"id": "A"}
    assert queue.requeue("a") == 1
    claim = take(queue)
    assert (claim.item_id, claim.attempts, claim.load()) == ("a", 0, {"id": "A"})
    claim.delivered()
    assert not files(tmp_path)
    queue.close()


def test_what_upstream_gave_up_does_not_replace_what_waits(tmp_path: Path) -> None:
    write(tmp_path, "a.failed.wsjf", {"id": "A"}, attempts=5)
    write(tmp_path, "a.pending.wsjf", {"id": "A", "v": 2}, attempts=0)
    queue = FolderQueue(tmp_path)
    with pytest.raises(QueueItemError, match="waiting already"):
        queue.requeue("a.failed.wsjf")
    queue.discard("a.failed.wsjf")
    assert files(tmp_path) == {"a.pending.wsjf", "a.pending.meta.json"}


END = {
    "retry": lambda claim: claim.retry("mine", 0.0),
    "release": lambda claim: claim.release(),
    "quarantine": lambda claim: claim.quarantine("mine"),
    "delivered": lambda claim: claim.delivered(),
    "crash": lambda claim: None,
}


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("meta", [{"attempts": 7, "priority": 5}, {}], ids=["meta", "no meta"])
def test_a_report_that_upstream_writes_again_while_claimed_has_its_own_side_car(
    tmp_path: Path, end: str, meta: dict[str, int]
) -> None:
    write(tmp_path, "a.pending.wsjf", {"id": "1"}, attempts=3, priority=5)
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    assert claim.attempts == 3
    write(tmp_path, "a.pending.wsjf", {"id": "2"}, **meta)
    if end == "crash":
        forget_owner(queue)
        queue = FolderQueue(tmp_path)
    else:
        END[end](claim)
    queue.refresh()
    seen = {}
    while (left := queue.claim()) is not None:
        seen[left.load()["id"]] = left.attempts
    first = {"retry": {"1": 4}, "release": {"1": 3}, "crash": {"1": 4}}.get(end, {})
    assert seen == {**first, "2": meta.get("attempts", 0)}
    queue.close()


def test_what_is_put_in_here_upstream_can_read(tmp_path: Path) -> None:
    """Its PersistentQueue takes `*.pending.wsjf`, with the sidecar of the same stem."""
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"}, priority=2)
    take(queue).retry("not now", 0.0)
    queue.close()
    [data] = tmp_path.glob("*.pending.wsjf")
    meta = json.loads(data.with_suffix(".meta.json").read_bytes())
    assert (meta["priority"], meta["attempts"], meta["last_error"]) == (2, 1, "not now")
    assert json.loads(data.read_bytes()) == {"id": "r"}
