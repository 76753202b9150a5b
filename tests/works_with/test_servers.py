"""Web servers: they serve requests, side by side if they can, and end on a signal."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from processes import GREEN, end, environment, needs

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
AT_ONCE = 4

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")

GUNICORN = [sys.executable, "-m", "gunicorn", "--graceful-timeout", "5", "--no-control-socket"]
UVICORN = ["--host", "127.0.0.1", "--loop", "asyncio", "web:asgi"]


class Running:
    """A server that runs, and its port."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def get(self, path: str = "/") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read()

    def get_together(self, path: str) -> set[bytes]:
        jobs = [gevent.spawn(self.get, path) for _ in range(AT_ONCE)]
        gevent.joinall(jobs, raise_error=True)
        return {job.get() for job in jobs}


@pytest.fixture
def start(server, tmp_path):
    """Start a server with a socket that listens already, so that requests may come at once."""
    log = tmp_path / "log"
    (tmp_path / "green.py").write_text("import pywats_green\n", "utf-8")
    with contextlib.ExitStack() as stack:

        @contextlib.contextmanager
        def running(*command: str, kind: str) -> Iterator[Running]:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            fd = str(listening.fileno())
            words = ["--fd", fd] if kind == "uvicorn" else ["-b", f"fd://{fd}"]
            output = stack.enter_context(log.open("w", encoding="utf-8"))
            process = subprocess.Popen(
                [*command, *words],
                stdout=output, stderr=subprocess.STDOUT, text=True,
                cwd=tmp_path, pass_fds=[listening.fileno()], start_new_session=True,
                env=environment(
                    WATS_URL=server.url, WATS_TOKEN=server.token, MEET=str(AT_ONCE),
                    PYTHONPATH=os.pathsep.join([str(PROGRAMS), str(ROOT)]),
                ),
            )  # fmt: skip
            try:
                yield Running(process, listening.getsockname()[1], log)
            finally:
                if process.poll() is None:
                    end(process)
                process.wait()

        yield running


SERVERS = {
    "gunicorn sync": [*GUNICORN, "web:wsgi"],
    "gunicorn sync, preloaded": [*GUNICORN, "--preload", "web:wsgi"],
    "gunicorn gevent": [*GUNICORN, "-k", "gevent", "web:wsgi"],
    "gunicorn gthread": [
        *GUNICORN, "-c", "green.py", "-k", "gthread", "--threads", "4", "web:wsgi",
    ],
    "gunicorn asgi": [*GUNICORN, "-k", "asgi", "--asgi-loop", "asyncio", "web:asgi"],
    "uvicorn": [sys.executable, "-m", "uvicorn", *UVICORN],
    "uvicorn, run": [*GREEN, "run", "-m", "uvicorn", *UVICORN],
}  # fmt: skip
LONG = ("gunicorn sync, preloaded", "gunicorn asgi", "uvicorn, run")


@needs("gunicorn", "uvicorn")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in SERVERS]
)
def test_a_server(start, name):
    kind = name.partition(" ")[0].strip(",")
    with start(*SERVERS[name], kind=kind) as running:
        assert running.get() == b"PN-00001", running.log.read_text("utf-8")
        # A sync worker serves one request at a time.
        path = "/" if name.startswith("gunicorn sync") else "/together"
        assert running.get_together(path) == {b"PN-00001"}
        running.process.send_signal(signal.SIGTERM)
        # As without us, uvicorn ends by the signal once it has stopped.
        assert running.process.wait(60) in (0, -signal.SIGTERM)
    text = running.log.read_text("utf-8")
    assert "Traceback" not in text, text


@needs("gunicorn")
def test_gthread_is_refused_when_it_loads_the_application(start):
    with start(*GUNICORN, "-k", "gthread", "web:wsgi", kind="gunicorn") as running:
        assert running.process.wait(60) != 0
    assert "gunicorn's gthread worker would hang" in running.log.read_text("utf-8")


@needs("uvicorn", "uvloop")
def test_uvloop_is_named(script):
    done = script("""
        import pywats_green, warnings
        warnings.simplefilter("always")
        import uvloop
        async def main():
            return "ran"
        print(uvloop.run(main()))
    """)
    assert done.stdout == "ran\n"
    assert "RuntimeWarning: uvloop waits natively" in done.stderr
    assert '"--loop asyncio"' in done.stderr
