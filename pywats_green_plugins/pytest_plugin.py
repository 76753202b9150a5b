"""The pytest plugin: `wats_server`, `wats_api`, `mock_wats`, `max_requests`; it refuses xdist."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pywats import pyWATS

    from pywats_green.testing import MockWats, WatsServer
    from pywats_green.testing.plugin import MaxRequests


def _require_green(fixture: str) -> None:
    if "pywats_green" not in sys.modules and not os.environ.get("PYWATS_GREEN_DISABLE"):
        # Importing it now would patch a process whose modules hold sockets and locks already.
        raise pytest.UsageError(
            f"the fixture {fixture} needs pywats_green, imported before everything else: put "
            '"-p pywats_green" into addopts, or set PYWATS_GREEN_DISABLE=1 to test without it'
        )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Refuse what would end in an internal error: execnet waits natively, here and in workers."""
    distributes = config.getoption("numprocesses", None) or config.getoption("tx", None)
    is_green = "pywats_green" in sys.modules and not os.environ.get("PYWATS_GREEN_DISABLE")
    if distributes and is_green:
        raise pytest.UsageError(
            "pytest-xdist cannot run in a process that pywats_green has patched: use -n 0, or set "
            "PYWATS_GREEN_DISABLE=1 to test without it"
        )


@pytest.fixture(scope="session")
def _wats_server_of_the_session() -> Iterator[WatsServer]:
    _require_green("wats_server")
    from pywats_green.testing import WatsServer  # noqa: PLC0415  # see above

    with WatsServer(record=True) as server:
        yield server


@pytest.fixture
def wats_server(_wats_server_of_the_session: WatsServer) -> WatsServer:
    """An embedded WATS server, seeded anew for each test: see `pywats_green.testing.WatsServer`.

    One process serves all tests of a session.
    """
    from pywats_green.testing.plugin import renew  # noqa: PLC0415  # see above

    renew(_wats_server_of_the_session)
    return _wats_server_of_the_session


@pytest.fixture
def wats_api(wats_server: WatsServer) -> Iterator[pyWATS]:
    """A `pyWATS` of `wats_server`, with an empty cache and without upstream's rate limit."""
    from pywats_green.testing.plugin import client_of  # noqa: PLC0415  # see above

    with client_of(wats_server) as api:
        yield api


@pytest.fixture
def mock_wats() -> Iterator[MockWats]:
    """The server's routes in this process, without a socket: see `pywats_green.testing.mock_wats`.

    It answers for its `url`, "http://wats.mock".
    """
    _require_green("mock_wats")
    from pywats_green import testing  # noqa: PLC0415  # see above

    with testing.mock_wats(record=True) as wats:
        yield wats


@pytest.fixture
def max_requests(request: pytest.FixtureRequest) -> Iterator[MaxRequests]:
    """Fail the test if green clients send more requests than allowed.

    `max_requests(10)` counts until the end of the test, `with max_requests(10):` until the end of
    the block. It counts what `pywats_green.profile_queries()` records, whose report is the message.
    """
    _require_green("max_requests")
    from pywats_green.testing.plugin import limits_of  # noqa: PLC0415  # see above

    yield from limits_of(request)
