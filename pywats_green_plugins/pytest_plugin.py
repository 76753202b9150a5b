"""The pytest plugin: the fixture `wats_server`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pywats_green.testing import WatsServer


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
