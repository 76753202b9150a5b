"""Who is dead, and what becomes of its claims."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from taking import take
from typed import present
from waiting import until

from pywats_green.exceptions import QueueFolderError, QueueItemError
from pywats_green.queue.folder import observer, owners
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.folder.recovery import Recovery
from pywats_green.queue.folder.scan import scan
from pywats_green.queue.folder.store import Store

HOLDER = """
import sys, time
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.folder.recovery import Recovery
from pywats_green.queue.folder.scan import scan
from pywats_green.queue.folder.store import Store
queue = FolderQueue(sys.argv[1])
claims = [queue.claim(), queue.claim()]
print("holding", flush=True)
time.sleep(60)
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds two claims."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
    )
    assert present(process.stdout).readline() == "holding\n"
    return process


def test_a_living_owner_keeps_its_claims_and_a_dead_one_loses_them_at_once(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(3):
        queue.put({"id": str(number)})
    process = hold(tmp_path)
    try:
        queue.refresh()
        assert take(queue).item_id == "2"
        queue.refresh()
        assert queue.claim() is None
        assert [item.state for item in queue.list()] == ["claimed"] * 3
    finally:
        process.kill()
        process.wait()
        present(process.stdout).close()
    queue.refresh()
    assert [take(queue).item_id for _ in range(2)] == ["0", "1"]
    queue.close()
    assert not list((tmp_path / "owners").iterdir())


def foreign_claim(folder: Path, beat: object) -> Path:
    """Write what an owner of another host would have."""
    (folder / "owners").mkdir(exist_ok=True)
    (folder / "owners" / "0badf00d.lock").write_text("")
    heartbeat = folder / "owners" / "0badf00d.json"
    heartbeat.write_text(beat if isinstance(beat, str) else json.dumps(beat))
    (folder / "a.queued.0badf00d.claim").write_text('{"id": "a"}')
    return heartbeat


ELSEWHERE = {"host": "elsewhere/1", "pid": 1, "beat": 1, "locked": True}


@pytest.mark.parametrize(
    "beat",
    [ELSEWHERE, "", "{", "[]", {"host": owners.this_host(), "locked": False}],
    ids=["another host", "empty", "torn", "not ours", "no locks there"],
)
def test_where_no_lock_speaks_the_heartbeat_does(tmp_path: Path, beat: object) -> None:
    timer = Clock()
    heartbeat = foreign_claim(tmp_path, beat)
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    assert queue.claim() is None
    timer.now += 59.0
    assert queue.claim() is None
    heartbeat.write_text(json.dumps({**ELSEWHERE, "beat": 2}))
    timer.now += 59.0
    assert queue.claim() is None
    timer.now += 59.0
    assert queue.claim() is None
    timer.now += 1.0
    assert take(queue).item_id == "a"
    assert not heartbeat.exists()
    queue.close()


def test_claims_without_an_owners_file_wait_for_the_lease_too(tmp_path: Path) -> None:
    timer = Clock()
    (tmp_path / "a.queued.0badf00d.claim").write_text('{"id": "a"}')
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    assert queue.claim() is None
    timer.now += 60.0
    assert take(queue).item_id == "a"
    queue.close()


def test_an_owner_beats_while_its_greenlets_wait(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, lease=0.2)
    queue.put({"id": "r"})
    queue.claim()
    [heartbeat] = (tmp_path / "owners").glob("*.json")
    first = heartbeat.read_bytes()
    until(lambda: heartbeat.read_bytes() != first)
    queue.close()


def test_an_owner_beats_when_it_claims_if_no_greenlet_could(tmp_path: Path) -> None:
    timer = Clock()
    queue = FolderQueue(tmp_path, timer=timer)
    queue.put({"id": "r"})
    queue.claim()
    [heartbeat] = (tmp_path / "owners").glob("*.json")
    first = heartbeat.read_bytes()
    queue.claim()
    assert heartbeat.read_bytes() == first
    timer.now += 15.0
    queue.claim()
    assert heartbeat.read_bytes() != first
    queue.close()


def test_an_owner_that_was_taken_for_dead_sends_what_it_has_and_no_more(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)
    [path] = tmp_path.glob("*.claim")
    path.rename(tmp_path / claim.item.name)  # as another host does after the lease
    claim.delivered()
    assert not list(tmp_path.glob("*.wsjf*"))  # nobody else had begun with it
    queue.close()


def test_files_of_owners_without_claims_are_swept_when_they_are_old(tmp_path: Path) -> None:
    folder = tmp_path / "owners"
    folder.mkdir()
    for name in ("00000001", "00000002"):
        (folder / f"{name}.lock").write_text("")
        beat = {"host": owners.this_host(), "pid": 1, "beat": 1, "locked": True}
        (folder / f"{name}.json").write_text(json.dumps(beat))
    (folder / "00000003.lock").write_text("")
    for name in ("00000001.lock", "00000003.lock"):
        os.utime(folder / name, (1.0, 1.0))
    FolderQueue(tmp_path).refresh()
    assert {path.stem for path in folder.iterdir()} == {"00000002"}  # may be about to be locked


def test_drafts_of_the_dead_are_swept_when_they_are_old(tmp_path: Path) -> None:
    old, new, strange = (f".{'0' * 16}.tmp", f".{'1' * 16}.tmp", ".strange.tmp")
    for name in (old, new, strange):
        (tmp_path / name).write_text("{")
        os.utime(tmp_path / name, (1.0, 1.0) if name != new else None)
    FolderQueue(tmp_path).refresh()
    assert {path.name for path in tmp_path.iterdir()} == {new, strange}


def test_without_locks_an_owner_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "try_lock", lambda _path: None)
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    assert queue.claim() is not None
    [heartbeat] = (tmp_path / "owners").glob("*.json")
    assert json.loads(heartbeat.read_bytes())["locked"] is False
    queue.close()
    assert not list((tmp_path / "owners").iterdir())


