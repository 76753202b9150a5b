"""Drainers that are killed by SIGKILL: `drainers.py URL TOKEN FOLDER` drains, until it is killed.

Each is a new process, and is killed when a random number of its reports has been answered. The
parent puts more reports meanwhile. In the end each has arrived; only those in flight at a kill did
so twice.
"""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

EACH = 60  # reports put before each drainer, which is killed before it has sent as many
AT_ONCE = 20
LATENCY = 0.01  # seconds of the server
ENOUGH = 600.0  # seconds in which the last drainer must end


class Killed(NamedTuple):
    """The outcome of the phase.

    Attributes:
        kills: Drainers killed; one that had ended before is not counted.
        puts: Reports put.
        lost: Reports that the server never got.
        again: Reports that it got more than once.
        left: Reports that are still in the folder, in quarantine too.
    """

    kills: int
    puts: int
    lost: list[str]
    again: int
    left: int


def killed(kills: int, folder: Path, tell: Callable[[str], None], seed: int = 0) -> Killed:
    """Run the phase.

    Args:
        kills: How many drainers to kill.
        folder: An empty folder.
        tell: Called with each line of progress.
        seed: Seed of the random numbers.
    """
    import pywats_green
    from pywats_green.testing import WatsServer

    chance = random.Random(seed)  # noqa: S311
    with WatsServer(latency=LATENCY) as server:
        queue = pywats_green.FolderQueue(folder)
        put: set[str] = set()

        def put_more(count: int) -> None:
            for number in range(len(put), len(put) + count):
                report = {"type": "T", "pn": "PN-00000", "sn": str(number)}
                put.add(queue.put(report).lower())

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, __file__, server.url, server.token, str(folder)],
                stdout=subprocess.PIPE,
                text=True,
            )

        hits = 0
        for number in range(kills):
            put_more(EACH)
            drainer = start()
            try:
                assert drainer.stdout is not None
                for _ in range(chance.randrange(1, EACH)):
                    assert drainer.stdout.readline() == "sent\n"
            finally:
                drainer.kill()
                drainer.communicate()
            hits += drainer.returncode == -signal.SIGKILL
            if number % 10 == 9:
                tell(f"{number + 1} of {kills} drainers killed")
        last = start()
        try:
            last.communicate(timeout=ENOUGH)
        finally:
            last.kill()
            last.wait()
        reports = server.reports()
        counts = queue.counts()
        queue.close()
    return Killed(
        hits,
        len(put),
        sorted(put - reports.keys()),
        sum(count > 1 for count in reports.values()),
        counts["waiting"] + counts["quarantined"],
    )


def drain(url: str, token: str, folder: str) -> None:
    """Drain, and tell of each report that is answered."""
    logging.disable(logging.CRITICAL)  # each drainer tells whose claims it recovered
    from pywats import pyWATS
    from pywats.core.throttle import configure_throttling

    import pywats_green

    configure_throttling(enabled=False)
    api = pyWATS(base_url=url, token=token)

    def submit(report: dict[str, object]) -> object:
        answer = api.report.submit_report(report)
        print("sent", flush=True)
        return answer

    pywats_green.QueueProcessor(folder, submit, concurrency=AT_ONCE).drain()


if __name__ == "__main__":
    import pywats_green  # noqa: F401  # patches

    drain(*sys.argv[1:])
