"""Reports go from stations over a hub to WATS, while each process on the way is killed."""

import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import until

from pywats_green import FolderQueue
from pywats_green.testing import WatsServer

PARTS = Path(__file__).with_name("chain_parts.py")
STATIONS = {"one": "0123456789abcdef", "two": "fedcba9876543210"}
EACH = 1000


class Chain:
    """Two stations, an intake, a drain."""

    def __init__(self, server: WatsServer, folder: Path) -> None:
        (folder / "stations.json").write_text(json.dumps(STATIONS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        hub = str(folder / "hub")
        self._words = {
            "hub": ["hub", hub, str(folder / "stations.json"), address],
            "drain": ["drain", hub, server.url, server.token],
        }
        for name, secret in STATIONS.items():
            self._words[name] = ["station", str(folder / name), f"http://{address}", name, secret]
        self._running = {name: self._start(name) for name in self._words}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(PARTS), *self._words[name]])

    def kill(self, name: str) -> None:
        """End a process without warning, and start it again."""
        self._running[name].kill()
        self._running[name].wait()
        self._running[name] = self._start(name)

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture
def start(server: WatsServer, tmp_path: Path) -> Iterator[Callable[[], Chain]]:
    chains: list[Chain] = []

    def start() -> Chain:
        chains.append(Chain(server, tmp_path))
        return chains[0]

    yield start
    for chain in chains:
        chain.close()


@pytest.mark.long
def test_each_process_is_killed_once_and_no_report_is_lost(
    server: WatsServer, tmp_path: Path, start: Callable[[], Chain]
) -> None:
    ids = set()
    for station in STATIONS:
        queue = FolderQueue(tmp_path / station)
        for number in range(EACH):
            report_id = str(uuid.uuid4())
            queue.put({"id": report_id, "type": "T", "pn": "PN-1", "sn": f"{station}-{number}"})
            ids.add(report_id)
    chain = start()
    for count, victim in ((200, "one"), (600, "hub"), (1000, "drain"), (1400, "two")):
        until(lambda count=count: len(server.reports()) >= count, every=0.1)
        chain.kill(victim)
    until(lambda: len(server.reports()) >= len(ids), every=0.1)
    counts = server.reports()
    assert set(counts) == ids
    # In flight: 20 of the drain, and what two stations had handed in and had no receipt for.
    assert sum(counts.values()) - len(counts) <= 60
    for folder in (*STATIONS, "hub"):
        # Beside them may stand what a killed hub was writing, `.….tmp`, until it is cleaned up.
        until(lambda folder=folder: not list((tmp_path / folder).glob("[!.]*.wsjf*")))
        assert not list((tmp_path / folder).glob("quarantine/*"))