def test_a_reason_that_a_crash_left_before_the_move_is_removed(tmp_path: Path) -> None:
    room = tmp_path / "quarantine"
    room.mkdir()
    (room / "a.queued.reason.json").write_text("{}")
    timer = Clock()
    foreign_claim(tmp_path, ELSEWHERE)
    queue = FolderQueue(tmp_path, lease=1.0, timer=timer)
    queue.refresh()
    timer.now += 1.0
    assert take(queue).item_id == "a"
    assert not list(room.iterdir())
    queue.close()


def test_the_observer_forgets_the_buried(tmp_path: Path) -> None:
    timer = Clock()
    heartbeat = foreign_claim(tmp_path, ELSEWHERE)
    watching = observer.Observer(tmp_path, 1.0, timer)
    for _ in range(2):
        with watching.seize("0badf00d") as is_dead:
            if is_dead:
                watching.bury("0badf00d")
        timer.now += 1.0
    assert is_dead
    assert not heartbeat.exists()
    heartbeat.write_text(json.dumps(ELSEWHERE))
    with watching.seize("0badf00d") as is_dead:
        assert not is_dead


def test_what_a_dying_owner_claimed_after_the_look_comes_back_too(tmp_path: Path) -> None:
    timer = Clock()
    foreign_claim(tmp_path, ELSEWHERE)
    store = Store(tmp_path)
    recovery = Recovery(store, 1.0, None, timer)
    look = scan(tmp_path, ())
    assert recovery.run(look, None) == 0
    (tmp_path / "b.queued.0badf00d.claim").write_text("{}")
    timer.now += 1.0
    assert recovery.run(look, None) == 2


def test_who_comes_second_to_a_dead_owner_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign_claim(tmp_path, {**HERE, "locked": True})
    look = scan(tmp_path, ())
    first, second = (Recovery(Store(tmp_path), 60.0) for _ in range(2))
    assert first.run(look, None) == 1
    assert caplog.messages == ["Owner 0badf00d is dead; 1 of its 1 claims returned"]
    foreign_beat = owners.beat_path(tmp_path, "0badf00d")
    foreign_beat.write_text(json.dumps({**HERE, "locked": True}))
    owners.lock_path(tmp_path, "0badf00d").touch()
    assert second.run(look, None) == 0
    assert len(caplog.messages) == 1
    assert not foreign_beat.exists()


