"""What a ConverterPool does about slow testers, held files, want of memory and bad values."""

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import converter_samples as samples
import gevent
import pytest

from pywats_green.exceptions import ConverterImportError, InvalidArgumentError
from pywats_green.queue.convert.isolation import can_limit_memory
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.convert.results import ConversionResult
from pywats_green.queue.convert.watch_folder import Look, WatchFolder

SCAN = 0.25  # seconds between two looks

limited = pytest.mark.skipif(not can_limit_memory(), reason="no memory limit on this system")
posix = pytest.mark.skipif(os.name != "posix", reason="an open file cannot be moved there")


class ListQueue:
    """Keeps what is put in; then calls back."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.errors: list[BaseException] = []
        self.then: Callable[[], object] = lambda: None

    def put(self, report: dict[str, Any], *, priority: int = 5) -> str:
        if self.errors:
            raise self.errors.pop()
        self.reports.append(report)
        self.then()
        return f"item-{len(self.reports)}"

    def texts(self) -> list[object]:
        return [report["text"] for report in self.reports]


@pytest.fixture
def queue() -> ListQueue:
    return ListQueue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "inbox"
    found.mkdir()
    return found


def pool_of(folder: Path, convert: object, queue: ListQueue, **options: Any) -> ConverterPool:
    return ConverterPool(
        folder,
        convert,
        queue,
        **{"settle": 0.0, "isolate": False, "patterns": ["*.txt"], **options},
    )


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


class Line:
    """A production line: a tester that pauses, and a file server whose clock is off.

    The tester keeps its file open. Time goes on by a quarter of a second at each scan.

    Args:
        path: The file.
        pauses: Seconds after each line.
        server_clock: Seconds by which the file server's clock is ahead.
    """

    def __init__(self, path: Path, pauses: Sequence[float], server_clock: float = 0.0) -> None:
        self.now = 1_000_000_000.0
        self.text = ""
        self._file = path.open("a")
        self._pauses = deque(pauses)
        self._due = self.now
        self._server_clock = server_clock

    def timer(self) -> float:
        return self.now

    def go_on(self) -> None:
        self.now += SCAN
        if self.now < self._due or self._file.closed:
            return
        line = f"{len(self._pauses)} to come\n"
        self.text += line
        self._file.write(line)
        self._file.flush()
        mtime = self.now + self._server_clock
        can = os.utime in os.supports_fd
        os.utime(self._file.fileno() if can else self._file.name, (mtime, mtime))
        if self._pauses:
            self._due = self.now + self._pauses.popleft()
        else:
            self._file.close()


@pytest.fixture
def start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Line]:
    real = WatchFolder.look
    lines: list[Line] = []

    def look(self: WatchFolder) -> Look:
        lines[0].go_on()
        return real(self)

    def begin(*args: Any) -> Line:
        lines.append(Line(folder / "a.txt", *args))
        return lines[0]

    monkeypatch.setattr("pywats_green.queue.convert.session.POLL", 0.001)
    monkeypatch.setattr(WatchFolder, "look", look)
    return begin


@pytest.mark.parametrize(
    ("lines", "server_clock"), [(4, 0.0), (12, -5.0), (12, 5.0), (4, -86400.0)]
)
def test_a_tester_that_pauses_loses_no_line(folder, queue, start, lines, server_clock):
    line = start([1.6] * (lines - 1), server_clock)
    pool = ConverterPool(folder, samples.plain, queue, isolate=False, timer=line.timer)
    summary = pool.drain()
    assert queue.texts() == [line.text]
    assert line.text.count("to come") == lines
    assert (summary.converted, summary.changed) == (1, 0)
    assert names(folder / "done") == ["a.txt"]


@posix
def test_a_tester_that_pauses_longer_than_settle_is_made_good(folder, queue, start, caplog):
    line = start([25.0, 3.0])
    pool = ConverterPool(folder, samples.plain, queue, isolate=False, timer=line.timer)
    queue.then = lambda: len(queue.reports) == 2 and gevent.spawn(pool.stop)
    summary = pool.run()
    assert queue.texts() == ["2 to come\n", line.text]
    assert (summary.converted, summary.changed) == (2, 1)
    assert "a.txt changed after it was converted and moved, so it is back" in caplog.text
    assert names(folder / "done") == ["a.txt"]


@posix
@pytest.mark.parametrize("convert", [samples.plain, samples.by_content])
def test_at_the_end_of_a_drain_moved_files_are_looked_at(folder, queue, caplog, convert):
    """`by_content` fails first, so the file and its reason come back from `error`."""
    results: list[ConversionResult] = []
    with (folder / "a.txt").open("w") as file:
        file.write("raise")
        file.flush()

        def write_more(result: ConversionResult) -> None:
            if not results:
                file.write(" no more")
                file.flush()
            results.append(result)

        summary = pool_of(folder, convert, queue, on_result=write_more).drain()
    assert (summary.changed, summary.remaining) == (1, 0)
    assert "a.txt changed after it was converted and moved, so it is back" in caplog.text
    assert names(folder / "done") == ["a.txt"]
    assert names(folder / "error") == []
    assert results[1].status == "converted"


def test_a_file_that_changes_between_put_and_move_is_said(folder, queue, caplog):
    def write_more() -> None:
        if len(queue.reports) == 1:
            (folder / "a.txt").write_text("one more")

    (folder / "a.txt").write_text("one")
    queue.then = write_more
    summary = pool_of(folder, samples.plain, queue).drain()
    assert (queue.texts(), summary.converted, summary.changed) == (["one", "one more"], 1, 1)
    assert "a.txt changed after it was converted; it will be converted again" in caplog.text
    assert "what was made of it before stays queued: item-1" in caplog.text


def test_a_file_that_changes_while_it_is_converted_is_said(folder, queue, caplog):
    (folder / "a.txt").write_text("one")
    summary = pool_of(folder, samples.touches_its_source_once, queue).drain()
    assert (queue.texts(), summary.changed) == (["one more"], 1)
    assert "a.txt changed while it was converted" in caplog.text


def test_a_file_that_someone_holds_open_is_waited_for(folder, queue, monkeypatch):
    (folder / "a.txt").write_text("x")
    (folder / "b.txt").write_text("x")
    held = [str(folder / "a.txt")] * 5

    def is_open_elsewhere(path: str) -> bool:
        if path in held:
            held.remove(path)
            return True
        return False

    patched = partial(WatchFolder, is_open_elsewhere=is_open_elsewhere)
    monkeypatch.setattr("pywats_green.queue.convert.pool.WatchFolder", patched)
    assert pool_of(folder, samples.plain, queue).drain().converted == 2
    assert held == []


@pytest.mark.parametrize("isolate", [True, False])
def test_a_source_that_is_held_for_a_moment(folder, queue, isolate):
    (folder / "a.txt").write_text("2")
    summary = pool_of(folder, samples.refused, queue, isolate=isolate).drain()
    assert (summary.converted, summary.failed) == (1, 0)
    assert (folder / "done" / "tries").read_text() == "xxx"


def test_another_file_that_is_refused_is_the_converters_fault(folder, queue):
    (folder / "a.txt").write_text("x")
    assert pool_of(folder, samples.refused_another_file, queue).drain().failed == 1
    assert "template.xml" in (folder / "error" / "a.txt.reason.txt").read_text()


def test_a_move_that_is_refused_for_a_moment_is_tried_again_at_once(
    folder, queue, monkeypatch, caplog
):
    real, refusals = Path.rename, [PermissionError(13, "in use")] * 3

    def rename(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    (folder / "a.txt").write_text("x")
    summary = pool_of(folder, samples.plain, queue).drain()
    assert (summary.converted, summary.remaining, refusals, caplog.text) == (1, 0, [], "")


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("nan", "root.steps[1].value is nan"),
        ("infinity", "root.steps[1].value is inf"),
        ("negative", "root.steps[1].value is -inf"),
        (
            "surrogate",
            r"root.steps[1].value has half a character (a lone surrogate): 'A\udc80'",
        ),
        ("key", r"root has a key with half a character: 'A\udc80'"),
    ],
)
def test_what_json_cannot_express_is_an_error_of_its_file(folder, queue, isolate, word, reason):
    (folder / "a.txt").write_text(word)
    summary = pool_of(folder, samples.no_json, queue, isolate=isolate).drain()
    assert (summary.failed, queue.reports) == (1, [])
    assert (folder / "error" / "a.txt.reason.txt").read_text() == (
        f"the report cannot be written as JSON: {reason}\n"
    )


def test_which_of_several_reports_is_no_json(folder, queue):
    (folder / "a.txt").write_text("x")

    def convert(path: Path) -> list[dict[str, object]]:
        return [{"sn": "1"}, {"sn": float("nan")}]

    assert pool_of(folder, convert, queue).drain().failed == 1
    assert "JSON: report 2: sn is nan" in (folder / "error" / "a.txt.reason.txt").read_text()


def test_a_report_that_contains_itself(folder, queue):
    (folder / "a.txt").write_text("x")

    def convert(path: Path) -> dict[str, object]:
        report: dict[str, object] = {"sn": "1"}
        report["again"] = [report, report]
        return report

    assert pool_of(folder, convert, queue).drain().failed == 1
    assert "JSON: Circular ref" in (folder / "error" / "a.txt.reason.txt").read_text()


@pytest.mark.parametrize("isolate", [True, False])
def test_a_report_too_deep_costs_itself_alone(folder, queue, isolate):
    """Some can be written by the child, but not be read by us, who are deeper in calls."""
    depths = [1, *range(900, 1000, 4), 200_000, 2]  # the last for Pythons with a limit of their own
    for depth in depths:
        (folder / f"{depth}.txt").write_text(str(depth))
    summary = pool_of(folder, samples.deep, queue, isolate=isolate).drain()
    assert (summary.converted + summary.failed, summary.remaining) == (len(depths), 0)
    assert {"1", "2"} <= {report["sn"] for report in queue.reports}
    assert summary.failed > 0


@pytest.mark.parametrize("isolate", [True, False])
def test_want_of_memory_is_not_the_files_fault(folder, queue, isolate, caplog):
    (folder / "a.txt").write_text("0")
    (folder / "b.txt").write_text("1")
    summary = pool_of(folder, samples.needs_memory, queue, isolate=isolate).drain()
    assert summary[:5] == (1, 1, 0, 0, 1)
    assert names(folder) == ["a.txt"]
    assert "there was no memory to convert a.txt; it stays" in caplog.text


def test_want_of_memory_in_the_queue_is_not_the_files_fault(folder, queue):
    (folder / "a.txt").write_text("x")
    queue.errors = [MemoryError()]
    pool = pool_of(folder, samples.plain, queue)
    assert pool.drain()[:5] == (0, 0, 0, 0, 1)
    assert pool.drain()[:5] == (1, 1, 0, 0, 0)


@limited
def test_a_memory_limit_costs_the_file_that_reaches_it(folder, queue):
    for name, size in (("a", 1), ("b", 4 << 30), ("c", 2)):
        (folder / f"{name}.txt").write_text(str(size))
    summary = pool_of(
        folder, samples.needs_memory, queue, isolate=True, memory_limit=2 << 30, concurrency=1
    ).drain()
    assert summary[:5] == (2, 2, 0, 1, 0)
    assert (folder / "error" / "b.txt.reason.txt").read_text() == (
        "the converter needs more memory than memory_limit (2147483648 bytes)\n"
    )


@limited
def test_what_earlier_files_took_costs_no_later_one(folder, queue):
    for name in "abcde":
        (folder / f"{name}.txt").write_text(str(700 << 20))
    summary = pool_of(
        folder, samples.keeps_memory, queue, isolate=True, memory_limit=2 << 30, concurrency=1
    ).drain()
    assert summary[:5] == (5, 5, 0, 0, 0)
    assert 1 < len({report["pid"] for report in queue.reports}) < 5


@limited
def test_a_memory_limit_too_small_to_start_costs_no_file(folder, queue):
    (folder / "a.txt").write_text("1")
    pool = pool_of(folder, samples.needs_memory, queue, isolate=True, memory_limit=10 << 20)
    with pytest.raises(ConverterImportError, match="memory_limit is 10485760 bytes"):
        pool.drain()
    assert names(folder) == ["a.txt"]


def test_where_nothing_can_limit_memory(folder, queue, monkeypatch):
    with pytest.raises(InvalidArgumentError, match="memory_limit needs a child"):
        pool_of(folder, samples.plain, queue, memory_limit=1 << 30)
    for platform in ("darwin", "win32"):
        monkeypatch.setattr(os, "name", "nt" if platform == "win32" else "posix")
        monkeypatch.setattr(sys, "platform", platform)
        assert not can_limit_memory()
