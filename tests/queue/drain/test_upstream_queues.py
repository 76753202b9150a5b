"""Upstream's own queues as sources; `pywats_client` in processes of their own, on stand-ins."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drain_fakes import Refused
from platforms import PATIENCE
from pywats import AsyncWATS, pyWATS
from pywats.queue import MemoryQueue, QueueItemStatus
from typed import present

from pywats_green.exceptions import ArgumentTypeError
from pywats_green.queue.drain.statistics import queue_statistics
from pywats_green.testing import WatsServer
from pywats_green.upstream.client.outcome import passes_breaker
from pywats_green.upstream.features.queues.processor import QueueProcessor
from pywats_green.upstream.features.queues.sources import UpstreamSource

HERE = Path(__file__).parent
WSJF = "POST /api/Report/WSJF"


def _report(number: int, **fields: Any) -> dict[str, Any]:
    report_id = str(uuid.UUID(int=number + 1))
    return {"id": report_id, "type": "T", "pn": "PN-00001", "sn": f"SN-{number}", **fields}


def _queue(count: int) -> MemoryQueue:
    queue = MemoryQueue()
    for number in range(count):
        queue.add(_report(number), item_id=f"item-{number}")
    return queue


def test_a_memory_queue_is_drained(server: WatsServer, api: pyWATS) -> None:
    queue = _queue(200)
    assert QueueProcessor(queue, api).drain()[:4] == (200, 0, 0, 0)
    assert len(server.reports()) == 200
    assert set(server.reports().values()) == {1}
    assert queue.count_by_status(QueueItemStatus.COMPLETED) == 200


def test_the_object_put_in_is_what_is_submitted(server: WatsServer, api: pyWATS) -> None:
    queue, seen = MemoryQueue(), []
    report = api.report.create_uut_report(
        operator="op", part_number="P", revision="A", serial_number="S", operation_type=100
    )
    queue.add(report)
    QueueProcessor(queue, lambda item: seen.append((item, passes_breaker.get()))).drain()
    assert seen == [(report, True)]
    assert seen[0][0] is report
    assert passes_breaker.get() is False
    queue.add(report)
    assert QueueProcessor(queue, api).drain().submitted == 1
    assert list(server.reports()) == [str(report.id)]


def test_priority_then_first_in_first_out() -> None:
    queue, sent = MemoryQueue(), []
    for number, priority in enumerate([5, 1, 10, 1, 5]):
        queue.add({"id": str(number)}, priority=priority)
    QueueProcessor(queue, lambda item: sent.append(item["id"]), concurrency=1).drain()
    assert sent == ["1", "3", "0", "4", "2"]


def test_poison_is_marked_failed_and_an_outage_costs_nothing(
    server: WatsServer, api: pyWATS
) -> None:
    queue = _queue(20)
    queue.add({"type": "T"}, item_id="poison")
    server.fail(WSJF, 503, times=3)
    processor = QueueProcessor(queue, api, backoff=(0.01, 0.02))
    assert processor.drain()[:4] == (20, 0, 1, 0)
    [failed] = queue.list_failed()
    assert failed.id == "poison"
    assert present(failed.last_error).startswith("HTTP 400")
    assert sum(item.attempts for item in queue) == 21
    assert queue_statistics()["submitted"] >= 20


def test_a_pause_leaves_the_items_as_they_were(server: WatsServer) -> None:
    queue = _queue(9)
    with pyWATS(base_url="http://127.0.0.1:9", token="x") as api:
        summary = QueueProcessor(queue, api, give_up_after=0.1).drain()
    assert summary[:4] == (0, 0, 0, 9)
    assert {(item.status, item.attempts) for item in queue} == {(QueueItemStatus.PENDING, 0)}
    assert queue.get_next() is not None  # upstream finds them


def test_what_retry_failed_strands_is_found() -> None:
    queue = _queue(3)
    for _ in range(3):
        item = present(queue.get_next())
        item.mark_failed("x")
        queue.update(item)
    assert queue.retry_failed() == 3
    assert queue.get_next() is None
    assert QueueProcessor(queue, str).drain().submitted == 3


def test_a_dict_without_an_id_keeps_the_one_it_gets() -> None:
    queue, sent = MemoryQueue(), []
    mine = {"pn": "P"}
    queue.add(mine)

    def submit(report: dict[str, Any]) -> None:
        sent.append(report["id"])
        if len(sent) < 3:
            raise TimeoutError

    assert QueueProcessor(queue, submit, backoff=(0.001, 0.001)).drain()[:2] == (1, 0)
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert mine == {"pn": "P"}


def test_delays_are_kept_and_given_back() -> None:
    now = 100.0
    queue = _queue(2)
    source = UpstreamSource(queue, timer=lambda: now)
    first, second = source.claim(), source.claim()
    assert first is not None
    assert second is not None
    assert source.claim() is None
    assert source.due_in() is None
    first.retry("busy", 30.0)
    assert source.claim() is None
    assert source.due_in() == 30.0
    second.release()
    again = source.claim()
    assert again is not None
    assert (again.item_id, again.attempts) == ("item-1", 0)
    again.delivered()
    now = 130.0
    assert source.due_in() == 0.0
    again = source.claim()
    assert again is not None
    assert (again.item_id, again.attempts) == ("item-0", 1)
    assert present(queue.get("item-0")).last_error == "busy"
    source.close()
    assert source.counts() == {"waiting": 1, "in_flight": 0, "quarantined": 0}
    age = source.oldest_age()
    assert age is not None
    assert 0 <= age < 60


def test_a_queue_that_was_cleared_meanwhile() -> None:
    queue = _queue(1)
    summary = QueueProcessor(queue, lambda _: queue.clear()).drain()
    assert (summary.submitted, summary.remaining, queue.size) == (1, 0, 0)


def test_an_asynchronous_client_is_refused(server: WatsServer) -> None:
    client = AsyncWATS(base_url=server.url, token=server.token)
    with pytest.raises(ArgumentTypeError, match="asynchronous"):
        QueueProcessor(_queue(1), client)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="pyWATS or a callable"):
        QueueProcessor(_queue(1), "http://wats")  # type: ignore[arg-type]


PERSISTENT = """
import pathlib, sys
sys.path[:0] = sys.argv[1], str(pathlib.Path(sys.argv[1]).parents[1])
import pywats_green
import upstream_client_stub
upstream_client_stub.install()
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pywats_client.queue import PersistentQueue
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from pywats_green.upstream.features.queues.processor import QueueProcessor
configure_throttling(enabled=False)
folder, url, token, step = sys.argv[2:]