def test_a_lock_that_was_free_is_still_there_to_tell_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    present(owners.try_lock(path)).release()
    assert path.exists()  # Windows would remove it


HERE = {"host": owners.this_host(), "kernel": owners.this_kernel(), "pid": 1, "beat": 1}


def forbid(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.skipif(not owners.this_kernel(), reason="only Linux names its kernel")
def test_a_container_that_comes_back_under_a_new_name_finds_its_claims_at_once(
    tmp_path: Path,
) -> None:
    foreign_claim(tmp_path, {**HERE, "host": "4f1d2c3b4a59/", "locked": True})
    queue = FolderQueue(tmp_path)
    assert take(queue).item_id == "a"
    queue.close()
    assert not list((tmp_path / "owners").iterdir())


@pytest.mark.parametrize("reason", ["another user's", "another user's folder", "deleted"])
def test_a_lock_that_says_nothing_leaves_it_to_the_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    timer = Clock()
    foreign_claim(tmp_path, {**HERE, "locked": True})
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    if reason == "deleted":
        (tmp_path / "owners" / "0badf00d.lock").unlink()
    elif reason == "another user's folder":
        monkeypatch.setattr(observer, "try_lock", forbid)
    else:  # the tests may run as root, whom no mode keeps out
        monkeypatch.setattr(observer, "try_lock", lambda _path: None)
    assert queue.claim() is None
    assert queue.elsewhere()[:2] == (1, 60.0)
    timer.now += 60.0
    assert take(queue).item_id == "a"
    queue.close()


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError(),
        *(OSError(number, "no") for number in (errno.ENOSYS, errno.ENOLCK, errno.EACCES)),
        *(OSError(number, "no") for number in (errno.ENOSPC, errno.EIO)),
    ],
    ids=repr,
)
def test_where_a_lock_cannot_tell_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(owners.BaseFileLock, "acquire", failing(error))
    assert owners.try_lock(tmp_path / "x.lock") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has other locks")
