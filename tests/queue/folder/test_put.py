"""FolderQueue.put: on disk when it returns, or an error and nothing."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import gevent
import pytest
from filelock import Timeout
from platforms import PATIENCE
from taking import take
from waiting import until

from pywats_green.exceptions import (
    ArgumentTypeError,
    InvalidArgumentError,
    PywatsGreenError,
    QueueFolderError,
    QueueItemError,
    UnreadableReportError,
)
from pywats_green.queue.folder import ids, store
from pywats_green.queue.folder.files import Draft
from pywats_green.queue.folder.ids import Ids
from pywats_green.queue.folder.queue import FolderQueue

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")


def bodies(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.pending.wsjf"))]


def notes(folder: Path) -> list[Path]:
    return [path for path in (folder / "ids").iterdir() if path.suffix != ".lock"]


class Model:
    """As a report of pywats."""

    def __init__(self, **values: object) -> None:
        self.values = values

    def model_dump(self, *, mode: str, by_alias: bool, exclude_none: bool) -> dict[str, object]:
        assert (mode, by_alias, exclude_none) == ("json", True, True)
        return self.values


def test_it_is_on_disk_when_put_returns(tmp_path: Path) -> None:
    item_id = FolderQueue(tmp_path).put({"id": "r1", "sn": "S"})
    assert item_id == "r1"
    assert bodies(tmp_path) == [{"id": "r1", "sn": "S"}]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "report",
    [
        {"sn": "Ø"},
        '{"sn": "Ø"}',
        '{"sn": "Ø"}'.encode(),
        bytearray('{"sn": "Ø"}'.encode()),
        Model(sn="Ø"),
        {"sn": "Ø", "id": ""},
        {"sn": "Ø", "id": None},
    ],
    ids=["dict", "text", "bytes", "bytearray", "model", "empty id", "null id"],
)
def test_a_report_without_an_id_gets_one_before_it_is_written(
    tmp_path: Path, report: object
) -> None:
    item_id = FolderQueue(tmp_path).put(report)
    assert bodies(tmp_path) == [{"sn": "Ø", "id": item_id}]
    assert str(uuid.UUID(item_id)) == item_id


def test_what_is_put_in_is_not_changed(tmp_path: Path) -> None:
    report = {"sn": "S"}
    FolderQueue(tmp_path).put(report)
    assert report == {"sn": "S"}


def test_text_with_an_id_is_kept_to_the_letter(tmp_path: Path) -> None:
    text = '{ "id": "x",  "v": 1.10 }'
    FolderQueue(tmp_path).put(text)
    assert next(tmp_path.glob("*.pending.wsjf")).read_text() == text


def test_an_item_id_names_the_item_and_leaves_the_report_alone(tmp_path: Path) -> None:
    assert FolderQueue(tmp_path).put({"id": "inside"}, item_id="Ångström 7") == "Ångström 7"
    assert bodies(tmp_path) == [{"id": "inside"}]


def test_an_id_of_the_report_that_cannot_name_a_file_is_kept_inside(tmp_path: Path) -> None:
    item_id = FolderQueue(tmp_path).put({"id": "../evil"})
    assert str(uuid.UUID(item_id)) == item_id
    assert bodies(tmp_path) == [{"id": "../evil"}]


@pytest.mark.parametrize(
    "item_id",
    ["../evil", "a/b", "a\\b", "a\0b", "x" * 201, "Ø" * 101, "", ".", "..", "a.", "a ", "CON",
     "nul.txt", "com1", "a:b", "a\nb", "\ud800"],
)  # fmt: skip
def test_an_id_that_cannot_name_a_file_is_refused(tmp_path: Path, item_id: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot name a file"):
        FolderQueue(tmp_path / "q").put({}, item_id=item_id)
    assert list(tmp_path.rglob("*")) == [tmp_path / "q"]


def test_the_longest_id_passes_every_state(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({}, item_id="x" * 200)
    claim = take(queue)
    claim.retry("once more", 0.0)
    take(queue).quarantine("bad")
    assert queue.requeue("x" * 200) == 1
    take(queue).delivered()
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 0}
    queue.close()


@pytest.mark.parametrize(
    "options", [{"item_id": 7}, {"priority": "5"}, {"priority": 1.5}, {"priority": None}]
)
def test_an_argument_of_the_wrong_type_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError, match=next(iter(options))):
        FolderQueue(tmp_path).put({}, **options)


@pytest.mark.parametrize("priority", [0, 11])
def test_a_priority_out_of_range_is_refused(tmp_path: Path, priority: int) -> None:
    with pytest.raises(InvalidArgumentError, match="1 .first. to 10"):
        FolderQueue(tmp_path).put({}, priority=priority)


@pytest.mark.parametrize("report", ["", "{", "[1]", b"\xff\xfe{", "null", "[" * 100_000])
def test_text_that_is_no_report_is_refused(tmp_path: Path, report: object) -> None:
    with pytest.raises(UnreadableReportError):
        FolderQueue(tmp_path).put(report)
    assert not list(tmp_path.iterdir())


def _endless() -> dict[str, Any]:
    report: dict[str, Any] = {}
    report["self"] = report
    return report


@pytest.mark.parametrize("report", [None, 5, [1]])
def test_what_is_no_report_is_refused(tmp_path: Path, report: object) -> None:
    with pytest.raises(ArgumentTypeError, match="a report is a dict"):
        FolderQueue(tmp_path).put(report)


@pytest.mark.parametrize("report", [{"a": object()}, {1j: 2}, _endless()])
def test_what_json_has_not_is_refused(tmp_path: Path, report: object) -> None:
    with pytest.raises(InvalidArgumentError):
        FolderQueue(tmp_path).put(report)
    assert not list(tmp_path.iterdir())


@LINUX
def test_file_and_folder_are_synced_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def note_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("folder" if is_folder else "file")
        fsync(descriptor)

    def note_link(path: Path, target: Path) -> None:
        steps.append("name")
        link(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    FolderQueue(tmp_path).put({})
    assert steps == ["file", "name", "folder"]


NativeEvent = gevent.monkey.get_original("threading", "Event")


def test_others_go_on_while_the_disk_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = NativeEvent()
    monkeypatch.setattr(os, "fsync", lambda _descriptor: go_on.wait(60))
    queue = FolderQueue(tmp_path)
    putter = gevent.spawn(queue.put, {})
    gevent.spawn(go_on.set)  # which nobody could, were the hub the one that syncs
    assert putter.get(timeout=30)


@pytest.mark.parametrize("step", ["file", "folder"])
def test_a_disk_that_cannot_sync_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    queue = FolderQueue(tmp_path)
    if step == "file":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("pywats_green.queue.folder.store.sync_folder", fail)
    with pytest.raises(QueueFolderError, match="Cannot write a report in the queue folder"):
        queue.put({})
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    queue.put({})
    assert queue.counts()["waiting"] == 1


@pytest.mark.parametrize("step", [1, pytest.param(2, marks=LINUX)])  # the folder, last
def test_a_killed_put_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    go_on, count = NativeEvent(), []

    def slow(descriptor: int) -> None:
        count.append(descriptor)
        if len(count) == step:
            go_on.wait(60)

    queue = FolderQueue(tmp_path)
    queue.counts()
    monkeypatch.setattr(os, "fsync", slow)
    putter = gevent.spawn(queue.put, {})
    until(lambda: len(count) == step)
    putter.kill()
    go_on.set()
    gevent.get_hub().threadpool.join()
    assert not list(tmp_path.iterdir())


@LINUX
def test_a_full_disk_raises_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, sys
from pywats_green.exceptions import QueueFolderError
from pywats_green.queue.folder.queue import FolderQueue
queue = FolderQueue(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
queue.put({"id": "small"})
try:
    queue.put({"id": "large", "pad": "x" * 100_000})
except QueueFolderError as error:
    print(error.errno, error)
queue.put({"id": "after"})
"""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
        env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("27 Cannot write")
    assert not answer.stderr
    assert {body["id"] for body in bodies(tmp_path)} == {"small", "after"}
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("")
    with pytest.raises(QueueFolderError) as caught:
        FolderQueue(tmp_path / "q")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, PywatsGreenError)


