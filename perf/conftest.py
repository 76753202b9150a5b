"""The start button first, as in tests/conftest.py; the contestants are processes of their own."""

import pywats_green  # isort: split

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from machine import fingerprint
from pywats.core.throttle import configure_throttling
from recording import Records
from stage import EFFORT, Stage, server_core

from pywats_green.testing import WatsServer

assert pywats_green.is_active()

MACHINE = fingerprint()
RECORDS = Records()
CORE = server_core()


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    """Upstream's default of 500 requests a minute would be what every benchmark measures."""
    configure_throttling(enabled=False)


@pytest.fixture(scope="session")
def records() -> Records:
    return RECORDS


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A server for each file, pinned to its core, and the contestants that play against it."""
    with WatsServer() as server:
        if CORE is not None and server.pid is not None:
            os.sched_setaffinity(server.pid, {CORE})
        stage = Stage(server)
        yield stage
        stage.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A cell that broke has its place in the report, too."""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = report.longreprtext if crash is None else crash.message
        RECORDS.broken[report.nodeid] = text.strip().partition("\n")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what does not fit into pytest-benchmark's records to a file beside them."""
    path = session.config.getoption("benchmark_json")
    if path is not None:
        pinned = "the server is not pinned" if CORE is None else f"the server on core {CORE}"
        run = {"machine": MACHINE, "quick": EFFORT.quick, "cores": pinned, **RECORDS.as_dict()}
        Path(path).with_name("run.json").write_text(json.dumps(run), "utf-8")
