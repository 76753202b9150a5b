"""The types of the queue as a user's program sees them: read by mypy and pyright, never run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pywats import pyWATS
from pywats.core.client import Response
from pywats.queue import MemoryQueue
from typing_extensions import assert_type

from pywats_green import (
    ConversionResult,
    ConversionSummary,
    ConverterPool,
    DrainSummary,
    FolderQueue,
    QueueItem,
    QueueProcessor,
    RequestEvent,
    events,
)


def puts(queue: FolderQueue) -> None:
    assert_type(queue.put({"sn": "1"}, priority=1), str)
    assert_type(queue.counts()["waiting"], int)
    queue.counts()["wating"]  # type: ignore[typeddict-item]
    assert_type(queue.list("quarantined"), Sequence[QueueItem])
    queue.list("quarantine")  # type: ignore[arg-type]
    assert_type(queue.list()[0].state, Literal["waiting", "claimed", "quarantined", "sent"])
    assert_type(queue.list()[0].attempt, Any)  # type: ignore[attr-defined]
    queue.put({}, priority="1")  # type: ignore[arg-type]
    FolderQueue("reports", order_by=lambda report: report["sn"])


def received(answer: Response) -> bool:
    return answer.status_code == 204


def told(
    item_id: str,
    settled: Literal["submitted", "retried", "quarantined", "released"],
    error: BaseException | None,
) -> None: ...


def drains(api: pyWATS, queue: FolderQueue) -> None:
    processor = QueueProcessor(queue, api, accept=received, on_result=told)
    summary = processor.drain(progress=True, timeout=5)
    assert_type(summary, DrainSummary)
    assert_type(summary.paused_reason, str | None)
    assert_type(processor.stats()["oldest_age"], float | None)
    processor.stats()["in_fligth"]  # type: ignore[typeddict-item]
    processor.drain(deadline=5)  # type: ignore[call-arg]
    processor.run(handle_signals=True, stop_timeout=None)
    processor.run(grace=5)  # type: ignore[call-arg]
    processor.stop(timeout=None)


def sources(api: pyWATS, memory: MemoryQueue, path: Path, queue: FolderQueue) -> None:
    QueueProcessor(memory, api)
    QueueProcessor(path, print)
    QueueProcessor(queue, print, concurency=5)  # type: ignore[call-arg]
    QueueProcessor(queue, print, concurrency="5")  # type: ignore[arg-type]
    QueueProcessor(5, print)  # type: ignore[arg-type]
    QueueProcessor(queue, 5)  # type: ignore[arg-type]


def convert(path: Path) -> dict[str, Any]:
    return {"sn": path.stem}


def converted(result: ConversionResult) -> None:
    assert_type(result.status, Literal["converted", "skipped", "failed"])


def converters(queue: FolderQueue) -> None:
    pool = ConverterPool("inbox", convert, queue, on_result=converted)
    assert_type(pool.drain(timeout=5), ConversionSummary)
    assert_type(pool.run(stop_timeout=5).failed, int)
    pool.drain(deadline=5)  # type: ignore[call-arg]


def listens(event: RequestEvent) -> None:
    assert_type(event.status, int | None)
    assert_type(event.domain, str)
    event.headers = {"traceparent": "..."}
    events.subscribe(listens, on_start=listens)()
    events.subscribe(listens, on_end=listens)  # type: ignore[call-arg]