def test_a_folder_that_vanishes_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    queue = FolderQueue(folder)
    queue.put({"id": "1"})
    queue.refresh()
    folder.rename(tmp_path / "away")
    with pytest.raises(QueueFolderError):
        queue.put({"id": "2"})
    with pytest.raises(QueueFolderError):
        queue.refresh()
    with pytest.raises(QueueFolderError):
        queue.claim()
    with pytest.raises(QueueFolderError):
        queue.list()
    (tmp_path / "away").rename(folder)
    claim = take(queue)
    assert claim.load() == {"id": "1"}
    queue.close()


def test_the_order_survives_a_restart_and_a_clock_that_jumps_back(tmp_path: Path) -> None:
    now = 2_000_000.0
    for number in range(6):
        FolderQueue(tmp_path, clock=lambda: now).put({"id": str(number)})  # noqa: B023
        now -= 100_000.0
    queue = FolderQueue(tmp_path)
    assert [take(queue).item_id for _ in range(6)] == list("012345")
    queue.close()


def at_once(folder: Path) -> FolderQueue:
    """A queue whose clock stands still, so that names collide."""
    return FolderQueue(folder, clock=lambda: 4_000_000_000.0)


@pytest.mark.parametrize("has_links", [True, False])
def test_two_puts_of_one_id_at_one_moment_never_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:

        def refuse(*_args: object) -> None:
            raise OSError(errno.ENOTSUP, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Ids, "note", lambda *_args: True)  # as if both had noted it
    assert at_once(tmp_path).put({"id": "r", "v": 1}) == "r"
    assert at_once(tmp_path).put({"id": "r", "v": 1}) == "r"  # the same report
    with pytest.raises(QueueItemError, match="another report of this id"):
        at_once(tmp_path).put({"id": "r", "v": 2})
    at_once(tmp_path).put({"id": "s", "v": 2})
    assert bodies(tmp_path) == [{"id": "r", "v": 1}, {"id": "s", "v": 2}]
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