def test_a_file_system_without_locks_gets_no_imitation_that_would_outlive_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", failing(OSError(errno.ENOSYS, "no locks here")))
    for _ in range(2):
        assert owners.try_lock(tmp_path / "x.lock") is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_who_cannot_even_look_takes_nobody_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Its heartbeat stands still, as of a process that is stopped, but it holds its lock."""
    timer = Clock()
    foreign_claim(tmp_path, {**HERE, "locked": True})
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    with monkeypatch.context() as patch:
        patch.setattr(owners.BaseFileLock, "acquire", failing(OSError(number, "exhausted")))
        for _ in range(3):
            assert queue.claim() is None
            assert queue.elsewhere().items == 1
            assert queue.elsewhere().waits is not None
            timer.now += 60.0
        for item in ("a", None):
            with pytest.raises(QueueFolderError, match="exhausted"):
                queue.release(item)
    timer.now += 1.0
    assert take(queue).item_id == "a"
    queue.close()


def test_a_lock_that_is_held_means_life_whatever_the_heartbeat_says(tmp_path: Path) -> None:
    timer = Clock()
    foreign_claim(tmp_path, ELSEWHERE)
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    lock = present(owners.try_lock(tmp_path / "owners" / "0badf00d.lock"))
    for _ in range(3):
        assert queue.claim() is None
        timer.now += 60.0
    elsewhere = queue.elsewhere()
    assert (elsewhere.items, elsewhere.waits) == (1, None)
    assert elsewhere.told == "1 held by owner 0badf00d (elsewhere, pid 1), which lives"
    lock.release()


def test_an_owner_that_beats_is_not_waited_for_until_it_stops(tmp_path: Path) -> None:
    timer = Clock()
    heartbeat = foreign_claim(tmp_path, ELSEWHERE)
    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    assert queue.elsewhere().waits == 60.0
    timer.now += 15.0
    heartbeat.write_text(json.dumps({**ELSEWHERE, "beat": 2}))
    assert queue.elsewhere().waits is None
    timer.now += 31.0
    assert queue.elsewhere().waits == 29.0
    assert "until" in present(queue.elsewhere().told)


def test_the_files_of_a_dead_owner_stay_until_all_its_claims_are_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = Clock()
    heartbeat = foreign_claim(tmp_path, {**HERE, "locked": True})
    rename = Path.rename

    def sometimes(self: Path, target: Path) -> Path:
        if self.name.endswith(".claim"):
            raise PermissionError(1, "not while another user's folder is sticky")
        return rename(self, target)

    queue = FolderQueue(tmp_path, lease=60.0, timer=timer)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", sometimes)
        assert queue.claim() is None
    assert heartbeat.exists()
    assert queue.elsewhere().items == 1
    timer.now += 1.0
    assert take(queue).item_id == "a"
    queue.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes; folders inherit their rights")
def test_folders_of_the_queue_are_as_open_as_the_queue(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    folder.mkdir()
    folder.chmod(0o2775)
    queue = FolderQueue(folder)
    queue.put({"id": "r"})
    take(queue).quarantine("bad")
    for room in ("owners", "quarantine"):
        assert (folder / room).stat().st_mode & 0o777 == 0o775
    queue.close()


def test_a_claim_is_freed_by_hand(tmp_path: Path) -> None:
    foreign_claim(tmp_path, ELSEWHERE)
    queue = FolderQueue(tmp_path)
    assert queue.claim() is None
    assert queue.release("a") == 1
    claim = take(queue)
    assert claim.item_id == "a"
    with pytest.raises(QueueItemError, match="lives on this machine"):
        queue.release("a")
    assert queue.release() == 0
    claim.release()
    with pytest.raises(QueueItemError, match="nobody has claimed it"):
        queue.release("a")
    queue.close()


def draft(folder: Path, name: str, text: str, age: float = 1000.0) -> Path:
    path = folder / f".0123abcd.{name}.tmp"
    path.write_text(text)
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    return path


NAME = "03-00000000000001-00000000-r.pending.wsjf"


def test_a_finished_draft_is_a_report_whose_name_the_power_failure_took(tmp_path: Path) -> None:
    draft(tmp_path, NAME, '{"id": "r"}')
    young = draft(tmp_path, NAME.replace("-r", "-s"), '{"id": "s"}', age=60.0)
    torn = draft(tmp_path, NAME.replace("-r", "-t"), '{"id": ')
    strange = draft(tmp_path, "mail", '{"id": "u"}')
    queue = FolderQueue(tmp_path)
    claim = take(queue)
    assert (claim.item_id, claim.item.priority, claim.load()) == ("r", 3, {"id": "r"})
    assert queue.claim() is None
    assert young.exists()
    assert not torn.exists()
    assert strange.exists()
    queue.close()


def test_a_draft_that_has_its_name_as_well_is_no_second_report(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"id": "r"}')
    draft(tmp_path, NAME, '{"id": "r"}')
    other = tmp_path / f".4567cdef.{NAME}.tmp"
    os.link(tmp_path / NAME, other)  # killed between the two steps of giving it its name
    queue = FolderQueue(tmp_path)
    take(queue).delivered()
    assert queue.claim() is None
    assert not [path for path in tmp_path.iterdir() if path.is_file()]
    queue.close()


def test_drafts_are_looked_for_again_in_a_service(tmp_path: Path) -> None:
    timer = Clock()
    queue = FolderQueue(tmp_path, timer=timer)
    queue.refresh()
    draft(tmp_path, NAME, '{"id": "r"}')
    timer.now += 600.0
    assert take(queue).item_id == "r"
    queue.close()


def test_the_draft_of_a_put_tells_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        drafts.extend(path.name for path in tmp_path.glob(".*.tmp"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    FolderQueue(tmp_path).put({"id": "r"}, item_id="x" * 200)
    [path] = tmp_path.glob("*.wsjf")
    assert drafts[0].endswith(f".{path.name}.tmp")
    assert len(os.fsencode(drafts[0])) <= 255
