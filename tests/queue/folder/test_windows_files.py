"""Files as Windows has them: names, lengths, cases, handles and clocks.

What can be had on every system runs on every system; the rest on Windows, and under Wine.
"""

import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scanner import OPERATIONS
from taking import take
from waiting import until

from pywats_green import FolderQueue
from pywats_green.exceptions import InvalidArgumentError, QueueFolderError
from pywats_green.queue.folder import names
from pywats_green.queue.folder.files import folder_error, move_new, write_small
from pywats_green.queue.folder.long_paths import extend, extended, plain

WINDOWS = os.name == "nt"
windows = pytest.mark.skipif(not WINDOWS, reason="only Windows holds an open file")

NOTHING = {"waiting": 0, "in_flight": 0, "quarantined": 0}


def whole_story(queue: FolderQueue, item_id: str) -> None:
    """Take a report through all its states, and so through all its names."""
    assert queue.put({"id": item_id, "n": 1}) == item_id
    take(queue).retry("once more", 0.0)
    assert queue.show(item_id)["attempts"] == 1
    take(queue).quarantine("bad")
    assert queue.show(item_id)["reason"] == "bad"
    assert queue.requeue(item_id) == 1
    claim = take(queue)
    assert claim.load() == {"id": item_id, "n": 1}
    claim.delivered()
    assert queue.counts() == NOTHING


@pytest.mark.parametrize(
    "item_id",
    ["CON", "aux", "Nul", "PRN.json", "com1", "LPT9", "COM²", "lpt³.x", "CONIN$", "conout$",
     "aux .txt", "trailing.", "trailing "],
)  # fmt: skip
def test_what_windows_reserves_names_no_file(tmp_path: Path, item_id: str) -> None:
    queue = FolderQueue(tmp_path)
    with pytest.raises(InvalidArgumentError, match="reserved on Windows"):
        queue.put({}, item_id=item_id)
    other = queue.put({"id": item_id})
    assert other != item_id
    assert take(queue).load() == {"id": item_id}
    queue.close()


@pytest.mark.parametrize(
    "item_id", ["CONSOLE", "com10", "aux-1", "nul_x", "CLOCK$", "~1", "a..b", "Größe Ω 日本", " a"]
)
def test_what_only_looks_reserved_goes_through_all_states(tmp_path: Path, item_id: str) -> None:
    queue = FolderQueue(tmp_path / "Prüfplatz 1")
    whole_story(queue, item_id)
    queue.close()