@pytest.mark.parametrize(
    "report",
    [
        {"v": float("nan")},
        {"v": [float("inf")]},
        {"v": "\ud800"},
        {"\udfff": 1},
        {"v": "\U0001f600", "w": "\ude00"},
        '{"v": "\ud800"}',
        b'{"v": "\\ud800"}',
        b'{"v": "\\uDFFF"}',
    ],
)
def test_what_no_request_could_carry_is_refused_where_it_is_put(
    tmp_path: Path, report: object
) -> None:
    with pytest.raises(InvalidArgumentError):
        FolderQueue(tmp_path).put(report)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("report", "place"),
    [
        ({"v": float("nan")}, "v"),
        ({"steps": [{"v": 1.0}, {"v": float("inf")}]}, r"steps\[1\].v"),
        ({"steps": [1.0, {"name": "\ud800"}]}, r"steps\[1\].name"),
        ({"steps": {"at": object()}}, "steps.at"),
    ],
)
def test_the_error_says_where_what_cannot_be_written_stands(
    tmp_path: Path, report: object, place: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f", at {place}$"):
        FolderQueue(tmp_path).put(report)


@pytest.mark.parametrize("text", ['{"v": NaN}', '{"v": -Infinity}'])
def test_numbers_that_json_has_not_are_refused_in_text_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableReportError, match="JSON has no"):
        FolderQueue(tmp_path).put(text)


def test_escaped_pairs_and_backslashes_are_good_unicode(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"v": "\U0001f600 \\ud800"})
    queue.put('{"v": "\\ud83d\\ude00 \\\\ud800"}')
    assert [body["v"] for body in bodies(tmp_path)] == ["\U0001f600 \\ud800"] * 2


def test_broken_text_is_shown_from_its_start(tmp_path: Path) -> None:
    with pytest.raises(UnreadableReportError, match="it starts with 'reports/r1.json'"):
        FolderQueue(tmp_path).put("reports/r1.json")


