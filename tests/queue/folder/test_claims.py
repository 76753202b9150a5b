"""FolderQueue as a Source: claims, their ends, order, waits."""

import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from platforms import PATIENCE
from taking import take
from typed import present
from waiting import turn, until

from pywats_green.exceptions import QueueFolderError, UnreadableReportError
from pywats_green.queue.folder import body, view
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.source import Source


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_it_is_a_source(tmp_path: Path) -> None:
    source: Source = FolderQueue(tmp_path)
    assert source.claim() is None
    assert source.due_in() is None
    assert source.oldest_age() is None
    assert source.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 0}
    source.close()
    assert not list(tmp_path.iterdir())  # who claims nothing owns nothing


def test_priority_goes_first_then_first_in(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for item_id, priority in [("c", 5), ("d", 5), ("e", 10), ("a", 1), ("b", 1)]:
        queue.put({"id": item_id}, priority=priority)
    assert [take(queue).item_id for _ in range(5)] == list("abcde")
    assert queue.claim() is None
    queue.close()
    again = FolderQueue(tmp_path)
    assert [take(again).item_id for _ in range(5)] == list("abcde")
    again.close()


def test_delivered_removes_it(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)
    assert (claim.item_id, claim.attempts, claim.group) == ("r", 0, None)
    assert queue.counts() == {"waiting": 0, "in_flight": 1, "quarantined": 0}
    claim.delivered()
    claim.release()  # in a `finally`: without effect
    assert not files(tmp_path)
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 0}
    queue.close()


def test_retry_counts_and_waits_also_after_a_restart(tmp_path: Path) -> None:
    timer, clock = Clock(), Clock()
    queue = FolderQueue(tmp_path, timer=timer, clock=clock)
    queue.put({"id": "r"})
    take(queue).retry("server away", 30.0)
    assert queue.claim() is None
    assert queue.due_in() == 30.0
    queue.close()
    timer.now, clock.now = 7.0, clock.now + 10.0
    queue = FolderQueue(tmp_path, timer=timer, clock=clock)
    assert queue.claim() is None
    assert queue.due_in() == pytest.approx(20.0)
    timer.now += 20.0
    claim = take(queue)
    assert claim.attempts == 1
    claim.delivered()
    assert not files(tmp_path)
    queue.close()


@pytest.mark.parametrize("jump", [-1e8, 1e8])
def test_no_wait_grows_when_the_clock_jumps(tmp_path: Path, jump: float) -> None:
    timer, clock = Clock(), Clock()
    queue = FolderQueue(tmp_path, timer=timer, clock=clock)
    queue.put({"id": "r"})
    take(queue).retry("server away", 30.0)
    clock.now += jump
    again = FolderQueue(tmp_path, timer=timer, clock=clock)
    assert again.due_in() == (30.0 if jump < 0 else 0.0)
    timer.now += 30.0
    assert take(queue).attempts == 1  # in memory the monotonic clock counts
    assert queue.oldest_age() is None
    queue.close()
    assert present(queue.oldest_age()) >= 0.0
    again.close()


def test_quarantine_keeps_the_report_and_says_why(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r", "v": 1}, priority=3)
    take(queue).quarantine("422: no such process")
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 1}
    room = tmp_path / "quarantine"
    [report] = room.glob("*.wsjf")
    assert json.loads(report.read_bytes()) == {"id": "r", "v": 1}
    told = json.loads((room / f"{report.name}.reason.json").read_bytes())
    assert told["reason"] == "422: no such process"
    assert (told["id"], told["attempts"], told["priority"]) == ("r", 1, 3)
    queue.close()
    assert FolderQueue(tmp_path).counts()["quarantined"] == 1


