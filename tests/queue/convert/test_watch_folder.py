"""WatchFolder: when a file is complete. Time is turned by hand."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pywats_green.queue.convert.sharing import is_open_elsewhere
from pywats_green.queue.convert.watch_folder import SETTLE, SourceFile, WatchFolder, has_changed

LONG_AGO = 1_000_000.0
SCAN = 0.25  # seconds between two looks
OS = "pywats_green.queue.convert.watch_folder.os"


class Timer:
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
def timer() -> Timer:
    return Timer()


@pytest.fixture
def folder(tmp_path: Path, timer: Timer) -> WatchFolder:
    return WatchFolder(tmp_path, settle=1.0, timer=timer)


def test_ten_seconds_unless_told_otherwise(tmp_path, timer):
    folder = WatchFolder(tmp_path, timer=timer)
    write(tmp_path / "a.txt", "x")
    assert folder.look() == ([], 1)
    timer.now += 9.9
    assert folder.look() == ([], 1)
    timer.now += 0.1
    assert complete(folder) == ["a.txt"]
    assert SETTLE == 10.0


@pytest.mark.parametrize("server_clock", [-10_000.0, -5.0, 0.0, 5.0, 10_000.0])
@pytest.mark.parametrize("pause", [1.6, 9.0])
def test_a_tester_that_pauses_between_lines(tmp_path, timer, server_clock, pause):
    folder = WatchFolder(tmp_path, timer=timer)
    path, lines, started = tmp_path / "a.csv", 4, timer.now
    text = ""
    while len(text) < lines:
        text += "x"
        write(path, text, time.time() + server_clock + timer.now - started)
        for _ in range(round(pause / SCAN)):
            assert complete(folder) == []
            timer.now += SCAN
    while not (found := folder.look().complete):
        timer.now += SCAN
    assert found[0].path.stat().st_size == lines
    assert timer.now - started == (lines - 1) * round(pause / SCAN) * SCAN + SETTLE


@pytest.mark.parametrize("change", ["size", "mtime"])
def test_size_and_mtime_must_both_stand_still(folder, tmp_path, timer, change):
    for number in range(1, 4):
        text = "x" * number if change == "size" else "x"
        write(tmp_path / "a.txt", text, LONG_AGO if change == "size" else LONG_AGO + number)
        assert folder.look() == ([], 1)
        timer.now += 0.9
    assert complete(folder) == []
    timer.now += 0.1
    assert complete(folder) == ["a.txt"]


def test_the_oldest_comes_first(folder, tmp_path, timer):
    write(tmp_path / "b.txt", "x", LONG_AGO)
    write(tmp_path / "a.txt", "x", LONG_AGO + 1)
    folder.look()
    timer.now += 1
    assert complete(folder) == ["b.txt", "a.txt"]


def test_a_slow_scan_shortens_no_wait(folder, tmp_path, timer, monkeypatch):
    """On a network drive: a file stands still from the moment when it was seen itself."""
    for name in ("a.txt", "b.txt"):
        write(tmp_path / name, "x")

    def slow(path: str) -> os.stat_result:
        timer.now += 0.6
        return os.stat(path)  # noqa: PTH116

    with monkeypatch.context() as patch:
        patch.setattr(OS, SimpleNamespace(scandir=os.scandir, stat=slow))
        assert folder.look() == ([], 2)
    timer.now += 0.5
    assert len(complete(folder)) == 1
    timer.now += 0.5
    assert len(complete(folder)) == 2


def test_what_is_not_looked_at(tmp_path):
    found = WatchFolder(tmp_path, ["*.CSV"], 0.0)
    for name in ("a.csv", "B.Csv", "c.txt", ".hidden.csv", "~lock.csv", "d.csv.part", "e.tmp"):
        write(tmp_path / name, "x")
    (tmp_path / "folder.csv").mkdir()
    assert sorted(complete(found)) == ["B.Csv", "a.csv"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("target", ["b.txt", "gone.txt"], ids=["loop", "dangling"])
def test_a_link_that_leads_nowhere_holds_up_nobody(tmp_path, target):
    write(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").symlink_to(target)
    folder = WatchFolder(tmp_path, settle=0.0)
    look = folder.look()
    assert [source.path.name for source in look.complete] == ["a.txt"]
    assert look.unfinished == 0


def test_what_changed_or_went_cannot_be_taken(folder, tmp_path):
    path = tmp_path / "a.txt"
    write(path, "x")
    source = SourceFile(path, (1, int(LONG_AGO * 1e9)))
    assert folder.can_be_taken(source)
    assert not has_changed(source)
    write(path, "xy")
    assert not folder.can_be_taken(source)
    assert has_changed(source)
    path.unlink()
    assert not folder.can_be_taken(source)
    assert not has_changed(source)


def test_what_another_program_has_open_cannot_be_taken(tmp_path):
    write(tmp_path / "a.txt", "x")
    held = [str(tmp_path / "a.txt")]
    folder = WatchFolder(tmp_path, settle=0.0, is_open_elsewhere=held.__contains__)
    source = folder.look().complete[0]
    assert not folder.can_be_taken(source)
    held.clear()
    assert folder.can_be_taken(source)


@pytest.mark.parametrize("function", ["scandir", "stat"])
def test_a_folder_that_is_held_for_a_moment(folder, tmp_path, timer, monkeypatch, function):
    write(tmp_path / "a.txt", "x")
    real, refusals = getattr(os, function), [PermissionError(13, "in use")] * 2

    def held(path: object) -> object:
        if refusals:
            raise refusals.pop()
        return real(path)

    functions = {"scandir": os.scandir, "stat": os.stat, function: held}
    monkeypatch.setattr(OS, SimpleNamespace(**functions))
    assert folder.look() == ([], 1)
    assert refusals == []


def refused(number: int) -> OSError:
    error = PermissionError(13, "refused")
    error.winerror = number  # type: ignore[attr-defined]  # Windows has it
    return error


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [
        ([], False),
        ([refused(32)], True),  # somebody has it open
        ([refused(33)], True),  # or locks a part of it
        ([refused(5)], False),  # it is read-only, and nobody has it open
        ([refused(5), refused(32)], True),
        ([refused(5), refused(5)], False),  # nobody may read it, which its conversion will say
        ([FileNotFoundError(2, "gone")], False),
    ],
)
def test_how_windows_tells_that_a_file_is_open(refusals, expected):
    opened: list[tuple[object, ...]] = []
    left = refusals.copy()

    def create_file(*args: object) -> str:
        opened.append(args)
        if left:
            raise left.pop(0)
        return "handle"

    closed: list[str] = []
    winapi = SimpleNamespace(CreateFile=create_file, CloseHandle=closed.append)
    assert is_open_elsewhere("a.txt", winapi) is expected
    assert opened[0][:3] == ("a.txt", 0xC0000000, 0)  # for reading and writing, with no sharing
    assert len(closed) == len(opened) - len(refusals)


@pytest.mark.skipif(os.name == "nt", reason="Windows tells")
def test_other_systems_do_not_tell(tmp_path):
    with (tmp_path / "a.txt").open("w"):
        assert not is_open_elsewhere(str(tmp_path / "a.txt"))
