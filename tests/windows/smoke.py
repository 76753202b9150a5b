"""The smoke test of a Windows Python, which runs this file; every other system can, too.

The package is imported, doctor and demo run, two processes fill a queue and two empty it, a
thousand calls are in flight, files become reports, Ctrl-Break ends drain and serve in order, and
neither an old console nor none is in the way.
"""

import pywats_green  # isort: split

import contextlib
import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import gevent
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

from pywats_green.testing import WatsServer

PATIENCE = 300.0  # seconds for one command, on a machine that does something else, too

PUT = """
import sys
from pywats_green import FolderQueue
folder, letter = sys.argv[1:]
with_claim = FolderQueue(folder)
for number in range(20):
    with_claim.put({"id": f"{letter}{number}", "type": "T", "pn": "PN-00001", "sn": f"S{number}"})
with_claim.claim().release()
with_claim.close()
"""

# Without a console of its own, this process cannot send events to another one (tests/cli/
# test_console_events.py makes one); so the process raises the signal itself: in a native thread, as
# Windows does. Elsewhere SIGTERM takes the place of Ctrl-Break.
INTERRUPTED = """
import _thread, signal, sys

start, raise_signal, line = _thread.start_new_thread, signal.raise_signal, sys.stdin.buffer.readline
number = getattr(signal, "SIGBREAK", signal.SIGTERM)
start(lambda: line() and raise_signal(number), ())

from pywats_green.__main__ import main

sys.exit(main(sys.argv[1:]))
"""

# What pythonw does. The exit status tells, as nothing else can.
WITHOUT_CONSOLE = """
import sys
sys.stdin = sys.stdout = sys.stderr = None
import pywats_green, tempfile
from pywats_green import FolderQueue, QueueProcessor
queue = FolderQueue(tempfile.mkdtemp())
queue.put({"id": "r"})
assert QueueProcessor(queue, lambda report: None).drain(progress=True).submitted == 1
queue.close()
from pywats_green.__main__ import main
assert main(["queue", "list", str(queue.path)]) == 0
"""

CONVERTER = """
import os
def convert(path):
    text = path.read_text(encoding="utf-8")
    if not text:
        os._exit(1)
    return [{"id": text.strip(), "type": "T"}]
"""


def python(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start this Python."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )


def output_of(process: subprocess.Popen[bytes], *, status: int = 0) -> str:
    """Wait for a process, and return what it printed to stdout."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == status, (process.args, process.returncode, out, err)
    return out.decode()


def line_of(stream: IO[bytes] | None) -> bytes:
    """Read a line of what a process prints."""
    assert stream is not None
    return stream.readline()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Have a process started by `interruptible` raise Ctrl-Break."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def interruptible(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command that can be interrupted."""
    return python("-c", INTERRUPTED, *arguments, env=env)


def green(*arguments: str) -> tuple[str, ...]:
    return ("-m", "pywats_green", *arguments)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{name} ... ", end="", flush=True)
    yield
    print(f"ok, {time.monotonic() - started:.0f} s", flush=True)


def installation() -> None:
    with step("import"):
        assert pywats_green.is_active()
    with step("doctor, on a console of code page 437"):
        old = {"PYTHONIOENCODING": "cp437"}
        told = json.loads(output_of(python(*green("doctor", "--json"), env=old)))
        assert told["ok"], told
    with step("demo"):
        told = json.loads(output_of(python(*green("demo", "--reports", "40", "--json"))))
        assert told, told
    with step("a service without a console"):
        output_of(python("-c", WITHOUT_CONSOLE))


def queue(folder: Path, server: WatsServer) -> None:
    own = {"PYWATS_GREEN_BASE_URL": server.url, "PYWATS_GREEN_TOKEN": server.token}
    with step("two processes fill a queue"):
        for process in [python("-c", PUT, str(folder), letter) for letter in "ab"]:
            output_of(process)
    with step("two drain it"):
        drains = [python(*green("drain", str(folder), "--json"), env=own) for _ in range(2)]
        for process in drains:
            process.wait(PATIENCE)
        sent = [json.loads(line_of(process.stdout))["submitted"] for process in drains]
        assert sum(sent) == 40 == len(server.reports()), sent
    with step("Ctrl-Break ends drain --watch"):
        watching = interruptible("drain", str(folder), "--watch", "--json", env=own)
        assert b"watching" in line_of(watching.stderr)
        with contextlib.closing(pywats_green.FolderQueue(folder)) as filled:
            filled.put({"id": "c", "type": "T", "pn": "PN-00001", "sn": "S"})
        while len(server.reports()) < 41:
            assert watching.poll() is None
            gevent.sleep(0.05)
        interrupt(watching)
        assert json.loads(output_of(watching))["remaining"] == 0
        assert not list((folder / "owners").iterdir())


def many(server: WatsServer) -> None:
    with step("1,000 calls in flight, twice what `select` can watch"):
        configure_throttling(enabled=False)
        with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
            parts = [f"PN-{number:05d}" for number in range(1000)]
            found = pywats_green.Pool(1000).map(api.product.get_product, parts)
            assert [product.part_number for product in found if product] == parts
        assert server.stats()["connections_opened"] > 512


def serve() -> None:
    with step("Ctrl-Break ends serve"):
        serving = interruptible("serve", "--json")
        assert b"url" in line_of(serving.stdout)
        interrupt(serving)
        output_of(serving)


def converter(room: Path) -> None:
    with step("files become reports, and one crashes its converter"):
        (room / "smoke_converter.py").write_text(CONVERTER)
        sys.path.insert(0, str(room))
        convert = importlib.import_module("smoke_converter").convert

        inbox = room / "Prüfplatz 1"
        inbox.mkdir()
        for number in range(3):
            text = f"c{number}" if number else ""
            (inbox / f"Gerät {number}.csv").write_text(text, encoding="utf-8")
        waiting = pywats_green.FolderQueue(room / "converted")
        summary = pywats_green.ConverterPool(inbox, convert, waiting, settle=0.2).drain()
        assert (summary.converted, summary.failed, waiting.counts()["waiting"]) == (2, 1, 2)
        assert (inbox / "error" / "Gerät 0.csv").exists()


def main() -> None:
    logging.disable(logging.WARNING)  # of the file that is to crash its converter
    with tempfile.TemporaryDirectory(prefix="two words ") as room:
        installation()
        with WatsServer() as server:
            queue(Path(room, "Warteschlange für A"), server)
        with WatsServer(latency=3.0) as server:
            many(server)
        serve()
        converter(Path(room))
    print("passed")


if __name__ == "__main__":
    main()
