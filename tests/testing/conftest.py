from collections.abc import Iterator

import pytest

from pywats_green.testing import WatsServer

from .wire_client import WireClient


@pytest.fixture(scope="session")
def wats_process() -> Iterator[WatsServer]:
    with WatsServer(record=True) as server:
        yield server


@pytest.fixture
def wats(wats_process: WatsServer) -> WatsServer:
    wats_process.reset()
    return wats_process


@pytest.fixture
def client(wats: WatsServer) -> Iterator[WireClient]:
    with WireClient(wats) as connection:
        yield connection
