"""ConverterPool: what is converted, where the files go, and what a bad converter costs."""

import importlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import converter_samples as samples
import gevent
import pytest
from gevent import subprocess
from platforms import PATIENCE
from taking import take
from waiting import turn, until

from pywats_green.exceptions import (
    ArgumentTypeError,
    ConverterImportError,
    InvalidArgumentError,
    PywatsGreenError,
    QueueBusyError,
)
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and process groups")


class ListQueue:
    """Keeps what is put in, and refuses when told so."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.errors: list[Exception] = []

    def put(self, report: dict[str, Any], *, priority: int = 5) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.reports.append({**report, "priority": priority} if priority != 5 else report)
        return f"item-{len(self.reports)}"

    def serials(self) -> list[str]:
        return sorted(str(report["sn"]) for report in self.reports)


@pytest.fixture
def queue() -> ListQueue:
    return ListQueue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "inbox"
    found.mkdir()
    return found


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """All child processes; none may outlive its drain or run."""
    started: list[Any] = []

    def start(*args: Any, **options: Any) -> Any:
        started.append(subprocess.Popen(*args, **options))
        return started[-1]

    stand_in = SimpleNamespace(Popen=start, PIPE=subprocess.PIPE)
    monkeypatch.setattr("pywats_green.queue.convert.isolation.subprocess", stand_in)
    yield started
    assert all(child.poll() is not None for child in started)
    assert all(child.stdin.closed and child.stdout.closed for child in started)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def pool_of(folder: Path, convert: object, queue: ListQueue, **options: Any) -> ConverterPool:
    return ConverterPool(folder, convert, queue, **{"settle": 0.0, **options})


@pytest.mark.parametrize("isolate", [True, False])
def test_reports_go_to_the_queue_and_files_to_done(folder, queue, isolate):
    for number in range(5):
        (folder / f"SN-{number}.txt").write_text("x")
    results: list[Any] = []
    pool = pool_of(folder, samples.plain, queue, isolate=isolate, on_result=results.append)
    summary = pool.drain()
    assert summary[:5] == (5, 5, 0, 0, 0)
    assert queue.serials() == [f"SN-{number}" for number in range(5)]
    assert names(folder) == []
    assert names(folder / "done") == [f"SN-{number}.txt" for number in range(5)]
    assert {(result.status, len(result.item_ids), result.reason) for result in results} == {
        ("converted", 1, "")
    }


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        (samples.three, ["a-0", "a-1", "a-2"]),
        (samples.Lines("x"), ["", ""]),
        (partial(samples.plain), ["a"]),
        (samples.nothing, []),
        (samples.chatty, ["a"]),
        (samples.large, ["a"]),
        (samples.removes_its_source, ["a"]),
    ],
)
def test_what_a_converter_may_be_and_give(folder, queue, convert, expected):
    (folder / "a.txt").write_text("x")
    summary = pool_of(folder, convert, queue).drain()
    assert queue.serials() == expected
    assert (summary.reports, summary.failed, names(folder)) == (len(expected), 0, [])
    assert summary.skipped == (not expected)


def test_a_converter_in_the_main_program(folder, run_python):
    """It is found in the child, which runs neither the start nor anything green."""
    (folder / "a.txt").write_text("x")
    done = run_python(
        """
import sys
import pywats_green
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue

class Queue:
    def put(self, report, *, priority=5):
        print(report["sn"], report["green"])
        return "1"

def convert(path):
    return {"sn": path.stem, "green": pywats_green.is_active()}

if __name__ == "__main__":
    print(ConverterPool(sys.argv[1], convert, Queue(), settle=0).drain().converted)
""",
        str(folder),
    )
    assert (done.stderr, done.stdout.split()) == ("", ["a", "False", "1"])


@pytest.mark.long
def test_a_main_program_without_its_guard_says_so(folder, run_python):
    done = run_python(
        """
import sys
import pywats_green
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue

def convert(path):
    return None