def report(number):
    report_id = f"00000000-0000-4000-8000-{number:012d}"
    return {"id": report_id, "type": "T", "pn": "P", "sn": str(number)}

queue = PersistentQueue(folder)
api = pyWATS(base_url=url, token=token)
if step == "fill":
    for number in range(60):
        queue.add(report(number), item_id=f"item-{number}")
    queue.add({"type": "T"}, item_id="poison")
elif step == "drain":
    print(tuple(QueueProcessor(queue, api, backoff=(0.01, 0.02)).drain()[:4]))
elif step == "part":
    done = []
    processor = QueueProcessor(queue, api, concurrency=1, on_result=lambda *r: (
        done.append(r), len(done) == 20 and processor.stop()))
    processor.run()
elif step == "upstream":
    print(queue.process_pending(lambda data: api.report.submit(data), include_failed=False))
"""


@pytest.fixture
def persistent(
    server: WatsServer, tmp_path: Path
) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    def run(step: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [
                *(sys.executable, "-c", PERSISTENT, str(HERE), str(tmp_path / "queue")),
                *(server.url, server.token, step),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def _names(folder: Path) -> dict[str, int]:
    states = [path.name.split(".")[1] for path in folder.glob("*.wsjf")]
    return {state: states.count(state) for state in sorted(set(states))}


@pytest.mark.long
def test_a_persistent_queue_is_drained_once_and_stays_so(
    server: WatsServer,
    tmp_path: Path,
    persistent: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    folder = tmp_path / "queue"
    persistent("fill")
    server.fail(WSJF, 503, times=5)
    assert persistent("drain").stdout == "(60, 0, 1, 0)\n"
    assert _names(folder) == {"failed": 1}
    meta = json.loads((folder / "poison.failed.meta.json").read_text())
    assert (meta["status"], meta["attempts"]) == ("failed", 1)
    assert meta["last_error"].startswith("HTTP 400")
    assert len(list(folder.iterdir())) == 2
    persistent("drain")  # after a restart upstream's own way would send all of them again
    assert set(server.reports().values()) == {1}
    assert len(server.reports()) == 60


@pytest.mark.long
def test_a_persistent_queue_goes_back_to_upstream_half_drained(
    server: WatsServer,
    tmp_path: Path,
    persistent: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    persistent("fill")
    persistent("part")
    assert len(server.reports()) == 20
    assert _names(tmp_path / "queue") == {"pending": 41}
    assert "'success': 40, 'failed': 1" in persistent("upstream").stdout
    assert len(server.reports()) == 60
    assert set(server.reports().values()) == {1}


DISABLED = """
import sys
import pywats_green
from pywats_green.upstream.features.queues.processor import QueueProcessor
from pywats_green.queue.folder.queue import FolderQueue
assert "pywats" not in sys.modules
folder, url, token = sys.argv[1:]
queue = FolderQueue(folder)
for number in range(5):
    queue.put({"type": "T", "pn": "P", "sn": str(number)})
