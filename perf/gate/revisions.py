"""Revisions as file trees, and their contestants."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from harness import Contestant

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "*.egg-info")


class GateError(Exception):
    """The gate cannot measure; the message says why."""


class Revision(NamedTuple):
    """A revision of the repository, or a directory, and the location of its files."""

    name: str
    tree: Path


def git(root: Path, *arguments: str) -> str | None:
    """Return git's output, or None if it fails."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def check_out(name: str, target: Path, *, root: Path = ROOT) -> Revision:
    """Copy the files of a revision, or of a directory, to a new directory.

    Raises:
        GateError: The name is neither of the two.
    """
    commit = None
    if not name.startswith("-"):
        commit = git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if commit is not None:
        archive = target.with_suffix(".tar")
        if git(root, "archive", f"--output={archive}", commit) is None:
            raise GateError(f"git cannot archive {commit}")
        target.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", target], check=True)  # noqa: S607
        archive.unlink()
        short = commit[:10]
        return Revision(short if commit.startswith(name) else f"{name} ({short})", target)
    if not name.startswith("-") and (Path(name) / "pyproject.toml").is_file():
        shutil.copytree(name, target, ignore=NOT_COPIED)
        return Revision(name, target)
    raise GateError(f"{name!r} is neither a revision of {root} nor a directory with pyproject.toml")


def contestant(revision: Revision, server: Any, scratch: Path, seed: int) -> Contestant:
    """Start a process that runs the workload with the package of a revision.

    It uses this Python, with the revision's tree first on the path, so both sides have the same
    dependencies and nothing has to be installed.

    Args:
        revision: The revision whose package is imported.
        server: The embedded server.
        scratch: A directory for files.
        seed: Python's hash seed; the same for both sides of a pair.
    """
    # Neither the gate's own tree nor the user's settings are part of a revision.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYWATS"))}
    tree, folder = str(revision.tree), str(scratch)
    environment |= {"PYTHONPATH": tree, "PYTHONHASHSEED": str(seed), "GATE_TREE": tree}
    environment |= {"TMPDIR": folder, "TEMP": folder}
    return Contestant("gate", server, environment=environment)
