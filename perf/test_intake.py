"""Reports a second through a hub's intake, beside `FolderQueue.put` alone in the same run."""

import json
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from recording import Records
from stage import EFFORT

from pywats_green import FolderQueue, Pool
from pywats_green.fleet.intake import IntakeClient

REPORTS = 1000
GREENLETS = 20
SECRET = "0123456789abcdef"  # noqa: S105  # of a hub that lives as long as this test

HUB = """
import sys
import gevent
import pywats_green
from pywats_green import FolderQueue
from pywats_green.fleet.intake import Intake, serve_intake
intake = Intake(FolderQueue(sys.argv[1], max_reports=1_000_000), sys.argv[2])
with serve_intake("127.0.0.1:0", intake) as server:
    print(server.url, flush=True)
    gevent.get_hub().join()
"""


def _report(_: int) -> dict[str, Any]:
    steps = [{"name": f"step {number}", "value": number / 7} for number in range(50)]
    report_id = str(uuid.uuid4())
    return {"id": report_id, "type": "T", "pn": "P", "sn": report_id[:8], "root": {"steps": steps}}


def _timed(hand_in: Callable[[dict[str, Any]], str]) -> tuple[float, list[float]]:
    """Return the seconds for all reports, and for each."""
    each: list[float] = []

    def one(report: dict[str, Any]) -> None:
        started = time.perf_counter()
        hand_in(report)
        each.append(time.perf_counter() - started)

    reports = [_report(number) for number in range(REPORTS)]
    with Pool(GREENLETS) as pool:
        started = time.perf_counter()
        pool.map(one, reports)
        return time.perf_counter() - started, each


def test_intake(tmp_path: Path, records: Records) -> None:
    """1,000 reports of 3 kB from 20 greenlets: over HTTP to another process, and put directly."""
    stations = tmp_path / "stations.json"
    stations.write_text(json.dumps({"station": SECRET}))
    with Popen(
        [sys.executable, "-c", HUB, str(tmp_path / "hub"), str(stations)], stdout=PIPE, text=True
    ) as hub:
        assert hub.stdout is not None
        try:
            client = IntakeClient(hub.stdout.readline().strip(), "station", SECRET)
            client(_report(0))
            puts, posts, tails = [], [], []
            for number in range(EFFORT.rounds(5)):
                queue = FolderQueue(tmp_path / f"direct{number}", max_reports=1_000_000)
                puts.append(_timed(queue.put)[0])
                seconds, each = _timed(client)
                posts.append(seconds)
                tails.append(sorted(each)[len(each) * 99 // 100])
        finally:
            hub.kill()
    note = f"{REPORTS:,} reports of 3 kB, {GREENLETS} at a time"
    ratios = [put / post for put, post in zip(puts, posts, strict=True)]
    records.figure("intake / FolderQueue.put alone", ratios, "", note)
    records.figure("intake: reports a second", [REPORTS / post for post in posts], "/s", note)
    records.figure("intake: p99 of a report", [tail * 1000 for tail in tails], "ms", note)
