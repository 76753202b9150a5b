"""Two revisions of the repository, each installed in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pywats-green"
# What a tree holds that is no source; pip would write into the tree itself, so it gets a copy.
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "*.egg-info")


class GateError(Exception):
    """The gate cannot measure; the text says why, in one line or with the output of a tool."""


class Revision(NamedTuple):
    """What was asked for.

    Attributes:
        name: As the user wrote it.
        commit: The commit; None for a directory.
        folder: The directory; None for a commit.
    """

    name: str
    commit: str | None
    folder: Path | None

    def __str__(self) -> str:
        if self.commit is None:
            return self.name
        return self.commit[:10] if self.commit.startswith(self.name) else self.described()

    def described(self) -> str:
        """The name and the commit it stands for."""
        return f"{self.name} ({str(self.commit)[:10]})"


class Environment(NamedTuple):
    """An installed revision."""

    python: Path
    revision: str


def find(name: str, *, root: Path = ROOT) -> Revision:
    """Find a revision of the repository, or else a directory.

    Raises:
        GateError: It is neither.
    """
    if not name.startswith("-"):
        command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet"]
        found = subprocess.run(
            [*command, f"{name}^{{commit}}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0:
            return Revision(name, found.stdout.strip(), None)
        folder = Path(name)
        if (folder / "pyproject.toml").is_file():
            return Revision(name, None, folder.resolve())
    raise GateError(
        f"{name!r} is neither a revision of {root} nor a directory with a pyproject.toml"
    )


def check_out(revision: Revision, target: Path, *, root: Path = ROOT) -> Path:
    """Put the files of a revision into a new directory."""
    if revision.folder is not None:
        shutil.copytree(revision.folder, target, ignore=NOT_COPIED)
        return target
    target.mkdir()
    archive = target.with_suffix(".tar")
    run(["git", "-C", str(root), "archive", f"--output={archive}", str(revision.commit)])
    run(["tar", "-xf", str(archive), "-C", str(target)])
    archive.unlink()
    return target


def install(tree: Path, target: Path, name: str, *, like: Environment | None = None) -> Environment:
    """Make an environment and install a tree in it.

    Args:
        tree: The files of the revision.
        target: Where the environment is made.
        name: The revision, for the report.
        like: The environment whose versions of all dependencies are taken; None for the newest.

    Raises:
        GateError: pip failed; its output is the text.
    """
    run([sys.executable, "-m", "venv", str(target)])
    python = target / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    constraints: list[str] = []
    if like is not None:
        file = target / "constraints.txt"
        file.write_text(versions(like), encoding="utf-8")
        constraints = ["--constraint", str(file)]
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", *constraints, str(tree)])
    return Environment(python, name)


def versions(environment: Environment) -> str:
    """The versions of the dependencies, as pip writes them."""
    pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check"]
    lines = run([*pip, "freeze"]).splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith(f"{PACKAGE} "))


def run(command: Sequence[str]) -> str:
    """Run a tool and return what it wrote.

    Raises:
        GateError: It failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GateError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout
