"""Celery's pools: which of them run green tasks, and end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import end, environment, needs

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.long,
    needs("celery"),
    pytest.mark.skipif(sys.platform == "win32", reason="Celery needs POSIX"),
]

ASK = """
    from celery_app import read
    print([task.get(timeout=60) for task in [read.delay(1), read.delay(2)]])
"""
CELERY = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", "2"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


@pytest.fixture
def surroundings(server, tmp_path):
    for name in ("queue", "results", "control"):
        (tmp_path / name).mkdir()
    return {
        "WATS_URL": server.url,
        "WATS_TOKEN": server.token,
        "CELERY_FOLDER": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(PROGRAMS), str(ROOT)]),
    }


def start(pool, log, env):
    with log.open("w", encoding="utf-8") as output:
        return subprocess.Popen(
            [*CELERY, *QUIET, "-P", pool],
            stdout=output, stderr=subprocess.STDOUT, text=True, cwd=log.parent,
            env=environment(**env), start_new_session=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "early"),
    [("prefork", {}), *((p, {"EARLY": "1"}) for p in ("gevent", "threads", "solo"))],
)
def test_a_pool(script, surroundings, tmp_path, pool, early):
    log = tmp_path / "log"
    worker = start(pool, log, {**surroundings, **early})
    try:
        done = script(ASK, **surroundings)
        text = log.read_text("utf-8")
        assert done.stdout == "[[True, 'PN-00001'], [True, 'PN-00002']]\n", done.stderr + text
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        if worker.poll() is None:
            end(worker)
        worker.wait()
    assert "never ends" not in log.read_text("utf-8")


def test_prefork_in_a_patched_process_is_named(surroundings, tmp_path):
    log = tmp_path / "log"
    worker = start("prefork", log, {**surroundings, "EARLY": "1"})
    try:
        while "Celery's prefork pool never ends" not in log.read_text("utf-8"):
            assert worker.poll() is None, log.read_text("utf-8")
            time.sleep(0.05)
    finally:
        end(worker)
        worker.wait()
