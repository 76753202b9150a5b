"""Ctrl-C and Ctrl-Break from another process: what consoles and service managers of Windows send.

Other systems have signals; see test_cli_drain and test_cli_serve.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import COMMAND, TIMEOUT, environment
from platforms import WINE

from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.testing import WatsServer

pytestmark = pytest.mark.skipif(os.name != "nt", reason="only Windows has console events")

CTRL_C, CTRL_BREAK = 0, 1

# What raises it inside a process under WINE is the smoke test, tests/windows/smoke.py.
no_break = pytest.mark.skipif(WINE, reason="WINE refuses to send Ctrl-Break (error 6)")
EVENTS = [CTRL_C, pytest.param(CTRL_BREAK, marks=no_break)]

# A process with a console of its own, because all that are on the console are hit.
SENDER = """
import ctypes, json, signal, subprocess, sys
event, speaks_on, *command = sys.argv[1:]
process = subprocess.Popen(
    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
)
line = getattr(process, speaks_on).readline()
for number in (signal.SIGINT, signal.SIGBREAK):
    signal.signal(number, lambda *_: None)
sent = ctypes.windll.kernel32.GenerateConsoleCtrlEvent(int(event), 0)
assert sent, ctypes.windll.kernel32.GetLastError()
out, err = process.communicate()
print(json.dumps([process.returncode, line, out, err]))
"""


def ended_by(event: int, speaks_on: str, *words: str, **env: str) -> tuple[int, str, str, str]:
    """Start a command, send it an event once it says something, and return how it ended."""
    done = subprocess.run(
        [sys.executable, "-c", SENDER, str(event), speaks_on, *COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=environment(**env),
        creationflags=getattr(subprocess, "CREATE_NEW_CONSOLE", 0),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, line, out, err = json.loads(done.stdout)
    return status, line, out, err


@pytest.mark.parametrize("event", EVENTS)
def test_it_ends_a_drain_in_order(server: WatsServer, tmp_path: Path, event: int) -> None:
    FolderQueue(tmp_path / "queue").close()
    status, line, out, err = ended_by(
        event, "stderr", "drain", str(tmp_path / "queue"), "--watch", "--json",
        PYWATS_GREEN_BASE_URL=server.url, PYWATS_GREEN_TOKEN=server.token,
    )  # fmt: skip
    assert line.startswith("watching ")
    assert (status, err) == (0, "stopping, up to 30 s; again to stop now\n")
    assert json.loads(out)["remaining"] == 0
    assert not list((tmp_path / "queue").glob("owners/*"))


@pytest.mark.parametrize("event", EVENTS)
def test_it_ends_serve_in_order(event: int) -> None:
    status, line, out, err = ended_by(event, "stdout", "serve", "--json")
    assert "url" in json.loads(line)
    assert (status, out, err) == (0, "", "")
