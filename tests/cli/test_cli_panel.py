"""The live panel of `drain --watch`, and what it leaves on the terminal."""

import io
import os
import re
import signal
import subprocess
from typing import Any

import pytest
from commandline import COMMAND, TIMEOUT, environment
from rich.console import Console
from waiting import until

from pywats_green import QueueFolderError, QueueProcessor
from pywats_green.cli.queue.panel import panel_of, render
from pywats_green.queue.folder.queue import FolderQueue

STATS: dict[str, Any] = {
    "depth": 1234, "oldest_age": 130.0, "in_flight": 20, "rate": 12.34, "paused": None,
    "submitted": 5678, "retried": 9, "quarantined": 2, "released": 0, "closings": 0, "probes": 0,
    "reopenings": 0,
}  # fmt: skip
LIMIT = {"used": 312, "limit": 500, "seconds": 60.0}


def shown(width: int, limits=(LIMIT,), **changes) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False)
    stats: Any = {**STATS, **changes}
    console.print(render(stats, limits, narrow=width < 60))
    assert max(map(len, stream.getvalue().splitlines())) <= width
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 40])
def test_it_fits(width):
    text = shown(width)
    for part in ("12.3", "1,234", "2 min", "20", "5,678", "9", "2", "312 of 500 in 60 s", "open"):
        assert part in text


def test_why_nothing_is_sent():
    reason = "the server is unreachable ([red]\x1b[2J)"
    assert "the server is unreachable ([red]\\x1b[2J)" in shown(80, paused=reason)
    assert "waiting for the rate limit" in shown(80, limits=[{**LIMIT, "used": 500}])
    assert "off" in shown(80, limits=[])
    assert "oldest      -" in shown(80, oldest_age=None)


def test_a_folder_that_is_gone(tmp_path):
    queue = FolderQueue(tmp_path / "queue")
    processor = QueueProcessor(queue, print)
    (tmp_path / "queue").rename(tmp_path / "elsewhere")
    stream = io.StringIO()
    with pytest.raises(QueueFolderError):
        queue.refresh()
    Console(file=stream, width=200).print(panel_of(processor, 200))
    assert "Cannot look in the queue folder" in stream.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_on_a_terminal(server, tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    queue = FolderQueue(tmp_path / "queue")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 60, 0, 0))
    seen = b""
    with subprocess.Popen(
        [*COMMAND, "drain", str(queue.path), "--watch"], stdout=subprocess.PIPE, stderr=theirs,
        env=environment(
            PYWATS_GREEN_BASE_URL=server.url, PYWATS_GREEN_TOKEN=server.token, TERM="xterm"
        ),
    ) as process:  # fmt: skip

        def shows(text: bytes) -> bool:
            nonlocal seen
            seen += os.read(ours, 100_000)
            return text in seen

        until(lambda: shows("╭─ drain".encode()))
        process.send_signal(signal.SIGINT)
        until(lambda: shows(b"stopping, up to 30 s; again to stop now"))
        out, _ = process.communicate(timeout=TIMEOUT)
    os.close(theirs)
    until(lambda: not _is_open(ours) or shows(b"\x1b[?25h"))
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"sent +0\n", out)
    assert b"\x1b[?25l" not in seen.rpartition(b"\x1b[?25h")[2]  # the cursor is there again


def _is_open(terminal: int) -> bool:
    import select

    return bool(select.select([terminal], [], [], 0)[0])
