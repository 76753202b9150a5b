"""10,000 files: start-up, memory, and the cost of a report at any depth."""

import json
import time
import tracemalloc
from pathlib import Path

import gevent
import pytest

from pywats_green.queue.folder import body as folder_body
from pywats_green.queue.folder.queue import FolderQueue


def fill(folder: Path, count: int) -> None:
    folder.mkdir()
    body = json.dumps({"id": "r", "pad": "x" * 5000})
    for number in range(count):
        name = f"05-{number:014x}-00000000-r{number}.pending.wsjf"
        (folder / name).write_text(body)


def cost_of_a_report(folder: Path, count: int = 300) -> float:
    """Return the seconds that claim, load and removal take, the best of three runs."""
    queue = FolderQueue(folder)
    queue.claim().release()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            claim = queue.claim()
            claim.load()
            claim.delivered()
        best = min(best, time.perf_counter() - start)
    queue.close()
    return best / count


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep") / "queue"
    fill(folder, 10_000)
    return folder


def test_it_starts_within_a_second_and_reads_no_body(
    deep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[Path] = []
    read = folder_body.read
    monkeypatch.setattr(
        "pywats_green.queue.folder.store.read", lambda path: bodies.append(path) or read(path)
    )
    start = time.perf_counter()
    queue = FolderQueue(deep)
    claim = queue.claim()
    took = time.perf_counter() - start
    assert took < 1.0
    assert claim.item_id == "r0"
    assert not bodies
    claim.release()
    queue.close()


def test_memory_is_a_fraction_of_the_bodies(deep: Path) -> None:
    tracemalloc.start()
    queue = FolderQueue(deep)
    queue.claim().release()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    queue.close()
    assert used < 12_000_000  # the bodies are 50 MB


def test_the_cost_of_a_report_does_not_depend_on_the_depth(deep: Path, tmp_path: Path) -> None:
    fill(tmp_path / "queue", 1000)
    assert cost_of_a_report(deep) < 2.0 * cost_of_a_report(tmp_path / "queue")


def test_a_new_file_is_noticed_within_a_second_beside_10_000_that_wait(deep: Path) -> None:
    later = json.dumps({"due_at": time.time() + 900, "delay": 900.0, "attempts": 1})
    reports = list(deep.glob("*.pending.wsjf"))
    for report in reports:
        report.with_suffix(".meta.json").write_text(later)
    queue = FolderQueue(deep)
    assert queue.claim() is None
    assert queue.counts()["waiting"] == len(reports)
    (deep / "new.queued").write_text("{}")
    start = time.perf_counter()
    while (claim := queue.claim()) is None and time.perf_counter() - start < 5.0:
        gevent.sleep(0.02)
    assert claim.item_id == "new"
    assert time.perf_counter() - start < 1.0
    queue.close()