def test_release_puts_it_back_as_it_was(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    before = files(tmp_path)
    take(queue).release()
    assert files(tmp_path) == before
    assert take(queue).attempts == 0
    queue.close()
    assert files(tmp_path) == before


def test_close_gives_back_and_the_queue_can_be_used_again(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(3):
        queue.put({"id": str(number)})
    held = [take(queue), take(queue)]
    queue.close()
    assert not list((tmp_path / "owners").iterdir())
    assert queue.counts() == {"waiting": 3, "in_flight": 0, "quarantined": 0}
    held[0].retry("too late", 5.0)  # without effect
    assert [take(queue).item_id for _ in range(3)] == list("012")
    queue.close()


def test_a_claim_that_is_dropped_stays_claimed(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    assert queue.claim() is not None
    gc.collect()
    assert queue.claim() is None
    assert queue.counts()["in_flight"] == 1
    queue.close()
    assert queue.counts()["waiting"] == 1


def test_a_queue_that_is_dropped_is_a_dead_owner(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    queue.claim()
    del queue
    gc.collect()
    other = FolderQueue(tmp_path)
    assert take(other).item_id == "r"
    other.close()


def test_the_report_that_is_loaded_is_on_disk_under_the_same_id(tmp_path: Path) -> None:
    (tmp_path / "a.queued").write_text('{"v": 1}')
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    first = claim.load()
    assert claim.load() == first
    claim.retry("not now", 0.0)
    assert (
        take(queue).load()
        == first
        == json.loads(next(iter(tmp_path.glob("a.*.claim"))).read_text())
    )
    queue.close()


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"[]", b"7", b"\xff\xff", b"[" * 100_000, b'{"a": "\xff"}']
)
def test_what_cannot_be_sent_is_unreadable(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "bad.queued").write_bytes(body)
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    with pytest.raises(UnreadableReportError):
        claim.load()
    claim.quarantine("unreadable")
    assert (tmp_path / "quarantine" / "bad.queued").read_bytes() == body
    queue.close()


def test_a_folder_named_like_a_report_goes_to_quarantine(tmp_path: Path) -> None:
    (tmp_path / "bad.queued").mkdir()
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    with pytest.raises(UnreadableReportError, match="a folder where a report should be"):
        claim.load()
    claim.quarantine("a folder")
    assert (tmp_path / "quarantine" / "bad.queued").is_dir()
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 1}
    queue.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such files")
@pytest.mark.parametrize("max_reports", [None, 10])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: os.mkfifo(path, 0o600), "there is a pipe or a device where a report"),
        (lambda path: path.symlink_to("/dev/zero"), "there is a pipe or a device"),
        (lambda path: path.symlink_to(path.name), "there is a link that leads nowhere"),
        (lambda path: path.symlink_to("gone"), "there is a link that leads nowhere"),
    ],
    ids=["pipe", "device", "loop", "dangling"],
)
def test_what_is_no_file_goes_to_quarantine_and_holds_up_nobody(
    tmp_path: Path, make: Any, told: str, max_reports: int | None
) -> None:
    make(tmp_path / "a.queued")
    os.utime(tmp_path / "a.queued", (1, 1), follow_symlinks=False)
    queue = FolderQueue(tmp_path, max_reports=max_reports)
    queue.put({"id": "good"})
    claim = take(queue)
    with pytest.raises(UnreadableReportError, match=told):
        claim.load()
    claim.retry("no file", 0.0)
    assert {item.item_id for item in queue.list("waiting")} == {"a", "good"}
    with pytest.raises(UnreadableReportError, match=told):
        (claim := take(queue)).load()
    claim.quarantine("no file")
    assert (tmp_path / "quarantine" / "a.queued").lstat()
    assert [item.item_id for item in queue.list("quarantined")] == ["a"]
    assert take(queue).load() == {"id": "good"}
    queue.close()


@pytest.mark.usefixtures("impatient")
def test_a_report_that_may_not_be_read_is_no_unreadable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:  # the tests may run as root, whom no mode keeps out
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(PermissionError):
            claim.load()
    assert claim.load() == {"id": "r"}
    queue.close()


