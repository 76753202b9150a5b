"""Timers of the hub, on the event loop that Windows has, too."""

import os
import subprocess
import sys

import pytest
from platforms import PATIENCE

SHORT = """
import gevent, pywats_green, tempfile, warnings
warnings.simplefilter("error")  # also what is kept from asyncio
from gevent.event import Event
from pywats_green import FolderQueue, QueueProcessor
from pywats_green.timers import breathe, start_timer
assert "libuv" in type(gevent.get_hub().loop).__module__
for seconds in (0.0, 1e-4, 1e-3):
    done = Event()
    start_timer(seconds, done.set)
    assert done.wait(30)
queue = FolderQueue(tempfile.mkdtemp())
queue.put({"id": "r"})
tries = []
def fails_once(report):
    tries.append(report)
    if len(tries) == 1:
        raise ConnectionError("just now")
processor = QueueProcessor(queue, fails_once, backoff=(1e-4, 1e-4))
assert processor.drain(timeout=60).submitted == 1
queue.close()
if sys.platform == "win32":
    breathe()
"""

ASYNCIO = """
import asyncio, pywats_green
async def main():
    await asyncio.sleep(1e-4)
loop = asyncio.SelectorEventLoop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize("program", [SHORT, ASYNCIO], ids=["ours", "of asyncio"])
def test_none_is_shorter_than_libuv_can_measure(program: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\n{program}"],
        check=True, timeout=PATIENCE, env={**os.environ, "GEVENT_LOOP": "libuv-cffi"},
    )  # fmt: skip
