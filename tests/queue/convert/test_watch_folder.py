"""WatchFolder: when a file is complete, and where it goes. Time is turned by hand."""

import os
from pathlib import Path

import pytest

from pywats_green.queue.convert.watch_folder import WatchFolder, has_changed

LONG_AGO = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, text: str, mtime: float = LONG_AGO) -> None:
    path.write_text(text)
    os.utime(path, (mtime, mtime))


def complete(folder: WatchFolder) -> list[str]:
    return [source.path.name for source in folder.look().complete]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> WatchFolder:
    found = WatchFolder(tmp_path, settle=1.0, wall_clock=lambda: LONG_AGO + clock.now, clock=clock)
    found.prepare()
    return found


def test_an_old_file_is_complete_at_once(folder, tmp_path):
    write(tmp_path / "b.txt", "x", LONG_AGO)
    write(tmp_path / "a.txt", "x", LONG_AGO + 1)
    assert complete(folder) == ["b.txt", "a.txt"]  # the oldest first


def test_a_file_that_grows_is_not(folder, tmp_path, clock):
    future = LONG_AGO + 10_000  # the clock of another machine
    for size in range(1, 4):
        write(tmp_path / "a.txt", "x" * size, future)
        assert folder.look() == ([], 1)
        clock.now += 0.9
    assert complete(folder) == []
    clock.now += 0.2
    assert complete(folder) == ["a.txt"]


def test_a_young_file_has_to_wait_by_its_own_time(folder, tmp_path, clock):
    write(tmp_path / "a.txt", "x", LONG_AGO + clock.now - 0.5)
    assert folder.look().unfinished == 1
    clock.now += 0.6
    assert complete(folder) == ["a.txt"]


def test_what_is_not_looked_at(tmp_path):
    found = WatchFolder(tmp_path, ["*.CSV"], 0.0)
    for name in ("a.csv", "B.Csv", "c.txt", ".hidden.csv", "~lock.csv", "d.csv.part", "e.tmp"):
        write(tmp_path / name, "x")
    (tmp_path / "folder.csv").mkdir()
    assert sorted(complete(found)) == ["B.Csv", "a.csv"]


def test_nothing_in_done_and_error_is_ever_overwritten(folder, tmp_path):
    for number in range(3):
        write(tmp_path / "a.b.txt", f"done {number}")
        folder.finish(folder.look().complete[0])
        write(tmp_path / "a.b.txt", f"error {number}")
        folder.fail(folder.look().complete[0], f"reason {number}")
    done = list((tmp_path / "done").iterdir())
    assert sorted(path.read_text() for path in done) == ["done 0", "done 1", "done 2"]
    assert {path.suffix for path in done} == {".txt"}
    for path in (tmp_path / "error").glob("*.txt.reason.txt"):
        source = path.with_name(path.name.removesuffix(".reason.txt"))
        assert source.read_text()[-1] == path.read_text()[-1]
    assert len(list((tmp_path / "error").iterdir())) == 6


def test_folders_that_someone_tidied_away_come_back(folder, tmp_path):
    for name in ("done", "error"):
        (tmp_path / name).rmdir()
        write(tmp_path / "a.txt", "x")
        source = folder.look().complete[0]
        if name == "done":
            folder.finish(source)
        else:
            folder.fail(source, "reason")
        assert (tmp_path / name / "a.txt").exists()


def test_has_changed(folder, tmp_path):
    write(tmp_path / "a.txt", "x")
    source = folder.look().complete[0]
    assert not has_changed(source)
    write(tmp_path / "a.txt", "xy")
    assert has_changed(source)
    source.path.unlink()
    assert not has_changed(source)


def test_a_file_that_someone_took_away_is_no_error(folder, tmp_path):
    write(tmp_path / "a.txt", "x")
    source = folder.look().complete[0]
    source.path.unlink()
    folder.finish(source)
    folder.fail(source, "its reason is kept")
    assert [path.name for path in (tmp_path / "error").iterdir()] == ["a.txt.reason.txt"]


def test_a_name_that_no_text_can_hold(folder, tmp_path):
    if os.name == "nt":
        pytest.skip("names are text there")
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    with open(path, "wb"):  # noqa: PTH123
        pass
    os.utime(path, (LONG_AGO, LONG_AGO))
    folder.fail(folder.look().complete[0], "reason with \udcff in it")
    assert len(list((tmp_path / "error").iterdir())) == 2
