"""Starts the programs under test, each in a process of its own, and says why one is not there."""

import os
import signal
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 100

GREEN = [sys.executable, "-m", "pywats_green"]

Completed = subprocess.CompletedProcess[str]


def environment(**changes: str) -> dict[str, str]:
    """The environment without PYWATS_GREEN variables, but with `changes`."""
    kept = {name: value for name, value in os.environ.items() if "PYWATS_GREEN" not in name}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", **changes}


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip a test where one of these packages is not installed."""
    missing = [name for name in packages if not _is_installed(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def run(
    *words: str, cwd: Path, timeout: float = TIMEOUT, start: tuple[str, ...] = (sys.executable,),
    **env: str,
) -> Completed:  # fmt: skip
    """Run a program to its end; one that hangs is ended with all that it has started."""
    process = subprocess.Popen(
        [*start, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(**env),
        start_new_session=os.name == "posix",
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException as exc:
        end(process)
        if isinstance(exc, subprocess.TimeoutExpired):
            out, err = process.communicate()
            pytest.fail(f"it hung; stdout: {out}\nstderr: {err}")
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a program, and on POSIX what it has started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def write(path: Path, source: str) -> Path:
    """Write a script, without the indent it has in the test."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path