@pytest.fixture
def short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Windows refuse long paths, as it does by default; a runner may not, nor does Wine."""

    def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **options: Any) -> Any:
            for each in (path, *args[:1]):
                text = os.fspath(each) if isinstance(each, (str, os.PathLike)) else ""
                if len(text) > 259 and not text.startswith("\\\\?\\"):
                    raise FileNotFoundError(errno.ENOENT, "too long", text)
            return function(path, *args, **options)

        return call

    if WINDOWS:
        for operation in OPERATIONS:
            monkeypatch.setattr(os, operation, refusing(getattr(os, operation)))
        monkeypatch.setattr(io, "open", refusing(io.open))


@pytest.mark.parametrize("length", [100, 130, 180, 240])
@pytest.mark.usefixtures("short_paths")
def test_paths_beyond_260_characters_go_through_all_states(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder)) < length:
        folder /= "f" * min(100, max(1, length - len(str(folder)) - 1))
    for item_id in ("short", "i" * names.LONGEST_ID):
        queue = FolderQueue(folder)
        whole_story(queue, item_id)
        queue.close()
    queue = FolderQueue(folder)
    queue.put({"id": "x" * 150})
    [item] = queue.list()
    assert item.path == queue.path / item.path.name
    queue.discard("x" * 150)
    assert queue.counts() == NOTHING
    queue.close()


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        (r"C:\wats\queue", r"\\?\C:\wats\queue"),
        ("C:/wats/x/../queue/", r"\\?\C:\wats\queue"),
        (r"\\server\share\queue", r"\\?\UNC\server\share\queue"),
        (r"\\?\C:\wats", r"\\?\C:\wats"),
        (r"\\.\CON", r"\\.\CON"),
    ],
)
def test_a_folder_is_spelled_so_that_what_is_in_it_may_be_long(path: str, spelled: str) -> None:
    assert extend(path) == spelled
    assert extend(spelled) == spelled


@pytest.mark.parametrize("path", [r"C:\wats\queue", r"\\server\share\queue"])
def test_people_read_the_path_that_they_gave(path: str) -> None:
    error = folder_error("look", Path(extend(path)), PermissionError(13, "no", extend(path)))
    assert str(error) == f"Cannot look in the queue folder {path}: [Errno 13] no: {path!r}"
    assert plain(extend(path)) == path


def test_a_folder_that_cannot_be_is_told_of_without_the_spelling(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueFolderError) as caught:
        FolderQueue(tmp_path / "file" / "queue")
    assert "?" not in str(caught.value)
    assert str(tmp_path / "file" / "queue") in str(caught.value)


def test_ids_that_differ_in_case_alone_are_two_reports(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    bodies = [{"id": "Report-A"}, {"id": "report-a"}, {"id": "REPORT-A"}]
    for body in bodies:
        queue.put(body)
    claims = [take(queue) for _ in bodies]
    assert [claim.load() for claim in claims] == bodies
    for claim in claims:
        claim.quarantine("bad")
    assert queue.counts()["quarantined"] == 3
    assert queue.requeue() == 3
    assert [take(queue).load() for _ in bodies] == bodies
    queue.close()


def test_a_folder_in_another_case_is_the_same_queue(tmp_path: Path) -> None:
    folder = tmp_path / "Queue"
    first = FolderQueue(folder)
    first.put({"id": "r"})
    shouted = tmp_path / "QUEUE"
    if not shouted.exists():
        pytest.skip("this file system tells cases apart")
    second = FolderQueue(shouted)
    claim = take(first)
    assert claim.item_id == "r"
    assert second.claim() is None
    claim.delivered()
    second.refresh()
    assert second.counts() == NOTHING
    first.close()
    second.close()


def test_a_small_file_replaces_what_is_there(tmp_path: Path) -> None:
    path = extended(tmp_path) / "small"
    for text in (b"first", b"second"):
        write_small(path, text)
        assert path.read_bytes() == text
    assert os.listdir(tmp_path) == ["small"]  # noqa: PTH208


def test_a_new_name_replaces_nothing_whatever_its_case(tmp_path: Path) -> None:
    other = tmp_path / "taken"
    other.write_text("other")
    path = tmp_path / "mine"
    path.write_text("mine")
    for name in ("taken", "TAKEN") if (tmp_path / "TAKEN").exists() else ("taken",):
        with pytest.raises(FileExistsError):
            move_new(path, tmp_path / name)
    assert (other.read_text(), path.read_text()) == ("other", "mine")


@pytest.fixture
def open_report(tmp_path: Path) -> Iterator[tuple[FolderQueue, Path]]:
    queue = FolderQueue(tmp_path, scan_interval=0.01)
    queue.put({"id": "r"})
    [path] = tmp_path.glob("*.wsjf")
    yield queue, path
    queue.close()


@windows
@pytest.mark.usefixtures("impatient")
def test_a_report_that_is_really_open_waits_and_keeps_no_other(
    open_report: tuple[FolderQueue, Path],
) -> None:
    queue, path = open_report
    queue.put({"id": "s"})
    with path.open("rb"):
        with pytest.raises(PermissionError):
            path.rename(path.with_name("moved"))
        assert take(queue).item_id == "s"
        assert queue.claim() is None
    until(lambda: (claim := queue.claim()) is not None and claim.item_id == "r")


@windows
@pytest.mark.usefixtures("impatient")
def test_a_claimed_report_that_is_really_open_is_removed_later_and_sent_once(
    open_report: tuple[FolderQueue, Path], tmp_path: Path
) -> None:
    queue, _ = open_report
    claim = take(queue)
    with next(tmp_path.glob("*.claim")).open("rb") as file:
        claim.delivered()
        assert queue.claim() is None
        assert Path(file.name).exists()
    queue.refresh()
    assert queue.counts() == NOTHING
    assert not list(tmp_path.glob("*.wsjf*"))


class Ticking:
    """A clock that stands still for 15.6 ms, as that of Windows does."""

    TICK = 0.015625

    def __init__(self) -> None:
        self._reads = 0

    def __call__(self) -> float:
        self._reads += 1
        return 1e9 + self._reads // 50 * self.TICK


def test_the_order_does_not_need_a_clock_that_always_goes_on(tmp_path: Path) -> None:
    clock = Ticking()
    queue = FolderQueue(tmp_path, clock=clock, timer=clock)
    ids = [str(number) for number in range(100)]
    for item_id in ids:
        queue.put({"id": item_id})
    queue.close()
    queue = FolderQueue(tmp_path, clock=clock, timer=clock)
    assert [take(queue).item_id for _ in ids] == ids
    queue.close()


def test_what_others_put_within_one_tick_is_found(tmp_path: Path) -> None:
    clock = Ticking()
    queue = FolderQueue(tmp_path, clock=clock)
    queue.put({"id": "first"})
    [path] = tmp_path.glob("*.wsjf")
    tick = tmp_path.stat()
    queue.refresh()
    (tmp_path / "theirs.queued").write_bytes(path.read_bytes().replace(b"first", b"other"))
    os.utime(tmp_path, ns=(tick.st_atime_ns, tick.st_mtime_ns))
    queue.refresh()
    assert {take(queue).item_id for _ in range(2)} == {"first", "theirs"}
    queue.close()
