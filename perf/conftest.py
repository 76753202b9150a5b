"""Imports pywats_green first, as in tests/conftest.py; the contestants are separate processes."""

import pywats_green  # isort: split

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from machine import fingerprint
from pywats.core.throttle import configure_throttling
from recording import Records
from stage import CORE, EFFORT, Stage, pinned_server

assert pywats_green.is_active()

MACHINE = fingerprint()
RECORDS = Records()
STARTED = time.monotonic()


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    """Turn off upstream's limit of 500 requests a minute, which would dominate every benchmark."""
    configure_throttling(enabled=False)


@pytest.fixture(scope="session")
def records() -> Records:
    return RECORDS


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A server per file, and the contestants that use it."""
    with pinned_server() as server:
        stage = Stage(server)
        yield stage
        stage.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Include failed cells in the report."""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = report.longreprtext if crash is None else crash.message
        RECORDS.broken[report.nodeid] = text.strip().partition("\n")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what does not fit into pytest-benchmark's records to a file next to them."""
    path = session.config.getoption("benchmark_json")
    if path is not None:
        pinned = "the server is not pinned" if CORE is None else f"the server is on core {CORE}"
        run = {
            "machine": MACHINE,
            "quick": EFFORT.quick,
            "cores": f"{pinned}, its clients on any",
            "minutes": (time.monotonic() - STARTED) / 60,
            **RECORDS.as_dict(),
        }
        Path(path).with_name("run.json").write_text(json.dumps(run), "utf-8")