ConverterPool(sys.argv[1], convert, None, settle=0).drain()
""",
        str(folder),
    )
    assert done.returncode == 1
    assert 'put the start under if __name__ == "__main__"' in done.stderr


def test_the_child_is_plain_and_lean(folder, queue):
    (folder / "a.txt").write_text("x")
    pool_of(folder, samples.environment, queue).drain()
    found = queue.reports[0]
    assert (found["gevent"], found["pywats"]) == (False, False)
    assert found["patched"] == "builtin_function_or_method"
    assert found["pid"] != os.getpid()


def test_files_are_converted_at_once(folder, queue):
    for number in range(4):
        (folder / f"{number}.txt").write_text("x")
    assert pool_of(folder, samples.rendezvous, queue, timeout=PATIENCE).drain().converted == 4


def test_the_same_file_gets_the_same_ids(folder, queue):
    for _ in range(2):
        (folder / "a.txt").write_text("x")
        pool_of(folder, samples.three, queue).drain()
    (folder / "a.txt").write_text("y")
    pool_of(folder, samples.three, queue).drain()
    ids = [report["id"] for report in queue.reports]
    assert ids[:3] == ids[3:6]
    assert len(set(ids)) == 6
    assert len(names(folder / "done")) == 3  # a name that is taken gets the time appended


def test_an_id_of_the_converter_stays(folder, queue):
    (folder / "a.txt").write_text("x")
    pool_of(folder, samples.with_id, queue, priority=1).drain()
    assert queue.reports == [{"id": "own-a", "sn": "a", "priority": 1}]


def test_a_model_made_its_id_up_so_it_gets_ours(folder, queue):
    from pywats.domains.report.report_models import UUTReport

    def convert(path: Path) -> UUTReport:
        return UUTReport(
            pn="PN", sn=path.stem, rev="A", process_code=10, station_name="S", location="L",
            purpose="T", result="P",  # type: ignore[arg-type]  # as pywats' documents do
        )  # fmt: skip

    for _ in range(2):
        (folder / "a.txt").write_text("x")
        pool_of(folder, convert, queue, isolate=False).drain()
    first, second = queue.reports
    assert first["id"] == second["id"]
    assert first["sn"] == "a"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("raise", "ValueError: no serial number in line 3"),
        ("number", "TypeError: a converter must return a report"),
        ("set", "the report cannot be written as JSON: Object of type set"),
        ("crash", "the converter's process ended with status 7"),
        ("exit", "the converter's process ended with status 1"),
        pytest.param("signal", "the converter's process ended by signal SIGSEGV", marks=posix),
        pytest.param(
            "kill",
            "the converter's process ended by signal SIGKILL, perhaps for want of memory",
            marks=posix,
        ),
        ("hang", "the converter took longer than 2 seconds"),
    ],
)
def test_a_bad_file_costs_itself_alone(folder, queue, word, reason):
    for number in range(6):
        (folder / f"{number}.txt").write_text("fine")
    (folder / "3.txt").write_text(word)
    timeout = 2.0 if word == "hang" else PATIENCE  # so long even a fine one may take
    summary = pool_of(folder, samples.by_content, queue, concurrency=2, timeout=timeout).drain()
    assert summary[:5] == (5, 5, 0, 1, 0)
    assert queue.serials() == ["0", "1", "2", "4", "5"]
    assert names(folder / "error") == ["3.txt", "3.txt.reason.txt"]
    text = (folder / "error" / "3.txt.reason.txt").read_text()
    assert text.startswith(reason)
    assert ("Traceback" in text) == (word in ("raise", "number"))


@pytest.mark.long
def test_many_crashes_take_no_other_file_along(folder, queue):
    for number in range(20):
        (folder / f"{number:02}.txt").write_text("crash" if number % 2 else "fine")
    summary = pool_of(folder, samples.by_content, queue, concurrency=4).drain()
    assert summary[:5] == (10, 10, 0, 10, 0)


def test_a_hanging_converter_inline_is_ended_where_it_waits(folder, queue):
    (folder / "a.txt").write_text("hang")
    pool = pool_of(folder, samples.by_content, queue, isolate=False, timeout=0.1)
    assert pool.drain().failed == 1


@posix
def test_what_a_converter_started_ends_with_it(folder, queue):
    (folder / "a.txt").write_text("x")
    pool = pool_of(folder, samples.starts_a_program, queue, timeout=None)
    running = gevent.spawn(pool.run)
    pid_file = folder / "done" / "pid"
    until(pid_file.exists)
    pool.stop(0)
    assert running.get().remaining == 1

    def is_gone() -> bool:
        state = Path(f"/proc/{pid_file.read_text()}/stat")
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    until(is_gone)


def test_a_file_that_changed_meanwhile_is_converted_again(folder, queue):
    (folder / "a.txt").write_text("one")
    pool_of(folder, samples.touches_its_source_once, queue).drain()
    assert [report["text"] for report in queue.reports] == ["one more"]


def test_a_suspended_file_stays(folder, queue):
    (folder / "a.txt").write_text("x")
    summary = pool_of(folder, samples.suspended, queue, isolate=False).drain()
    assert summary[:5] == (0, 0, 0, 0, 1)
    assert names(folder) == ["a.txt"]


class FullError(PywatsGreenError):
    """The queue is full: No space left."""


refusal = pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), FullError("No space left")]
)


@refusal
def test_a_queue_that_cannot_write_ends_a_drain_and_keeps_the_file(folder, queue, error):
    (folder / "a.txt").write_text("x")
    queue.errors = [error]
    pool = pool_of(folder, samples.plain, queue)
    with pytest.raises(type(error), match="No space left"):
        pool.drain()
    assert names(folder) == ["a.txt"]
    assert pool.drain().converted == 1


@refusal
def test_a_queue_that_cannot_write_is_tried_again_by_run(folder, queue, monkeypatch, caplog, error):
    monkeypatch.setattr("pywats_green.queue.convert.session.AGAIN", 0.01)
    (folder / "a.txt").write_text("x")
    queue.errors = [error] * 3
    pool = pool_of(folder, samples.plain, queue)
    running = gevent.spawn(pool.run)
    until(lambda: queue.reports)
    pool.stop()
    assert running.get().converted == 1
    assert caplog.text.count("No space left") == 3


def test_a_report_that_the_queue_refuses_is_an_error_of_its_file(folder, queue):
    (folder / "a.txt").write_text("x")
    queue.errors = [ValueError("no good")]
    assert pool_of(folder, samples.plain, queue).drain().failed == 1
    assert "no good" in (folder / "error" / "a.txt.reason.txt").read_text()


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_cannot_be_moved_is_put_once(folder, queue):
    pool = pool_of(folder, samples.plain, queue)
    pool.drain()
    (folder / "a.txt").write_text("x")
    folder.chmod(0o500)
    try:
        running = gevent.spawn(pool.run)
        until(lambda: queue.reports)
        pool.stop()
        assert running.get().remaining == 1
    finally:
        folder.chmod(0o700)
    assert queue.serials() == ["a"]


def test_a_move_that_fails_is_tried_again_without_a_second_report(folder, queue, monkeypatch):
    monkeypatch.setattr("pywats_green.queue.convert.session.AGAIN", 0.01)
    real, refusals = Path.rename, [OSError(5, "Input/output error")] * 3

    def rename(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    (folder / "a.txt").write_text("x")
    pool = pool_of(folder, samples.plain, queue)
    running = gevent.spawn(pool.run)
    until(lambda: names(folder / "done") if (folder / "done").exists() else [])
    pool.stop()
    assert (running.get().converted, queue.serials(), refusals) == (1, ["a"], [])


def test_run_picks_up_new_files_until_stop(folder, queue):
    pool = pool_of(folder, samples.plain, queue)
    running = gevent.spawn(pool.run)
    for number in range(3):
        (folder / f"{number}.txt").write_text("x")
        until(lambda number=number: len(queue.reports) == number + 1)
    with pytest.raises(QueueBusyError):
        pool.drain()
    pool.stop()
    assert running.get().converted == 3
    pool.stop()  # nothing to do


def test_stop_lets_what_is_being_converted_finish(folder, queue):
    for number in range(3):
        (folder / f"{number}.txt").write_text("x")
    pool = pool_of(folder, samples.announce, queue, concurrency=1)
    running = gevent.spawn(pool.run)
    until((folder / "begun").exists)
    stopping = gevent.spawn(pool.stop, PATIENCE)
    turn()
    (folder / "go").touch()
    stopping.get(timeout=PATIENCE)
    summary = running.get()
    assert (summary.converted, len(queue.reports)) == (1, 1)
    assert names(folder) == ["1.txt", "2.txt", "go"]


def test_stop_without_time_leaves_the_file_where_it_is(folder, queue):
    (folder / "a.txt").write_text("x")
    pool = pool_of(folder, samples.announce, queue)
    running = gevent.spawn(pool.run)
    until((folder / "begun").exists)
    pool.stop(0)
    assert running.get()[:5] == (0, 0, 0, 0, 1)
    assert (names(folder), queue.reports) == (["a.txt"], [])
    (folder / "go").touch()
    assert pool_of(folder, samples.announce, queue, patterns=["a*"]).drain().converted == 1


def test_a_killed_drain_leaves_no_child(folder, queue, children):
    (folder / "a.txt").write_text("x")
    pool = pool_of(folder, samples.announce, queue)
    running = gevent.spawn(pool.drain)
    until((folder / "begun").exists)
    running.kill()
    assert names(folder) == ["a.txt"]
    assert len(children) == 1  # and the fixture checks that it ended


def test_the_timeout_ends_a_drain(folder, queue):
    (folder / "a.txt").write_text("x")
    summary = pool_of(folder, samples.announce, queue).drain(timeout=0.5)
    assert (summary.remaining, summary.converted) == (1, 0)


def test_progress_counts_files(folder, queue):
    for number in range(3):
        (folder / f"{number}.txt").write_text("x")
    told: list[tuple[int, int]] = []
    pool = pool_of(folder, samples.plain, queue, concurrency=1)
    pool.drain(progress=lambda done, seen: told.append((done, seen)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_error_of_the_callback_reaches_the_caller(folder, queue):
    (folder / "a.txt").write_text("x")

    def refuse(_result: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        pool_of(folder, samples.plain, queue, on_result=refuse).drain()


def test_a_folder_that_vanishes(folder, queue, caplog):
    pool = pool_of(folder, samples.plain, queue)
    running = gevent.spawn(pool.run)
    until((folder / "error").exists)
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    until(lambda: "cannot read" in caplog.text)
    elsewhere.rename(folder)
    (folder / "a.txt").write_text("x")
    until(lambda: queue.reports)
    pool.stop()
    running.get()
    folder.rename(elsewhere)
    with pytest.raises(FileNotFoundError, match="inbox"):
        pool.drain()


def test_a_converter_that_no_child_can_import(folder, queue, tmp_path, monkeypatch):
    def local(path: Path) -> None:
        return None

    for bad in (local, lambda path: None):
        with pytest.raises(ConverterImportError, match="isolate=False"):
            pool_of(folder, bad, queue)
        pool_of(folder, bad, queue, isolate=False)
    (tmp_path / "passing.py").write_text("def convert(path):\n    return None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    passing = importlib.import_module("passing")
    pool = pool_of(folder, passing.convert, queue)
    (tmp_path / "passing.py").write_text("import surely_not_installed\n")
    (folder / "a.txt").write_text("x")
    with pytest.raises(ConverterImportError, match="surely_not_installed"):
        pool.drain()
    assert names(folder) == ["a.txt"]


@pytest.mark.long
def test_a_converter_that_was_typed_in(folder, run_python):
    done = run_python(
        f"""
