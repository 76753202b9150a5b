"""Shared by the queue's tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywats_green.queue import held_files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 1 MB."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root on Linux can have a disk of its own")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)  # noqa: S607


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes between two tries at a file that another program holds."""
    monkeypatch.setattr(held_files, "PAUSES", (0.0,) * len(held_files.PAUSES))
