"""What other programs do in a green process: the table of docs/guides/works-with.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from pywats_green.cli.checks.row import Row
from pywats_green.cli.checks.versions import installed

Verdict = Literal["works", "works when", "refused"]


class Program(NamedTuple):
    """A program or library that was tried.

    Attributes:
        name: Its name, also in the guide.
        package: The package that has to be installed for it. Empty: part of Python.
        verdict: "works"; "works when": `note` says when; "refused": an error names it, or `note`
            says what fails.
        version: The version that was tried.
        date: When, as YYYY-MM-DD.
        note: What to do or to know, in one line. May be empty if it works.
    """

    name: str
    package: str
    verdict: Verdict
    version: str
    date: str
    note: str = ""


# Sorted by name. tests/works_with compares the guide with it.
PROGRAMS = (
    Program(
        "ProcessPoolExecutor", "", "works", "Python 3.11.7", "2026-11-27",
    ),
)  # fmt: skip


def tried() -> Iterator[Row]:
    """A row for each program of the table."""
    for program in PROGRAMS:
        yield look_up(program, installed)


def look_up(program: Program, version_of: Callable[[str], str | None]) -> Row:
    """Say what is known about a program, if it is installed.

    Args:
        program: The program.
        version_of: Returns the version of a package, or None if it is not installed.

    Returns:
        A row; a warning if the program is installed and needs something, or does not work.
    """
    name = "with-" + program.name.lower().replace(" ", "-")
    version = version_of(program.package) if program.package else "part of Python"
    if version is None:
        return Row(name, "ok", f"{program.package} is not installed")
    found = f"{version}: {program.verdict}"
    tested = f"(tried: {program.version})"
    if program.verdict == "works":
        return Row(name, "ok", " ".join(filter(None, (found, program.note, tested))))
    return Row(name, "warn", f"{found} {tested}", program.note)