import subprocess, sys
code = '''
import pywats_green
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue
def convert(path): pass
ConverterPool({str(folder)!r}, convert, None)
'''
sys.exit(subprocess.run([sys.executable, "-c", code]).returncode)
"""
    )
    assert done.returncode == 1
    assert "was typed in" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        {"watch_folder": "missing"},
        {"concurrency": 0},
        {"timeout": 0},
        {"settle": -1},
        {"memory_limit": 0},
    ],
)
def test_an_argument_out_of_range(folder, queue, options):
    values = {"watch_folder": folder, "convert": samples.plain, "queue": queue, **options}
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        ConverterPool(**values)


@pytest.mark.parametrize(
    "options",
    [
        {"convert": 42},
        {"on_result": 5},
        {"concurrency": 1.5},
        {"timeout": "1"},
        {"settle": None},
        {"memory_limit": 0.5},
    ],
)
def test_an_argument_of_the_wrong_type(folder, queue, options):
    values = {"watch_folder": folder, "convert": samples.plain, "queue": queue, **options}
    with pytest.raises(ArgumentTypeError, match=next(iter(options))):
        ConverterPool(**values)


def test_times_out_of_range(folder, queue):
    pool = ConverterPool(folder, samples.plain, queue)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        pool.drain(timeout=0)
    with pytest.raises(InvalidArgumentError, match="stop_timeout"):
        pool.run(stop_timeout=-1)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        pool.stop(-1)


def test_no_module_of_the_room_hides_one_of_the_standard_library():
    """The child is a script in that folder, so its modules come first when it starts."""
    import sys

    from pywats_green.queue.convert import child

    folder = Path(child.__file__).parent
    assert not {path.stem for path in folder.glob("*.py")} & sys.stdlib_module_names


def numbered(path: Path) -> dict[str, Any]:
    return {"id": "always the same", "v": path.read_text()}


def test_a_file_whose_earlier_report_is_not_sent_yet_waits_for_that(tmp_path: Path) -> None:
    inbox, folder = tmp_path / "inbox", tmp_path / "queue"
    inbox.mkdir()
    queue = FolderQueue(folder)
    queue.put({"id": "always the same", "v": "0"})
    (inbox / "a.txt").write_text("1")
    pool = ConverterPool(inbox, numbered, queue, settle=0, isolate=False)
    assert pool.drain().remaining == 1
    assert (inbox / "a.txt").exists()
    take(queue).delivered()
    assert pool.drain().remaining == 0
    claim = take(queue)
    assert claim.load() == {"id": "always the same", "v": "1"}
    queue.close()


def test_a_file_that_waits_for_its_earlier_report_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    queue = FolderQueue(tmp_path / "queue")
    queue.put({"id": "a", "v": "0"})
    tries: list[str] = []
    now = [100.0]

    def convert(path: Path) -> dict[str, str]:
        tries.append(path.stem)
        if path.stem == "b":  # takes so long that the other one is tried again
            now[0] += 6.0
        return {"id": path.stem, "v": "1"}

    for name in ("a", "b"):
        (inbox / f"{name}.txt").write_text("1")
    os.utime(inbox / "a.txt", (1.0, 1.0))
    pool = ConverterPool(
        inbox, convert, queue, settle=0, isolate=False, concurrency=1, timer=lambda: now[0]
    )
    assert pool.drain().remaining == 1
    assert tries == ["a", "b", "a"]
    assert caplog.text.count("a.txt stays for later: another report of the id 'a'") == 1
