"""Keep reports in a folder, on disk, until the server has them.

python examples/queue_drain.py
"""

import pywats_green  # isort: split

import logging
import os
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from pywats import pyWATS
from pywats.domains.report.report_models import UUTReport

from pywats_green.testing import WatsServer


def report(number: int) -> UUTReport:
    return UUTReport(
        pn="PN-00001", sn=f"SN-{number:05d}", rev="A", process_code=10, station_name="Line 1",
        location="Lab", purpose="Test", result="P", start=datetime.now(timezone.utc),
    )  # fmt: skip


def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="  %(message)s")
    with tempfile.TemporaryDirectory() as folder, WatsServer(latency=0.05) as server:
        queue = pywats_green.FolderQueue(folder)
        for number in range(200):
            queue.put(report(number))  # on disk when it returns, whatever happens next
        torn = Path(folder, "torn.queued")  # another program crashed while writing it
        torn.write_text('{"sn": ', encoding="utf-8")
        two_minutes_ago = time.time() - 120  # a younger one might still be being written
        os.utime(torn, (two_minutes_ago, two_minutes_ago))
        print("in the folder:", queue.counts())

        api = pyWATS(base_url=server.url, token=server.token)
        processor = pywats_green.QueueProcessor(queue, api, concurrency=50, backoff=(0.1, 1.0))
        server.fail("POST /api/Report/WSJF", status=503, times=3)  # retried
        summary = processor.drain()
        print(
            f"sent {summary.submitted} in {summary.elapsed:.1f} s, "
            f"retried {summary.retried}, in quarantine {summary.quarantined}"
        )
        print("at the server:", len(server.reports()), "reports")
        for item in queue.list("quarantined"):
            print(f"to look at: {item.item_id}, {item.last_error}")
            queue.discard(item.item_id)
        queue.close()


if __name__ == "__main__":
    main()
