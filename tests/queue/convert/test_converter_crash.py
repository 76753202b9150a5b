"""A ConverterPool that is killed loses no file and makes no second report; the hub goes on."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import converter_samples as samples
import gevent
import pytest
from platforms import PATIENCE as TIMEOUT
from pywats import pyWATS
from waiting import until

from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.queues.processor import QueueProcessor

PROGRAM = """
import os, signal, sys
import pywats_green
import converter_samples as samples
from pywats_green.queue.convert.pool import ConverterPool
from pywats_green.queue.folder.queue import FolderQueue

inbox, folder, name, fault = sys.argv[1:]
queue = FolderQueue(folder)

class Dying:
    def put(self, report, *, priority=5):
        item = queue.put(report, priority=priority)
        os.kill(os.getpid(), signal.SIGKILL)

def told(result):
    print(result.path.name, flush=True)

pool = ConverterPool(
    inbox, getattr(samples, name), Dying() if fault == "die" else queue, settle=0, concurrency=2,
    on_result=told,
)
print(pool.drain().remaining)
"""


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def start(tmp_path: Path, fault: str = "", name: str = "report") -> "subprocess.Popen[str]":
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    words: list[str | Path] = [program, tmp_path / "inbox", tmp_path / "queue", name, fault]
    found = [str(Path(samples.__file__).parent), os.environ.get("PYTHONPATH")]
    return subprocess.Popen(
        [sys.executable, "-W", "error", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))},
    )


def accepted(tmp_path: Path, api: pyWATS, server: WatsServer) -> dict[str, int]:
    summary = QueueProcessor(tmp_path / "queue", api).drain()
    assert (summary.quarantined, summary.remaining) == (0, 0)
    return server.reports()


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_between_put_and_move(inbox, tmp_path, api, server):
    (inbox / "a.txt").write_text("1")
    with start(tmp_path, "die") as process:
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGKILL
    assert (inbox / "a.txt").exists()
    with start(tmp_path) as process:
        assert process.communicate(timeout=TIMEOUT)[0].split() == ["a.txt", "0"]
    assert list(accepted(tmp_path, api, server).values()) == [1]  # put twice, one report
    assert [path.name for path in (inbox / "done").iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.long
def test_killed_at_any_moment(inbox, tmp_path, api, server):
    chance, files, kills = random.Random(4), 60, 7
    for number in range(files):
        (inbox / f"{number:02}.txt").write_text(str(number))
    for _ in range(kills):
        with start(tmp_path) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun to put and to move
            gevent.sleep(chance.uniform(0, 0.02))
            process.kill()
            process.communicate(timeout=TIMEOUT)
    with start(tmp_path) as process:
        assert process.communicate(timeout=TIMEOUT)[0].split()[-1] == "0"
    found = accepted(tmp_path, api, server)
    assert len(found) == files
    assert sum(found.values()) <= files + kills * 2  # those in flight, two at each kill
    assert len(list((inbox / "done").iterdir())) == files


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux shows them")
def test_a_child_that_hangs_ends_with_its_parent(inbox, tmp_path):
    (inbox / "a.txt").write_text("x")
    told = inbox / "done" / "pid"
    with start(tmp_path, name="tells_its_id_and_hangs") as process:
        until(told.exists)
        process.kill()
    child = Path("/proc", told.read_text(), "stat")
    until(lambda: not child.exists() or ") Z " in child.read_text())
    assert (inbox / "a.txt").exists()


def test_a_busy_converter_does_not_stop_the_others(inbox, tmp_path):
    (inbox / "a.txt").write_text("x")

    def let_it_end() -> None:
        until((inbox / "begun").exists)
        (inbox / "go").touch()  # which nobody could, were the hub the one that computes

    gevent.spawn(let_it_end)
    queue = FolderQueue(tmp_path / "queue")
    pool = ConverterPool(inbox, samples.busy, queue, settle=0, patterns=["*.txt"])
    assert pool.drain().converted == 1
