"""Network namespaces as hosts: each has its own network, and one can be cut off from the server.

They are skipped where a process may not make them; Linux lets root.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from gevent.socket import create_connection
from waiting import until

from fleet.conftest import LIMIT
from fleet.engine import Engine
from fleet.stations import Station, join, run_all, seated, states
from pywats_green.testing import WatsServer

pytestmark = pytest.mark.long  # seconds each, in processes of their own

# Of the range that is reserved for tests of networks (RFC 2544).
WATS, SHARED = "198.18.0.1", "198.18.1.1"


_IP = shutil.which("ip")


def _ip(*words: str) -> None:
    assert _IP is not None
    subprocess.run([_IP, *words], check=True, capture_output=True)


class _Host:
    """A network namespace with a cable to each of two addresses of this machine."""

    def __init__(self, number: int) -> None:
        self.name = f"pg{os.getpid()}x{number}"
        self._cables: dict[str, str] = {}
        _ip("netns", "add", self.name)
        try:
            self._lay_cables(number)
        except BaseException:
            self.remove()
            raise

    def _lay_cables(self, number: int) -> None:
        for there, letter in ((WATS, "w"), (SHARED, "s")):
            cable, plug = f"{letter}{os.getpid()}x{number}", f"{letter}0"
            here = f"{there.rpartition('.')[0]}.{10 + number}"
            _ip("link", "add", cable, "type", "veth", "peer", "name", plug, "netns", self.name)
            _ip("address", "add", there, "peer", here, "dev", cable)
            _ip("link", "set", cable, "up")
            _ip("-n", self.name, "address", "add", here, "peer", there, "dev", plug)
            _ip("-n", self.name, "link", "set", plug, "up")
            self._cables[there] = cable

    def start(self) -> Station:
        """Start a process there."""
        assert _IP is not None
        return Station(within=(_IP, "netns", "exec", self.name))

    def cut_off(self, there: str) -> None:
        """Let what is sent to an address vanish."""
        _ip("link", "set", self._cables[there], "down")

    def connect(self, there: str) -> None:
        """Undo that."""
        _ip("link", "set", self._cables[there], "up")

    def remove(self) -> None:
        """Remove it, and its cables with it."""
        _ip("netns", "delete", self.name)


@pytest.fixture
def hosts() -> Iterator[list[_Host]]:
    if _IP is None:
        pytest.skip("no ip: apt install iproute2")
    made: list[_Host] = []
    try:
        try:
            made.extend(_Host(number) for number in range(2))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr.decode().strip()}")
        yield made
    finally:
        for host in made:
            host.remove()


def _relay(address: str, port: int) -> StreamServer:
    """Let what connects to an address reach a port of the loopback."""

    def forward(source: Any, target: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def handle(client: Any, _: object) -> None:
        with create_connection(("127.0.0.1", port)) as behind:
            there = gevent.spawn(forward, client, behind)
            forward(behind, client)
            there.kill()

    server = StreamServer((address, 0), handle)
    server.start()
    return server


@pytest.fixture
def network(hosts: list[_Host], counting: WatsServer, warm: Engine) -> Iterator[tuple[str, str]]:
    """The WATS server and the shared one, by the URLs at which hosts reach them."""
    wats, shared = _relay(WATS, int(counting.url.rpartition(":")[2])), _relay(SHARED, warm.port)
    yield f"http://{WATS}:{wats.server_port}", f"redis://{SHARED}:{shared.server_port}"
    wats.stop()
    shared.stop()


def _done(fleet: list[Station], calls: int) -> list[int]:
    answers = run_all(fleet, calls=calls)
    assert not [error for answer in answers for error in answer["errors"]]
    return [answer["done"] for answer in answers]


def _are_away(fleet: list[Station]) -> list[bool]:
    return [state["trouble"] is not None for state in states(fleet)]


@pytest.fixture
def stations(hosts: list[_Host]) -> Iterator[list[Station]]:
    """A process on each host."""
    with ExitStack() as stack:
        started = [host.start() for host in hosts]
        for station in started:
            stack.callback(station.kill)
        yield started


def test_hosts_share_one_limit(
    stations: list[Station], counting: WatsServer, network: tuple[str, str]
) -> None:
    wats, shared = network
    join(stations, counting, shared, LIMIT, url_of_wats=wats)
    assert _done(seated(stations), 60) == [60, 60]


def test_a_host_that_is_cut_off_keeps_to_its_share(
    hosts: list[_Host],
    stations: list[Station],
    counting: WatsServer,
    network: tuple[str, str],
) -> None:
    wats, shared = network
    limit = (40, 4.0)
    counting.configure(rate_limit=limit)
    join(stations, counting, shared, limit, url_of_wats=wats)
    assert _done(seated(stations), 20) == [20, 20]
    hosts[0].cut_off(SHARED)
    assert _done(stations, 20) == [20, 20]
    assert _are_away(stations) == [True, False]
    hosts[0].connect(SHARED)
    until(lambda: not any(_are_away(stations)), "both to be together again")
    assert _done(stations, 40) == [40, 40]
