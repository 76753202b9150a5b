"""Shared by all tests. Imports pywats_green first, like a user's program."""

import pywats_green  # isort: split

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platforms import PATIENCE
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

from pywats_green.testing import WatsServer
from pywats_green.upstream.client import epochs, gates

assert pywats_green.is_active()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its jobs in the background like that, and the programs under test inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[WatsServer]:
    """An embedded server for all tests of a worker; use `server`, which resets it."""
    with WatsServer(record=True) as server:
        yield server


@pytest.fixture
def server(shared_server: WatsServer) -> WatsServer:
    shared_server.reset()
    shared_server.configure(latency=0.0, jitter=0.0, rate_limit=None)
    return shared_server


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Forget what other tests did to a server: writes that were killed, and closed gates."""
    epochs.unsettled.clear()
    gates.forget_all()


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    """Turn off upstream's limit of 500 requests a minute, which would slow every test down."""
    configure_throttling(enabled=False)


@pytest.fixture
def api(server: WatsServer) -> Iterator[pyWATS]:
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as client:
        yield client


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script in a separate process, by default with warnings as errors."""

    def run(
        source: str, *args: str, env: dict[str, str] | None = None, warnings: str = "error"
    ) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_text(source, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", warnings, str(script), *args],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, **(env or {})},
        )

    return run
