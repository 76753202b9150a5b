"""Turn files written by a tester into reports; one that crashes the converter affects no other.

python examples/converters.py
"""

import pywats_green  # isort: split

import csv
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pywats import pyWATS

from pywats_green.testing import WatsServer


def convert(path: Path) -> list[dict[str, Any]]:
    """Make a report from each line. Runs in a child process, which imports this file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        os._exit(1)  # what a bug in a C extension does
    return [
        {
            "type": "T", "pn": "PN-00001", "sn": row["serial"], "rev": "A", "processCode": 10,
            "result": row["result"], "machineName": "Line 1", "location": "Lab", "purpose": "Test",
            "start": row["start"],
            "root": {
                "id": 0, "group": "M", "stepType": "SequenceCall", "name": "Main", "status": "P",
            },
        }
        for row in rows
    ]  # fmt: skip


def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder, WatsServer() as server:
        inbox = Path(folder, "inbox")
        inbox.mkdir()
        for number in range(4):
            line = f"SN-{number:05d},P,2026-01-01T12:00:00+00:00\n"
            content = "serial,result,start\n" + (line if number != 2 else "")  # noqa: PLR2004
            Path(inbox, f"test-{number}.csv").write_text(content, encoding="utf-8")

        queue = pywats_green.FolderQueue(Path(folder, "queue"))
        pool = pywats_green.ConverterPool(inbox, convert, queue, patterns=["*.csv"], settle=0.2)
        print(pool.drain())  # a service calls run() in a greenlet, next to the processor's

        api = pyWATS(base_url=server.url, token=server.token)
        print("sent:", pywats_green.QueueProcessor(queue, api).drain().submitted)
        print("failed:", Path(inbox, "error", "test-2.csv.reason.txt").read_text("utf-8").strip())
        queue.close()


if __name__ == "__main__":
    main()