queue.put({"type": "T"})
sent = []
print(QueueProcessor(queue, sent.append).drain().submitted, len(sent))
assert "pywats" not in sys.modules
for report in sent:
    queue.put(report)
from pywats import pyWATS
print(tuple(QueueProcessor(queue, pyWATS(base_url=url, token=token)).drain()[:4]))
"""


def test_disabled_it_works_one_by_one(
    server: WatsServer,
    tmp_path: Path,
    run_python: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_python(
        DISABLED,
        str(tmp_path / "queue"),
        server.url,
        server.token,
        env={"PYWATS_GREEN_DISABLE": "1"},
        warnings="default",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "6 6\n(5, 0, 1, 0)\n"
    assert len(server.reports()) == 5


def test_one_that_always_fails_is_set_aside_alone() -> None:
    queue = MemoryQueue()
    for number in range(50):
        queue.add({"id": str(number)}, item_id=str(number))

    def submit(report: dict[str, Any]) -> None:
        if report["id"] == "0":
            raise Refused(500, "no")

    assert QueueProcessor(queue, submit, backoff=(0.001, 0.002)).drain()[:5] == (49, 4, 1, 0, None)
    [failed] = queue.list_failed()
    assert (failed.id, failed.attempts) == ("0", 5)
    assert failed.last_error == "given up after 5 attempts; the last: HTTP 500: no"


def test_probes_go_round() -> None:
    queue, sent = MemoryQueue(), []
    for name in "abc":
        queue.add({"id": name}, item_id=name)

    def submit(report: dict[str, Any]) -> None:
        sent.append(report["id"])
        raise Refused(503)

    processor = QueueProcessor(
        queue, submit, concurrency=1, backoff=(0.0001, 0.0002), give_up_after=0.3
    )
    for _ in range(2):  # and the next drain of this processor begins with one probe, of the next
        assert processor.drain()[:4] == (0, 0, 0, 3)
    assert sent == (["a", "b", "c"] * len(sent))[: len(sent)]
    assert [item.attempts for item in queue.list_pending()] == [0, 0, 0]
