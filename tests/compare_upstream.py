"""Runs upstream's own tests plain and green, file by file, and lists what differs.

    make test-upstream SRC=~/pyWATS/tests/cross_cutting

Every test that passes plain must pass with `import pywats_green` first. Install what upstream's
tests need besides pywats-api, such as pytest-asyncio, into .venv; a file that cannot be collected
is listed.
"""

# ruff: noqa: T201  # a program

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
HANGS = "hangs"


class Outcome(NamedTuple):
    """The result of a test; `message` is the first line of its failure."""

    what: str
    message: str = ""


class Differing(NamedTuple):
    test: str
    plain: Outcome
    green: Outcome


def outcomes(file: Path, root: Path, green: bool, seconds: float) -> dict[str, Outcome]:
    """Run a file's tests in a process of its own.

    Args:
        file: The file.
        root: Where to run it.
        green: Whether to import pywats_green first.
        seconds: How long it may take.

    Returns:
        The outcome of each test. A file that takes too long has one, under its own name.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        plugin = ["-p", "pywats_green"] if green else []
        command = [
            sys.executable, "-m", "pytest", *plugin, "-q", "-p", "no:cacheprovider",
            f"--junitxml={report}", str(file),
        ]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
        try:
            done = subprocess.run(
                command, cwd=root, env=environment, timeout=seconds,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {file.name: Outcome(HANGS, f"more than {seconds:g} s")}
        if not report.exists():
            return {file.name: Outcome(FAILED, done.stdout.strip().rpartition("\n")[2])}
        return dict(_read(report))


def _read(report: Path) -> Iterator[tuple[str, Outcome]]:
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        outcome = Outcome(PASSED)
        for child in case:
            if child.tag in ("failure", "error"):
                outcome = Outcome(FAILED, (child.get("message") or "").partition("\n")[0])
            elif child.tag == "skipped":
                outcome = Outcome(SKIPPED)
        yield name, outcome


def differing(
    plain: dict[str, Outcome], green: dict[str, Outcome]
) -> tuple[list[Differing], list[Differing]]:
    """Compare two runs.

    Returns:
        The tests that pass plain and not green, and the others that differ.
    """
    worse, other = [], []
    for test in sorted(plain.keys() | green.keys()):
        row = Differing(
            test, *(run.get(test, Outcome("missing", *_why(run))) for run in (plain, green))
        )
        if row.plain.what == PASSED != row.green.what:
            worse.append(row)
        elif row.plain.what != row.green.what:
            other.append(row)
    return worse, other


def _why(run: dict[str, Outcome]) -> list[str]:
    return [outcome.message for outcome in run.values() if outcome.what == HANGS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print.

    Returns:
        0 if every test that passes plain passes green, else 1; 2 if there are no tests.
    """
    parser = argparse.ArgumentParser(description="Runs upstream's tests plain and green.")
    parser.add_argument("source", type=Path, help="a test file, or a folder of a checkout")
    parser.add_argument("--seconds", type=float, default=300, help="limit for each file")
    options = parser.parse_args(arguments)
    source = options.source.expanduser().resolve()
    files = [source] if source.is_file() else sorted(source.rglob("test_*.py"))
    if not files:
        print(f"no tests in {source}")
        return 2
    root = source.parent if source.is_file() else source
    passed = lost = 0
    for file in files:
        runs = [outcomes(file, root, green, options.seconds) for green in (False, True)]
        worse, other = differing(*runs)
        here = sum(outcome.what == PASSED for outcome in runs[0].values())
        passed, lost = passed + here, lost + len(worse)
        print(f"{file.relative_to(root)}: {here - len(worse)} of {here}")
        for row in (*worse, *other):
            print(f"  {row.plain.what} -> {row.green.what}  {row.test}")
            for outcome in (row.plain, row.green):
                if outcome.message:
                    print(f"      {outcome.message}")
        if not here and not other:
            for test, outcome in runs[0].items():
                print(f"  {outcome.what} in both  {test}: {outcome.message}")
        sys.stdout.flush()
    print(f"of {passed} tests that pass plain, {passed - lost} pass green")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
