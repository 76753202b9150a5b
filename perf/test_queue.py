"""Reports per second out of a folder, against upstream's `process_pending` in the same run."""

import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
import uuid
from pathlib import Path

from pywats import pyWATS

from pywats_green.queue.folder import FolderQueue
from pywats_green.testing import WatsServer
from pywats_green.upstream.queues import QueueProcessor

LATENCY = 0.05
REPORTS = 1000
CONCURRENCY = 50
IDEAL = REPORTS / CONCURRENCY * LATENCY

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
queue_started = time.perf_counter()
found = queue.process_pending(lambda data: api.report.submit(data))
assert found["success"] == int(count), found
print(time.perf_counter() - queue_started)
"""


def _fill(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        report = {"id": str(uuid.uuid4()), "type": "T", "pn": "P", "sn": str(number)}
        (folder / f"{number:06d}.queued").write_text(json.dumps(report))


def _upstream_seconds_per_report(folder: Path, server: WatsServer, count: int) -> float:
    tests = Path(__file__).parents[1] / "tests" / "queue"
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


def test_a_thousand_reports_at_50_at_a_time(tmp_path: Path) -> None:
    """The bar: 1.25 times the ideal, the disk apart; 30 times upstream."""
    ours, disk, theirs = [], [], []
    with (
        WatsServer(latency=LATENCY) as server,
        pyWATS(base_url=server.url, token=server.token) as api,
    ):
        for number in range(5):
            _fill(tmp_path / f"ours{number}", REPORTS)
            processor = QueueProcessor(tmp_path / f"ours{number}", api, concurrency=CONCURRENCY)
            summary = processor.drain()
            assert summary.submitted == REPORTS
            ours.append(summary.elapsed)
            _fill(tmp_path / f"disk{number}", REPORTS)
            nowhere = QueueProcessor(tmp_path / f"disk{number}", len, concurrency=CONCURRENCY)
            disk.append(nowhere.drain().elapsed)
            folder = tmp_path / f"theirs{number}"
            theirs.append(_upstream_seconds_per_report(folder, server, 40))
        assert len(server.reports()) == 5 * (REPORTS + 40)
    seconds, apart = statistics.median(ours), statistics.median(disk)
    upstream = statistics.median(theirs) * REPORTS
    print(
        f"\n{REPORTS} reports, {CONCURRENCY} at a time, {LATENCY * 1000:.0f} ms server\n"
        f"ideal                    {IDEAL:8.2f} s\n"
        f"drain                    {seconds:8.2f} s   {seconds / IDEAL:.2f} x ideal\n"
        f"  the same, nothing sent {apart:8.2f} s   (claim, read, remove; no server)\n"
        f"upstream process_pending {upstream:8.2f} s   {upstream / seconds:.1f} x the drain\n"
        f"rounds: {', '.join(f'{value:.2f}' for value in ours)}"
    )
    assert seconds <= 1.25 * IDEAL + apart
    assert upstream / seconds >= 30


def test_ten_thousand_files(tmp_path: Path) -> None:
    """The bar: the first report within a second; memory and cost a report flat in depth."""
    costs = {}
    for depth in (1000, 10_000):
        folder = tmp_path / str(depth)
        _fill(folder, depth)
        first: list[float] = []
        tracemalloc.start()
        started = time.perf_counter()
        processor = QueueProcessor(
            folder,
            lambda _, first=first: first or first.append(time.perf_counter()),
            concurrency=CONCURRENCY,
        )
        processor.drain(deadline=None if depth == 1000 else 60.0)
        elapsed = time.perf_counter() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        costs[depth] = elapsed / depth
        print(
            f"\n{depth} files: first sent after {first[0] - started:.2f} s, "
            f"{costs[depth] * 1e6:.0f} us a report (traced), peak {peak / 1e6:.1f} MB"
        )
        assert first[0] - started < 1.0
        assert peak / depth < 3000  # names, no bodies
    assert costs[10_000] < 1.5 * costs[1000]


def test_a_put_is_on_disk(tmp_path: Path) -> None:
    """Not the processor's, shown apart: what fsync of file and folder costs a `put`."""
    queue = FolderQueue(tmp_path / "queue")
    started = time.perf_counter()
    for number in range(200):
        queue.put({"pn": "P", "sn": str(number)})
    print(f"\nput: {(time.perf_counter() - started) / 200 * 1e3:.2f} ms each, fsynced")
    assert len(queue.list("waiting")) == 200
