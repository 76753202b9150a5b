"""Consoles of an old code page, and processes without one, as Windows has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from platforms import PATIENCE

from pywats_green.queue.folder.queue import FolderQueue

WITHOUT = """
import sys
sys.stdin = sys.stdout = sys.stderr = None
import pywats_green
from pywats_green import FolderQueue, QueueProcessor
from pywats_green.__main__ import main
assert main(["queue", "list", sys.argv[1]]) == 0
queue = FolderQueue(sys.argv[1])
sys.stderr = None
assert QueueProcessor(queue, lambda report: None).drain(progress=True).submitted == 1
queue.close()
assert main(["queue", "list", sys.argv[1] + "not there"]) == 2
"""

PRINTING = """
import sys
import pywats_green
from pywats_green.cli import commands
import click
commands.Entry.load = lambda _: click.Command("x", callback=lambda: print("Prüfung Ω ✓") or 0)
sys.exit(commands.main(["doctor"]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Prüfplatz Nr. 1 日本"
    queue = FolderQueue(path)
    queue.put({"id": "Größe Ω 日本"})
    queue.close()
    return path


def run(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, check=False, timeout=PATIENCE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip


def test_a_process_without_a_console_works(folder: Path) -> None:
    assert run("-c", WITHOUT, str(folder)).returncode == 0
    assert not list(folder.glob("*.wsjf"))


@pytest.mark.parametrize("encoding", ["cp437", "cp1252"])
def test_any_text_can_be_printed_to_an_old_code_page(encoding: str) -> None:
    done = run("-X", "utf8", "-c", PRINTING, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).startswith("Prüfung ")
    assert b"\\u2713" in done.stdout


@pytest.mark.parametrize("encoding", ["cp437", "cp1252"])
def test_a_report_of_any_name_is_listed(folder: Path, encoding: str) -> None:
    done = run("-m", "pywats_green", "queue", "list", str(folder), encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "Größe" in done.stdout.decode(encoding)
    assert b"\\u65e5" in done.stdout
