"""The guide has the rows that `doctor` knows."""

from datetime import date
from pathlib import Path

import pytest

from pywats_green.cli.checks.works_with import PROGRAMS, Program, look_up

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "works-with.md"


def row(program: Program) -> str:
    note = program.note.replace("|", r"\|")
    cells = [program.name, program.verdict, program.version, program.date, note]
    return (
        " ".join(["|", " | ".join(cells), "|"]) if note else "| " + " | ".join(cells[:4]) + " | |"
    )


def test_the_guide_has_the_rows_of_the_table():
    text = GUIDE.read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if line.startswith("| ")][1:]
    expected = [row(program) for program in PROGRAMS]
    assert found == expected, "the table should be:\n" + "\n".join(expected)


def test_the_table_is_sorted_and_each_row_is_complete():
    names = [program.name.lower() for program in PROGRAMS]
    assert names == sorted(set(names))
    for program in PROGRAMS:
        assert program.version
        assert date.fromisoformat(program.date)
        assert program.note or program.verdict == "works", program.name


@pytest.mark.parametrize(
    ("verdict", "version", "status"),
    [
        ("works", "2.0", "ok"),
        ("works when", "2.0", "warn"),
        ("refused", "2.0", "warn"),
        ("refused", None, "ok"),
    ],
)
def test_what_doctor_says(verdict, version, status):
    program = Program("Some thing", "thing", verdict, "1.0", "2026-11-27", "do this")
    found = look_up(program, lambda _package: version)
    assert (found.id, found.status) == ("with-some-thing", status)
    if version is None:
        assert found.finding == "thing is not installed"
    else:
        assert found.finding.startswith(f"2.0: {verdict}")
        assert "1.0" in found.finding
        assert "do this" in found.finding + found.advice
