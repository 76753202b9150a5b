"""The simulation of `simulate.py`, compared with a real drain under the same limit."""

import uuid
from pathlib import Path

from pywats import pyWATS
from pywats.core.throttle import RateLimiter
from recording import Records
from simulate import Server, simulate
from stage import EFFORT, pinned_server

from pywats_green import FolderQueue, QueueProcessor

REPORTS = 400
SERVER = Server(limit=50, window=1.0, latency=0.05, concurrency=40)


def test_simulation(tmp_path: Path, records: Records) -> None:
    """400 reports that wait, under a limit of 50 a second, each slot counted until its answer."""
    expected = simulate([0.0] * REPORTS, SERVER).finished
    real = []
    with (
        pinned_server(latency=SERVER.latency) as server,
        pyWATS(base_url=server.url, token=server.token) as api,
    ):
        for number in range(EFFORT.rounds(3)):
            queue = FolderQueue(tmp_path / f"queue{number}")
            for serial in range(REPORTS):
                queue.put({"id": str(uuid.uuid4()), "type": "T", "pn": "P", "sn": str(serial)})
            limiter = RateLimiter(SERVER.limit, SERVER.window)
            api._http_client._rate_limiter = limiter  # type: ignore[attr-defined]  # noqa: SLF001
            real.append(QueueProcessor(queue, api, concurrency=SERVER.concurrency).drain().elapsed)
    records.figure(
        "simulation: a real drain / the simulated one",
        [seconds / expected for seconds in real],
        "",
        f"{REPORTS} reports, {SERVER.limit} a second",
    )
