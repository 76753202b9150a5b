"""A long outage on a scaled clock: `outage.py URL TOKEN FOLDER FACTOR` is the client's process.

The client puts a report and makes a read every few seconds, before, during and after the outage,
in which the server is really stopped. No report may be lost, and no read may fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.measuring import Sample
from soak.scaled import scale_clocks

FACTOR = 30.0  # seconds of the client's in a second
BEFORE, AFTER = 120.0, 300.0  # seconds of the client's around the outage
EVERY = 5.0  # seconds of the client's between two reports
LONGEST = 7_200.0  # seconds of the client's that a read waits for the server
ENOUGH = 120.0  # real seconds in which the client must end
STOP = "stop"


class Outage(NamedTuple):
    """The outcome of the phase; times are the client's.

    Attributes:
        seconds: How long the server was away.
        samples: Of the client's process.
        puts: Reports put.
        lost: Reports that the server never got.
        again: Reports that it got more than once.
        quarantined: Reports that were given up.
        reads: Outcomes of the reads.
        back_after: Seconds from the server's return until a report arrived.
    """

    seconds: float
    samples: list[Sample]
    puts: int
    lost: list[str]
    again: int
    quarantined: int
    reads: Counter[str]
    back_after: float


def outage(seconds: float, folder: Path, tell: Callable[[str], None]) -> Outage:
    """Run the phase.

    Args:
        seconds: Length of the outage, of the client's.
        folder: An empty folder.
        tell: Called with each line of progress.
    """
    from pywats_green.testing import WatsServer

    with WatsServer() as server:
        client = subprocess.Popen(
            [sys.executable, __file__, server.url, server.token, str(folder), str(FACTOR)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
            time.sleep(BEFORE / FACTOR)
            port = int(server.url.rpartition(":")[2])
            before = server.reports()
            server.stop()
            tell(f"outage: {seconds:,.0f} s, {FACTOR:g} times as fast")
            time.sleep(seconds / FACTOR)
            with WatsServer(port=port) as again:
                back = time.monotonic()
                while not again.reports():
                    time.sleep(0.02)
                back_after = (time.monotonic() - back) * FACTOR
                time.sleep(AFTER / FACTOR)
                (folder / STOP).touch()
                said = json.loads(client.communicate(timeout=ENOUGH)[0])
                after = again.reports()
        finally:
            client.kill()
            client.wait()
    arrived = Counter(before) + Counter(after)
    return Outage(
        seconds,
        [Sample(*each) for each in said["samples"]],
        len(said["put"]),
        sorted(set(said["put"]) - arrived.keys()),
        sum(count > 1 for count in arrived.values()),
        said["quarantined"],
        Counter(said["reads"]),
        back_after,
    )


def client(url: str, token: str, folder: Path) -> dict[str, Any]:
    """Put reports and read until told to stop; then wait until nothing is left to do."""
    import gevent
    from pywats import pyWATS
    from pywats.core.throttle import configure_throttling
    from soak.measuring import look

    import pywats_green

    configure_throttling(enabled=False)
    pywats_green.configure(wait_for_server=LONGEST)
    api = pyWATS(base_url=url, token=token, enable_cache=False)
    queue = pywats_green.FolderQueue(folder / "queue")
    processor = pywats_green.QueueProcessor(queue, api)
    service = gevent.spawn(processor.run)
    reads: Counter[str] = Counter()

    def read(number: int) -> None:
        try:
            api.product.get_product(f"PN-{number:05d}")
        except Exception as exc:  # noqa: BLE001  # all errors are counted
            reads[f"{type(exc).__name__}: {exc}"[:80]] += 1
        else:
            reads["success"] += 1

    put: list[Any] = []
    samples: list[Any] = []
    pending: list[Any] = []
    began = time.monotonic()
    print("ready", flush=True)
    while not (folder / STOP).exists():
        number = len(put)
        put.append(queue.put({"type": "T", "pn": "PN-00000", "sn": str(number)}).lower())
        pending.append(gevent.spawn(read, number))
        pending = [each for each in pending if not each.dead]
        if number % 10 == 0:
            samples.append(look(began))
        gevent.sleep(EVERY)
    gevent.joinall(pending)
    while queue.counts()["waiting"] or queue.counts()["in_flight"]:
        gevent.sleep(EVERY)
    processor.stop()
    service.join()
    samples.append(look(began))
    quarantined = queue.counts()["quarantined"]
    api.close()
    return {"put": put, "samples": samples, "reads": reads, "quarantined": quarantined}


if __name__ == "__main__":
    scale_clocks(float(sys.argv[4]))
    import pywats_green  # noqa: F401  # patches

    found = client(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    print(json.dumps(found), flush=True)
    os._exit(0)
