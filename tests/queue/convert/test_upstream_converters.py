"""Converters written for pywats_client, without an import of pywats_client on our side."""

import json
from pathlib import Path
from typing import Any

import converter_upstream_samples as samples
import pytest

from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def queued(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.pending.wsjf"))]


@pytest.mark.parametrize("isolate", [True, False])
def test_a_file_converter(inbox, tmp_path, isolate):
    for word in ("one two", "failed", "skipped", "rejected", "suspended"):
        (inbox / f"{word[:3]}.csv").write_text(word)
    (inbox / "other.txt").write_text("not its kind")
    results: list[Any] = []
    pool = ConverterPool(
        inbox, samples.Modern(), tmp_path / "queue", settle=0, isolate=isolate,
        concurrency=2, on_result=results.append,
    )  # fmt: skip
    summary = pool.drain()
    assert summary[:5] == (1, 2, 1, 2, 1)
    assert [(report["sn"], report["done"]) for report in queued(tmp_path / "queue")] == [
        ("one", "done"),
        ("two", "done"),
    ]
    assert {result.path.stem: result.reason.split(" (")[0] for result in results} == {
        "one": "",
        "fai": "no header",
        "ski": "a template",
        "rej": "unlikely",
    }
    assert (inbox / "sus.csv").exists()
    assert (inbox / "other.txt").exists()


@pytest.mark.parametrize("isolate", [True, False])
def test_a_converter_of_the_older_kind(inbox, tmp_path, isolate):
    (inbox / "a.csv").write_text("x")
    queue = FolderQueue(tmp_path / "queue")
    assert ConverterPool(inbox, samples.Legacy(), queue, settle=0, isolate=isolate).drain()[0] == 1
    assert [report["sn"] for report in queued(queue.path)] == ["L-a"]


def test_a_result_of_upstream_from_ones_own_function(inbox, tmp_path):
    def convert(path: Path) -> samples.ConverterResult:
        return samples.ConverterResult.success_result(report={"sn": path.stem})

    (inbox / "a.csv").write_text("x")
    ConverterPool(inbox, convert, tmp_path / "queue", settle=0, isolate=False).drain()
    assert [report["sn"] for report in queued(tmp_path / "queue")] == ["a"]