native_thread = gevent.monkey.get_original("_thread", "get_ident")


def test_a_large_report_is_read_off_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.queued").write_text(
        json.dumps({"id": "big", "steps": [{"n": n, "v": n * 1.5} for n in range(200_000)]})
    )
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    parse, threads = body.parse, []

    def noted(*args: Any, **options: Any) -> Any:
        threads.append(native_thread())
        assert options == {"large": True}  # so that it lets the hub in
        return parse(*args, **options)

    monkeypatch.setattr(body, "parse", noted)
    assert len(claim.load()["steps"]) == 200_000
    assert len(threads) == 1
    assert threads[0] != native_thread()
    queue.close()


def test_what_vanished_meanwhile_is_passed_over(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(3):
        queue.put({"id": str(number)})
    queue.refresh()
    for path in tmp_path.glob("*-[01].pending.wsjf"):
        path.unlink()
    claim = take(queue)
    assert claim.item_id == "2"
    next(tmp_path.glob("*.claim")).unlink()
    for end in (claim.delivered, claim.release):
        end()
    assert queue.claim() is None
    assert queue.due_in() is None
    queue.close()


@pytest.mark.parametrize("end", ["retry", "release", "quarantine"])
def test_a_claim_whose_file_is_gone_ends_quietly(tmp_path: Path, end: str) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)
    next(tmp_path.glob("*.claim")).unlink()
    {
        "retry": lambda: claim.retry("x", 1.0),
        "release": claim.release,
        "quarantine": lambda: claim.quarantine("x"),
    }[end]()
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 0}
    queue.close()


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_removed_is_never_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "unlink", refuse)
        claim.delivered()
        assert [name for name in files(tmp_path) if name.endswith(".sent")]
        assert "cannot be removed" in caplog.text
        other = FolderQueue(tmp_path)
        assert other.claim() is None
        assert [item.state for item in other.list()] == ["sent"]
        other.close()
    queue.refresh()  # now it can be
    assert not files(tmp_path)
    queue.close()


@pytest.mark.usefixtures("impatient")
def test_what_can_be_neither_removed_nor_renamed_is_not_sent_again_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)

    def refuse(self: Path, *_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        patch.setattr(Path, "rename", refuse)
        claim.delivered()
        assert queue.claim() is None
        other = FolderQueue(tmp_path)
        assert other.claim() is None
    queue.claim()
    assert not files(tmp_path)
    queue.close()


def test_what_cannot_be_renamed_just_now_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = Clock()
    queue = FolderQueue(tmp_path, timer=timer)
    queue.put({"id": "open in a scanner"})
    queue.put({"id": "free"})
    rename = Path.rename

    def sometimes(self: Path, target: Path) -> Path:
        if "scanner" in self.name:
            raise PermissionError(13, "The process cannot access the file")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", sometimes)
        assert take(queue).item_id == "free"
        assert queue.claim() is None
        assert queue.due_in() == pytest.approx(1.0)
    timer.now += 1.0
    assert take(queue).item_id == "open in a scanner"
    queue.close()


def test_a_folder_that_must_not_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    take(queue).release()

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        patch.setattr(os, "access", lambda *_args: False)
        for _ in range(2):
            with pytest.raises(QueueFolderError, match="Cannot claim a report"):
                queue.claim()
    assert take(queue).item_id == "r"
    queue.close()


def test_a_report_that_cannot_be_claimed_is_told_of_once_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    timer = Clock()
    queue = FolderQueue(tmp_path, timer=timer)
    queue.put({"id": "r"})

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    for times in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", refuse)
            for _ in range(3):
                assert queue.claim() is None
                timer.now += 2.0
        assert caplog.text.count("Cannot claim") == times
        take(queue).release()
    queue.close()


def test_an_attempt_that_cannot_be_written_down_keeps_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pywats_green.queue.folder.meta.write_small", full)
        patch.setattr("pywats_green.queue.folder.store.write_small", full)
        take(queue).retry("server away", 0.0)
        assert queue.counts()["waiting"] == 1
        take(queue).quarantine("bad")
        assert queue.counts() == {"waiting": 0, "in_flight": 1, "quarantined": 0}
    assert queue.claim() is None  # which carries it out
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 1}
    assert queue.list()[0].last_error == "bad"
    queue.close()


