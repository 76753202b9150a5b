"""Plain upstream accepts every response."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pywats_green.testing import WatsServer

SCRIPT = Path(__file__).with_name("upstream_calls.py")


@pytest.mark.long
@pytest.mark.skipif(
    not metadata.version("pywats-api").startswith("0.6"),
    reason="the calls are written for the methods and models of 0.6",
)
def test_upstreams_models_accept_the_answers_to_every_public_method(wats: WatsServer) -> None:
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYWATS_GREEN_DISABLE": "1", "PYTHONPATH": path}
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), wats.url, wats.token],
        env=environment,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr.decode()[-3000:]
    outcome = json.loads(finished.stdout)
    assert outcome["errors"] == {}
    assert outcome["empty"] == []
    assert outcome["missing"] == []
    stats = wats.stats()
    assert "unknown" not in stats["requests"]
    assert "rejected" not in stats["requests"]
    assert set(stats["statuses"]) == {"200", "204"}
    assert len(stats["requests"]) > 190