@pytest.mark.parametrize("where", ["waiting", "claimed"])
def test_an_id_that_is_in_the_queue_is_the_same_report_or_refused(
    tmp_path: Path, where: str
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r", "v": 1})
    if where == "claimed":
        queue.claim()
    other = FolderQueue(tmp_path)  # of another process
    assert other.put({"id": "r", "v": 1}) == "r"
    assert other.put('{"id":"r","v":1}', priority=1) == "r"
    assert [(item.item_id, item.state) for item in other.list()] == [("r", where)]
    with pytest.raises(QueueItemError, match="another report of the id 'r' is in the queue: 05-"):
        other.put({"id": "r", "v": 2})
    assert len(other.list()) == 1
    queue.close()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The locks of ids that were found held."""
    found: list[Path] = []
    try_lock = ids.try_lock

    def watched(path: Path) -> object:
        try:
            return try_lock(path)
        except Timeout:
            found.append(path)
            raise

    monkeypatch.setattr(ids, "try_lock", watched)
    return found


@pytest.mark.parametrize("same", [True, False])
def test_two_puts_of_one_id_do_not_take_each_other_for_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: list[Path], same: bool
) -> None:
    """The second comes when the first has noted the id, but its report has no name yet."""
    write = Draft.write
    noted, goes_on = threading.Event(), threading.Event()

    def slow(draft: Draft, data: bytes) -> None:
        if b'"v":1' in data and not noted.is_set():
            noted.set()
            assert goes_on.wait(30)
        write(draft, data)

    monkeypatch.setattr(Draft, "write", slow)
    first = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r", "v": 1})
    until(noted.is_set)
    second = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r", "v": 1 if same else 2})
    until(lambda: refused or second.ready())
    goes_on.set()
    assert first.get(timeout=30) == "r"
    if same:
        assert second.get(timeout=30) == "r"
    else:
        with pytest.raises(QueueItemError, match="another report of the id 'r'"):
            second.get(timeout=30)
    assert bodies(tmp_path) == [{"id": "r", "v": 1}]


def test_a_killed_put_keeps_others_away_until_its_thread_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: list[Path]
) -> None:
    """It may still note the id, in place of the note of the next put, whose report it hides."""
    note = Ids.note
    came, goes_on = NativeEvent(), NativeEvent()

    def slow(notes: Ids, item_id: str, name: str, data: bytes) -> bool:
        if b'"v":1' in data and not came.is_set():
            came.set()
            assert goes_on.wait(30)
        return note(notes, item_id, name, data)

    monkeypatch.setattr(Ids, "note", slow)
    first = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r", "v": 1})
    until(came.is_set)
    first.kill()
    second = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r", "v": 2})
    until(lambda: refused or second.ready())
    assert not second.ready()
    goes_on.set()
    assert second.get(timeout=30) == "r"
    assert bodies(tmp_path) == [{"id": "r", "v": 2}]
    with pytest.raises(QueueItemError, match="another report of the id 'r'"):
        FolderQueue(tmp_path).put({"id": "r", "v": 3})


def test_a_put_that_fails_at_last_takes_nobody_elses_report_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: list[Path]
) -> None:
    """The second puts the same report when that of the first has its name, but is not synced."""
    sync = store.sync_folder
    named, goes_on = threading.Event(), threading.Event()

    def fail_once(folder: Path) -> None:
        if named.is_set():
            return sync(folder)
        named.set()
        assert goes_on.wait(30)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(store, "sync_folder", fail_once)
    first = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r"})
    until(named.is_set)
    second = gevent.spawn(FolderQueue(tmp_path).put, {"id": "r"})
    until(lambda: refused or second.ready())
    goes_on.set()
    with pytest.raises(QueueFolderError, match="Input/output error"):
        first.get(timeout=30)
    assert second.get(timeout=30) == "r"
    assert bodies(tmp_path) == [{"id": "r"}]


@pytest.mark.parametrize("end", ["delivered", "discarded", "quarantined", "removed by hand"])
def test_an_id_that_has_left_the_queue_may_come_again(tmp_path: Path, end: str) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r", "v": 1})
    if end == "delivered":
        take(queue).delivered()
    elif end == "discarded":
        queue.discard("r")
    elif end == "quarantined":  # and was corrected
        take(queue).quarantine("bad")
    else:
        next(tmp_path.glob("*.wsjf")).unlink()
    queue.put({"id": "r", "v": 2})
    claim = take(queue)
    assert claim.load()["v"] == 2
    claim.delivered()
    queue.close()
    assert not [path for path in tmp_path.iterdir() if path.is_file()]
    assert not notes(tmp_path)


@pytest.mark.parametrize("end", ["requeued", "all requeued", "discarded"])
def test_what_was_corrected_keeps_its_id_when_the_first_one_goes(tmp_path: Path, end: str) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r", "v": 1})
    take(queue).quarantine("bad")
    [bad] = queue.list("quarantined")
    queue.put({"id": "r", "v": 2})
    if end == "discarded":
        queue.discard(bad.name)
    else:  # it would overtake the corrected one, or come after it
        with pytest.raises(QueueItemError, match="another report of this id is in the queue: "):
            queue.requeue(bad.name if end == "requeued" else None)
        assert [item.name for item in queue.list("quarantined")] == [bad.name]
    assert [body["v"] for body in bodies(tmp_path)] == [2]
    with pytest.raises(QueueItemError, match="another report of the id 'r' is in the queue"):
        queue.put({"id": "r", "v": 3})
    queue.close()


def test_an_item_id_counts_as_well_and_not_the_id_that_the_report_was_given(
    tmp_path: Path,
) -> None:
    queue = FolderQueue(tmp_path)
    for _ in range(2):
        assert queue.put({"v": 1}, item_id="a") == "a"
    assert len(bodies(tmp_path)) == 1
    with pytest.raises(QueueItemError):
        queue.put({"v": 2}, item_id="a")


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"{}"])
def test_a_torn_note_of_an_id_keeps_nobody_from_putting(tmp_path: Path, torn: bytes) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r", "v": 1})
    [note] = notes(tmp_path)
    note.write_bytes(torn)
    queue.put({"id": "r", "v": 2})
    assert len(bodies(tmp_path)) == 2


def test_notes_of_ids_that_are_left_over_are_swept_when_they_are_many(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for name in ("waiting", "claimed", "quarantined"):
        queue.put({"id": name})
    claims = {claim.item_id: claim for claim in (take(queue) for _ in range(3))}
    claims["quarantined"].quarantine("bad")
    claims["waiting"].release()
    room = tmp_path / "ids"
    for path in notes(tmp_path):
        os.utime(path, (1.0, 1.0))
    for number in range(1010):
        (room / f"{number:032x}").write_text('{"name": "gone.pending.wsjf", "body": ""}')
        os.utime(room / f"{number:032x}", (1.0, 1.0) if number else None)
    FolderQueue(tmp_path).refresh()
    assert len(notes(tmp_path)) == 2 + 1
    queue.close()


@pytest.mark.skipif(sys.platform != "linux", reason="shows open descriptors on Linux")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    for number in range(10):
        queue.put({"id": str(number)})
    opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert str(tmp_path) not in opened


def close_two(path: Path) -> list[bool]:
    """Close two descriptors, and tell whether they are closed."""
    found = []
    for _ in range(2):
        descriptor = os.open(path / "file", os.O_RDONLY | os.O_CREAT)
        os.close(descriptor)
        try:
            os.fstat(descriptor)
        except OSError:
            found.append(True)
        else:
            found.append(False)
    return found


def test_a_native_thread_closes_at_once(tmp_path: Path) -> None:
    assert gevent.get_hub().threadpool.apply(close_two, (tmp_path,)) == [True, True]


def close_two_after_a_turn(path: Path) -> list[bool]:
    gevent.sleep(0.001)  # so that the thread has a loop, which then turns no more
    return close_two(path)


def test_a_native_thread_whose_loop_has_turned_closes_at_once_too(tmp_path: Path) -> None:
    assert gevent.get_hub().threadpool.apply(close_two_after_a_turn, (tmp_path,)) == [True, True]
