"""Two revisions as trees of files, each with its contestant."""

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
    """The gate cannot measure; the text says why."""


class Revision(NamedTuple):
    """A revision of the repository, or a directory, and where its files are."""

    name: str
    tree: Path


def git(root: Path, *arguments: str) -> str | None:
    """What git answers; None where it fails."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def check_out(name: str, target: Path, *, root: Path = ROOT) -> Revision:
    """Put the files of a revision, or else of a directory, into a new directory.

    Raises:
        GateError: The name is neither.
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
    """Start a process that plays the workload with the package of a revision.

    Its tree comes first on the path of this very Python: both sides have the same dependencies,
    and nothing has to be installed.

    Args:
        revision: Whose package is imported.
        server: The embedded server.
        scratch: A directory for files.
        seed: Python's hash seed: the same for the two sides of a pair.
    """
    # Neither the tree in which the gate stands nor the user's settings belong to a revision.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYWATS"))}
    tree, folder = str(revision.tree), str(scratch)
    environment |= {"PYTHONPATH": tree, "PYTHONHASHSEED": str(seed), "GATE_TREE": tree}
    environment |= {"TMPDIR": folder, "TEMP": folder}
    return Contestant("gate", server, environment=environment)
