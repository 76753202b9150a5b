"""Reports per second from a folder, compared with upstream's `process_pending` in the same run."""

import json
import os
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gevent
from pywats import pyWATS
from recording import Records
from stage import EFFORT, pinned_server

from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.queues.processor import QueueProcessor

LATENCY = 0.05
REPORTS = 1000
CONCURRENCY = 50
IDEAL = REPORTS / CONCURRENCY * LATENCY
SAMPLE = 40  # reports that upstream sends in a round, one after another
NOTE = "1,000 reports, 50 at a time, 50 ms"

# Plain upstream: no gevent, its own client, its own queue, on stand-ins for the GUI toolkit.
UPSTREAM = """
import sys, time, uuid
sys.path.insert(0, sys.argv[1])
import upstream_client_stub
upstream_client_stub.install()
from pywats_client.queue import PersistentQueue
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
configure_throttling(enabled=False)
folder, url, token, count = sys.argv[2:]
queue = PersistentQueue(folder)
api = pyWATS(base_url=url, token=token)
for number in range(int(count)):
    queue.add({"id": str(uuid.uuid4()), "type": "T", "pn": "P", "sn": str(number)})
api.product.get_product("PN-00000")  # its thread, loop and connection are there, as ours are
queue_started = time.perf_counter()
found = queue.process_pending(lambda data: api.report.submit(data))
assert found["success"] == int(count), found
print(time.perf_counter() - queue_started)
"""


def _fill(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        report = {"id": str(uuid.uuid4()), "type": "T", "pn": "P", "sn": str(number)}
        (folder / f"{number:06d}.queued").write_text(json.dumps(report))


def _upstream_seconds_per_report(folder: Path, server: WatsServer, count: int) -> float:
    tests = Path(__file__).parents[1] / "tests" / "queue" / "drain"
    done = subprocess.run(
        [
            *(sys.executable, "-c", UPSTREAM, str(tests), str(folder)),
            *(server.url, server.token, str(count)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYWATS_GREEN_DISABLE": "1"},
    )
    return float(done.stdout) / count


def test_drain(tmp_path: Path, records: Records) -> None:
    """1,000 reports, 50 at a time, from a folder; upstream's `process_pending` in the same run."""
    ours, disk, theirs = [], [], []
    times = EFFORT.rounds(5)
    with (
        pinned_server(latency=LATENCY) as server,
        pyWATS(base_url=server.url, token=server.token) as api,
    ):
        api.product.get_product("PN-00000")
        for number in range(times):
            _fill(tmp_path / f"ours{number}", REPORTS)
            processor = QueueProcessor(tmp_path / f"ours{number}", api, concurrency=CONCURRENCY)
            summary = processor.drain()
            assert summary.submitted == REPORTS
            ours.append(summary.elapsed)
            _fill(tmp_path / f"disk{number}", REPORTS)
            nowhere = QueueProcessor(tmp_path / f"disk{number}", len, concurrency=CONCURRENCY)
            disk.append(nowhere.drain().elapsed)
            folder = tmp_path / f"theirs{number}"
            theirs.append(_upstream_seconds_per_report(folder, server, SAMPLE) * REPORTS)
        assert len(server.reports()) == times * (REPORTS + SAMPLE)
    records.figure("drain: wall", ours, "s", NOTE)
    records.figure("drain: the same, nothing sent", disk, "s", "claim, read, remove; no server")
    apart = [(wall - files) / IDEAL for wall, files in zip(ours, disk, strict=True)]
    records.figure("drain: wall, the disk apart / ideal", apart, "", NOTE)
    faster = [slow / quick for slow, quick in zip(theirs, ours, strict=True)]
    note = f"{NOTE}; upstream's from {SAMPLE} reports"
    records.figure("drain: upstream's process_pending / wall", faster, "", note)


def test_depth(tmp_path: Path, records: Records) -> None:
    """10,000 waiting files compared with 1,000: the first report, the cost per report, memory."""
    few, many = [], []
    for number in range(EFFORT.rounds(3)):
        few.append(_drained(tmp_path / f"few{number}", 1000))
        many.append(_drained(tmp_path / f"many{number}", 10_000))
    note = "under tracemalloc, which slows it down"
    records.figure("10,000 files: until the first is sent", [x.first for x in many], "s", note)
    records.figure("10,000 files: memory for each", [x.memory / 1000 for x in many], "kB", note)
    ratios = [deep.seconds / flat.seconds for deep, flat in zip(many, few, strict=True)]
    records.figure("cost of a report, 10,000 files / 1,000", ratios, "", note)


def test_operators(tmp_path: Path, records: Records) -> None:
    """10,000 reports in quarantine: all requeued, then all discarded, as the commands do it."""
    requeued, discarded, cleared = [], [], []
    for number in range(EFFORT.rounds(3)):
        folder = tmp_path / f"many{number}"
        room = folder / "quarantine"
        folder.mkdir()
        _fill(room, 10_000)
        _give_reasons(room)
        queue = FolderQueue(folder)
        started = time.perf_counter()
        assert queue.requeue() == 10_000
        requeued.append(time.perf_counter() - started)
        started = time.perf_counter()
        assert queue.discard_all("waiting") == 10_000
        discarded.append(time.perf_counter() - started)
        _fill(room, 10_000)
        _give_reasons(room)
        started = time.perf_counter()
        assert queue.discard_all("quarantined") == 10_000
        cleared.append(time.perf_counter() - started)
    records.figure("10,000 in quarantine: requeue --all", requeued, "s")
    records.figure("10,000 waiting: discard --all", discarded, "s")
    records.figure("10,000 in quarantine: discard --all", cleared, "s")


def _give_reasons(room: Path) -> None:
    for path in list(room.iterdir()):
        path.with_name(f"{path.name}.reason.json").write_text('{"reason": "HTTP 400"}')


class Drained(NamedTuple):
    """Seconds until the first report, and seconds and peak bytes per report."""

    first: float
    seconds: float
    memory: float


def _drained(folder: Path, depth: int) -> Drained:
    """Drain a number of files to a no-op function."""
    _fill(folder, depth)
    first: list[float] = []

    def submit(_: object) -> None:
        if not first:
            first.append(time.perf_counter())

    tracemalloc.start()
    started = time.perf_counter()
    processor = QueueProcessor(folder, submit, concurrency=CONCURRENCY)
    processor.drain()
    seconds = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Drained(first[0] - started, seconds / depth, peak / depth)


def test_a_put_is_on_disk(tmp_path: Path, records: Records) -> None:
    """The cost of fsync for a `put`, shown separately from the processor's."""
    queue = FolderQueue(tmp_path / "queue")
    milliseconds = []
    for number in range(200):
        started = time.perf_counter()
        queue.put({"pn": "P", "sn": str(number)})
        milliseconds.append((time.perf_counter() - started) * 1000)
    assert len(queue.list("waiting")) == 200
    records.figure("FolderQueue.put, fsynced", milliseconds, "ms")


def test_puts_beside_many(tmp_path: Path, records: Records) -> None:
    """A process that only puts does not pay for what waits in the folder."""
    (tmp_path / "empty").mkdir()
    _fill(tmp_path / "many", 50_000)
    ratios, memory = [], []
    for _ in range(EFFORT.rounds(5)):
        alone = _putting(tmp_path / "empty")
        beside = _putting(tmp_path / "many")
        ratios.append(beside.cpu / alone.cpu)
        memory.append((beside.peak - alone.peak) / 1e6)
    note = "20 puts and what comes before them, in a process of its own"
    records.figure("puts, 50,000 waiting / none: CPU", ratios, "", note)
    records.figure("puts, 50,000 waiting - none: memory", memory, "MB", note)


class Putting(NamedTuple):
    """CPU seconds of some puts, and the process's peak of resident bytes."""

    cpu: float
    peak: float


PUTS = """
import sys, time, resource, pywats_green
began = time.process_time()
queue = pywats_green.FolderQueue(sys.argv[1])
for number in range(20):
    queue.put({"pn": "P", "sn": str(number)})
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _putting(folder: Path) -> Putting:
    done = subprocess.run(
        [sys.executable, "-c", PUTS, str(folder)], capture_output=True, text=True, check=True
    )
    return Putting(*map(float, done.stdout.split()))


def test_a_big_report(tmp_path: Path, records: Records) -> None:
    """How long a report of 60 MB holds up the rest of the program, put and sent."""
    report = {"id": str(uuid.uuid4()), "pn": "P", "steps": ["x" * 1000] * 60_000}
    stalls: dict[str, list[float]] = {"put": [], "drain": []}
    for number in range(EFFORT.rounds(3)):
        queue = FolderQueue(tmp_path / f"queue{number}")
        stalls["put"].append(_longest_stall(lambda queue=queue: queue.put(report)))  # type: ignore[misc]
        processor = QueueProcessor(queue, lambda _: True)
        stalls["drain"].append(_longest_stall(processor.drain))
    for name, seconds in stalls.items():
        records.figure(f"a report of 60 MB: longest stall, {name}", seconds, "s")


def _longest_stall(work: Callable[[], object]) -> float:
    """Return the longest time for which another greenlet did not run."""
    longest, last, over = 0.0, time.perf_counter(), False

    def watch() -> None:
        nonlocal longest, last
        while not over:
            gevent.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    watching = gevent.spawn(watch)
    gevent.sleep(0)
    work()
    over = True
    watching.join()
    return longest