@pytest.mark.parametrize("meta", [b"", b"{", b"[]", b'{"attempts": "x", "due_at": 1e999}'])
def test_a_torn_side_car_costs_attempts_and_no_report(tmp_path: Path, meta: bytes) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    take(queue).retry("server away", 100.0)
    queue.close()
    next(tmp_path.glob("*.meta.json")).write_bytes(meta)
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    assert claim.attempts == 0
    claim.delivered()
    assert not files(tmp_path)
    queue.close()


def test_an_orphaned_side_car_is_cleared_away_at_the_second_look(tmp_path: Path) -> None:
    (tmp_path / "gone.pending.meta.json").write_text("{}")
    (tmp_path / "gone.failed.meta.json").write_text("{}")
    queue = FolderQueue(tmp_path)
    queue.refresh()
    queue.refresh()
    assert files(tmp_path) == {"gone.failed.meta.json"}


def test_files_put_in_by_others_are_noticed(tmp_path: Path) -> None:
    queue, other = FolderQueue(tmp_path, scan_interval=0.05), FolderQueue(tmp_path)
    assert queue.claim() is None
    other.put({"id": "new"})
    claims: list[Any] = []

    def finds_one() -> bool:
        claims.append(queue.claim())
        return claims[-1] is not None

    until(finds_one)
    assert claims[-1].item_id == "new"
    queue.close()


def test_a_killed_greenlet_can_give_its_claim_back(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})

    def work() -> None:
        claim = take(queue)
        try:
            gevent.sleep(60)
        finally:
            claim.release()

    worker = gevent.spawn(work)
    until(lambda: queue.counts()["in_flight"])
    worker.kill()
    assert queue.counts() == {"waiting": 1, "in_flight": 0, "quarantined": 0}
    queue.close()


def test_greenlets_that_claim_at_once_get_different_items(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.queued").write_text(f'{{"id": "{number}"}}')
    queue = FolderQueue(tmp_path, order_by="sn")
    seen: list[str] = []

    def work() -> None:
        while (claim := queue.claim()) is not None:
            turn()
            seen.append(claim.load()["id"])
            claim.delivered()

    gevent.joinall([gevent.spawn(work) for _ in range(20)], raise_error=True)
    assert sorted(seen, key=int) == [str(number) for number in range(200)]
    queue.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_leaves_the_claims_to_its_parent(tmp_path: Path) -> None:
    script = """
import os, sys
from pywats_green.queue.folder.queue import FolderQueue
queue = FolderQueue(sys.argv[1])
queue.put({"id": "a"}); queue.put({"id": "b"})
held = queue.claim()
if not (pid := os.fork()):
    import gevent
    gevent.reinit()
    queue.close()
    assert queue.claim().item_id == "b", "the child took what the parent holds"
    queue.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
other = FolderQueue(sys.argv[1])
assert other.claim().item_id == "b" and other.claim() is None
held.delivered()
"""
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, timeout=PATIENCE,
        env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
    )  # fmt: skip


def test_what_is_set_aside_during_a_scan_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    queue = FolderQueue(tmp_path, timer=clock)
    queue.put({"id": "1"})
    claim = queue.claim()
    assert claim is not None
    clock.now += 60  # so that it is time for a scan

    def scan_and_set_aside(work: Callable[[], Any]) -> Any:
        found = work()
        monkeypatch.undo()
        claim.quarantine("422: no such process")
        return found

    monkeypatch.setattr(view, "off_hub", scan_and_set_aside)
    assert queue.counts()["quarantined"] == 1
    assert queue.counts()["quarantined"] == 1
