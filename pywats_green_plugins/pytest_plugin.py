"""The pytest plugin: the fixture `wats_server`, and a clear word about pytest-xdist."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pywats_green.testing import WatsServer


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
    if "pywats_green" not in sys.modules and not os.environ.get("PYWATS_GREEN_DISABLE"):
        # Importing it now would patch a process whose modules hold sockets and locks already.
        raise pytest.UsageError(
            "the fixture wats_server needs pywats_green, imported before everything else: put "
            '"-p pywats_green" into addopts, or set PYWATS_GREEN_DISABLE=1 to test without it'
        )
    from pywats_green.testing import WatsServer  # noqa: PLC0415  # see above

    with WatsServer(record=True) as server:
        yield server


@pytest.fixture
def wats_server(_wats_server_of_the_session: WatsServer) -> WatsServer:
    """An embedded WATS server, seeded anew for each test: see `pywats_green.testing.WatsServer`.

    One process serves all tests of a session.
    """
    _wats_server_of_the_session.reset()
    return _wats_server_of_the_session
