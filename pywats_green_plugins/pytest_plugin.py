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
    """Refuse what would end in an internal error: a patched process cannot be a worker of xdist."""
    distributes = config.getoption("numprocesses", None) or config.getoption("tx", None)
    if distributes and "pywats_green" in config.getoption("plugins", []):
        raise pytest.UsageError(
            "pytest-xdist's workers fail under -p pywats_green: leave it out of the command line "
            'and of addopts, and put "import pywats_green" at the top of conftest.py, or use -n 0'
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
