"""FinishedFiles: where finished files go, and what if they change there. Time is turned by hand."""

import os
import time
from pathlib import Path

import pytest
from platforms import WINE

from pywats_green.queue.convert.finished import AFTERWARDS, FinishedFiles
from pywats_green.queue.convert.watch_folder import SourceFile, WatchFolder


class Timer:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def finished(tmp_path: Path, timer: Timer) -> FinishedFiles:
    made = FinishedFiles(tmp_path, timer=timer)
    made.prepare()
    return made


def source_of(folder: Path, name: str, text: str = "x") -> SourceFile:
    (folder / name).write_text(text)
    return WatchFolder(folder, settle=0.0).look().complete[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_nothing_in_done_and_error_is_ever_overwritten(finished, tmp_path):
    for number in range(3):
        finished.finish(source_of(tmp_path, "a.b.txt", f"done {number}"))
        finished.fail(source_of(tmp_path, "a.b.txt", f"error {number}"), f"reason {number}")
    done = list((tmp_path / "done").iterdir())
    assert sorted(path.read_text() for path in done) == ["done 0", "done 1", "done 2"]
    assert {path.suffix for path in done} == {".txt"}
    for path in (tmp_path / "error").glob("*.txt.reason.txt"):
        source = path.with_name(path.name.removesuffix(".reason.txt"))
        assert source.read_text()[-1] == path.read_text()[-1]
    assert len(names(tmp_path / "error")) == 6


@pytest.mark.parametrize("name", ["done", "error"])
def test_folders_that_someone_tidied_away_come_back(finished, tmp_path, name):
    (tmp_path / name).rmdir()
    source = source_of(tmp_path, "a.txt")
    if name == "done":
        finished.finish(source)
    else:
        finished.fail(source, "reason")
    assert (tmp_path / name / "a.txt").exists()


def test_a_file_that_someone_took_away_is_no_error(finished, tmp_path):
    source = source_of(tmp_path, "a.txt")
    source.path.unlink()
    finished.finish(source)
    finished.fail(source, "its reason is kept")
    assert names(tmp_path / "error") == ["a.txt.reason.txt"]
    assert finished.bring_back(at_once=True) == []


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_no_text_can_hold(finished, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    with open(path, "wb"):  # noqa: PTH123
        pass
    source = WatchFolder(tmp_path, settle=0.0).look().complete[0]
    finished.fail(source, "reason with \udcff in it")
    assert len(names(tmp_path / "error")) == 2


@pytest.mark.skipif(os.name == "nt", reason="paths that long are an option there")
@pytest.mark.parametrize(
    "name",
    [
        "a" * 246 + ".csv",
        "a" * 251 + ".csv",
        "ä" * 125 + ".csv",
        "a." + "b" * 248,  # a type of 249 bytes
    ],
)
def test_a_name_of_250_bytes_and_more(finished, tmp_path, name):
    for number in range(3):
        finished.finish(source_of(tmp_path, name, f"done {number}"))
        finished.fail(source_of(tmp_path, name, f"error {number}"), f"reason {number}\n")
    done, error = tmp_path / "done", tmp_path / "error"
    assert name in names(done)
    assert sorted(path.read_text() for path in done.iterdir()) == ["done 0", "done 1", "done 2"]
    notes = sorted(error.glob("*.reason.txt"))
    assert len(notes) == 3
    for note in notes:
        number = (error / note.name.removesuffix(".reason.txt")).read_text()[-1]
        assert note.read_text() == (
            f"reason {number}\n\nThe name was too long for this folder. It was: {name}\n"
        )
    if name.endswith(".csv"):
        assert {path.suffix for path in done.iterdir()} == {".csv"}


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be moved there")
@pytest.mark.parametrize("folder", ["done", "error"])
def test_a_moved_file_that_is_still_written_to_comes_back(finished, tmp_path, timer, folder):
    with (tmp_path / "a.txt").open("w") as file:
        file.write("line 1\n")
        file.flush()
        source = WatchFolder(tmp_path, settle=0.0).look().complete[0]
        if folder == "done":
            finished.finish(source)
        else:
            finished.fail(source, "there is no line 2")
        file.write("line 2\n")
        file.flush()
        assert finished.bring_back() == []  # it is looked at once, after a minute
        timer.now += AFTERWARDS
        assert finished.bring_back() == ["a.txt"]
        file.write("line 3\n")
    assert (tmp_path / "a.txt").read_text() == "line 1\nline 2\nline 3\n"
    assert names(tmp_path / folder) == []
    timer.now += AFTERWARDS
    assert finished.bring_back(at_once=True) == []


def test_a_moved_file_that_stands_still_stays(finished, tmp_path, timer):
    finished.finish(source_of(tmp_path, "a.txt"))
    timer.now += AFTERWARDS
    assert finished.bring_back() == []
    (tmp_path / "done" / "a.txt").write_text("edited by a person, much later")
    assert finished.bring_back(at_once=True) == []


def test_at_the_end_all_are_looked_at(finished, tmp_path):
    for name in ("a.txt", "b.txt"):
        finished.finish(source_of(tmp_path, name))
    (tmp_path / "done" / "b.txt").write_text("more")
    assert finished.bring_back(at_once=True) == ["b.txt"]
    assert names(tmp_path) == ["b.txt"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_of_the_name_is_not_overwritten(finished, tmp_path, monkeypatch, has_links):
    def link(path: Path, target: Path) -> None:
        raise OSError(1, "not on this disk")

    if not has_links:
        monkeypatch.setattr("pywats_green.queue.convert.finished.os.link", link)
    finished.finish(source_of(tmp_path, "a.txt"))
    (tmp_path / "done" / "a.txt").write_text("more")
    (tmp_path / "a.txt").write_text("new")
    assert finished.bring_back(at_once=True) == []
    assert (tmp_path / "a.txt").read_text() == "new"
    (tmp_path / "a.txt").unlink()
    assert finished.bring_back(at_once=True) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "more"


def test_a_disk_that_refuses_is_asked_again(finished, tmp_path, timer, monkeypatch):
    """What it refuses holds up no other file."""
    for name in ("a.txt", "b.txt"):
        finished.finish(source_of(tmp_path, name))
        (tmp_path / "done" / name).write_text("more")
    asked: list[str] = []

    def refuse(source: SourceFile) -> bool:
        asked.append(source.path.name)
        raise OSError(5, "Input/output error")

    timer.now += AFTERWARDS
    with monkeypatch.context() as patch:
        patch.setattr("pywats_green.queue.convert.finished.has_changed", refuse)
        assert finished.bring_back() == []
    assert asked == ["a.txt"]
    assert finished.bring_back() == ["b.txt"]
    timer.now += AFTERWARDS
    assert finished.bring_back() == ["a.txt"]


@pytest.mark.parametrize(("keep", "left"), [(None, {"a.csv", "b.csv"}), (3600.0, {"b.csv"})])
def test_what_was_done_long_ago_is_deleted_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: float | None, left: set[str]
) -> None:
    now, real = [1000.0], time.time()
    made = FinishedFiles(tmp_path, keep_done=keep, timer=lambda: now[0])
    made.prepare()
    (tmp_path / "done" / "a.csv").write_text("1")
    (tmp_path / "done" / "folder").mkdir()
    (tmp_path / "error" / "c.csv").write_text("3")
    monkeypatch.setattr("pywats_green.queue.convert.finished.time.time", lambda: real + 3601)
    (tmp_path / "b.csv").write_text("2")
    status = (tmp_path / "b.csv").stat()
    signature = (status.st_size, status.st_mtime_ns)
    made.finish(SourceFile(tmp_path / "b.csv", signature))  # which may still change
    assert made.expire() == 2 - len(left)
    assert {path.name for path in (tmp_path / "done").iterdir()} == left | {"folder"}
    assert (tmp_path / "error" / "c.csv").exists()
    assert made.expire() == 0  # not before ten minutes have passed


def test_looking_for_what_was_done_long_ago_ends_no_run(tmp_path: Path) -> None:
    made = FinishedFiles(tmp_path, keep_done=3600.0)
    assert made.expire() == 0  # someone has removed `done`


@pytest.mark.parametrize(
    "moves_show",
    [
        pytest.param(
            True, marks=pytest.mark.skipif(os.name == "nt", reason="its ctime is the creation")
        ),
        pytest.param(
            False, marks=pytest.mark.skipif(WINE, reason="WINE counts its own look as an access")
        ),
    ],
)
def test_an_old_file_stays_in_done_from_its_move_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves_show: bool
) -> None:
    monkeypatch.setattr("pywats_green.queue.convert.finished._MOVES_SHOW", moves_show)
    path = tmp_path / "a.txt"
    path.write_text("one")
    os.utime(path, (1.0, 1.0))
    made = FinishedFiles(tmp_path, keep_done=3600.0)
    made.prepare()
    made.finish(SourceFile(path, (3, 1_000_000_000)))
    moved = tmp_path / "done" / "a.txt"
    made._moved.clear()  # its minute is over
    assert made.expire() == 0
    assert moved.stat().st_mtime == 1.0
    if not moves_show:
        os.utime(moved, (1.0, 1.0))
        made._expired_at = None
        assert made.expire() == 1
