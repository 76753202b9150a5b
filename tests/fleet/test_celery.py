"""The example for those who run Celery: its worker is killed, and every report arrives."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import until

from fleet.engine import Engine
from pywats_green.testing import WatsServer

pytest.importorskip("celery", reason="celery is not installed: pip install 'celery[redis]'")

EXAMPLE = Path(__file__).parents[2] / "examples" / "fleet"

HAND_IN = """
import sys
from pathlib import Path
from celery_hub import hand_in
for number, report_id in enumerate(sys.argv[2:]):
    pad = "x" * 300_000 if number % 10 == 0 else ""
    report = {"id": report_id, "type": "T", "pn": "P", "sn": str(number), "pad": pad}
    hand_in(report, Path(sys.argv[1]))
"""


@pytest.fixture
def environment(server: WatsServer, engine: Engine) -> dict[str, str]:
    return {
        **os.environ,
        "PYWATS_GREEN_BASE_URL": server.url,
        "PYWATS_GREEN_TOKEN": server.token,
        "REDIS_URL": f"{engine.url}/0",
        "VISIBILITY_TIMEOUT": "2",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.fixture
def worker(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        words = ["-A", "celery_hub", "worker", "-P", "gevent", "-c", "5", "--without-mingle"]
        name = f"worker{len(started)}"
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "celery", *words, "--without-gossip", "-n", name],
                    env=environment,
                    cwd=tmp_path,
                    stdout=log,
                    stderr=log,
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.long
def test_a_worker_that_is_killed_loses_no_report(
    server: WatsServer,
    environment: dict[str, str],
    tmp_path: Path,
    worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    server.configure(latency=0.2)
    ids = {str(uuid.uuid4()) for _ in range(60)}
    subprocess.run(
        [sys.executable, "-c", HAND_IN, str(tmp_path), *ids], env=environment, check=True
    )
    assert len(list(tmp_path.glob("*.json"))) == 6, "those too large for a message"
    victim, _ = worker(), worker()
    until(lambda: len(server.reports()) >= 10, every=0.1)
    victim.kill()
    victim.wait()
    assert len(server.reports()) < 60
    until(lambda: len(server.reports()) >= 60, every=0.1)
    assert set(server.reports()) == ids
    until(lambda: not list(tmp_path.glob("*.json")), every=0.1)
