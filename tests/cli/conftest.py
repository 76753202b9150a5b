"""Runs commands in separate processes."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commandline import COMMAND, PYTHON, TIMEOUT, Completed, environment


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Completed]:
    """Run `python -m pywats_green` with these arguments."""

    def run(*words: str, python: list[str] | None = None, **env: str) -> Completed:
        command = COMMAND if python is None else [*python, "-m", "pywats_green"]
        return subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            cwd=tmp_path,
            env=environment(**env),
            check=False,
        )

    return run


@pytest.fixture
def both(tmp_path: Path) -> Callable[..., tuple[Completed, Completed]]:
    """Run a script with Python and with `run` concurrently, and return both results."""

    def run(*words: str, cwd: Path = tmp_path, **env: str) -> tuple[Completed, Completed]:
        options: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "encoding": "utf-8",
            "cwd": cwd,
            "env": environment(**env),
        }
        processes = [
            subprocess.Popen([*start, *words], **options) for start in (PYTHON, [*COMMAND, "run"])
        ]
        plain, green = (_completed(process) for process in processes)
        return plain, green

    return run


def _completed(process: "subprocess.Popen[str]") -> Completed:
    out, err = process.communicate(timeout=TIMEOUT)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
