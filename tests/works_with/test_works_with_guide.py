"""The guide has the rows that `doctor` knows."""

from datetime import date
from pathlib import Path

import pytest

from pywats_green.cli.checks.works_with import PROGRAMS, Program, look_up

TESTS = Path(__file__).parents[1]
GUIDE = TESTS.parent / "docs" / "guides" / "works-with.md"

# The test that holds each row: a file and a function in it.
HELD_BY = {
    "Celery's other pools": ("works_with/test_celery.py", "test_a_pool"),
    "Celery's prefork pool": ("works_with/test_celery.py", "test_prefork_in_a_patched_process"),
    "coverage": ("works_with/test_tools.py", "test_coverage_with_concurrency"),
    "debugpy": ("works_with/test_tools.py", "test_debugpy_with_gevent_support"),
    "gunicorn's asgi worker": ("works_with/test_servers.py", "test_a_server"),
    "gunicorn's gthread worker": ("works_with/test_servers.py", "test_gthread_is_refused"),
    "gunicorn's workers sync and gevent": ("works_with/test_servers.py", "test_a_server"),
    "ipykernel": ("works_with/test_notebooks.py", "test_an_ordinary_kernel_refuses"),
    "multiprocessing": ("works_with/test_multiprocessing.py", "test_a_program"),
    "OpenTelemetry's httpx instrumentation": ("works_with/test_mocks.py", "test_opentelemetrys"),
    "pdb": ("works_with/test_tools.py", "test_pdb"),
    "ProcessPoolExecutor": ("works_with/test_multiprocessing.py", "test_a_program"),
    "PyInstaller": ("works_with/test_pyinstaller.py", "test_the_quickstart_frozen"),
    "pytest": ("works_with/test_pytest.py", "test_run_pytest"),
    "pytest-httpx": ("works_with/test_mocks.py", "test_pytest_httpx"),
    "pytest-xdist": ("works_with/test_pytest.py", "test_xdist_is_refused"),
    "requests imported before": ("patching/test_early.py", "test_https_of_what_was_imported"),
    "requests-mock": ("works_with/test_mocks.py", "test_requests_mock"),
    "responses": ("works_with/test_mocks.py", "test_responses"),
    "respx": ("works_with/test_mocks.py", "test_respx"),
    "Sentry's httpx integration": ("works_with/test_mocks.py", "test_sentrys"),
    "ThreadPoolExecutor": ("patching/test_early.py", "test_an_executor_made_before"),
    "trio": ("works_with/test_libraries.py", "test_httpcore_can_be_imported_where_trio"),
    "uvicorn": ("works_with/test_servers.py", "test_a_server"),
    "uvloop": ("works_with/test_servers.py", "test_uvloop_is_named"),
    "vcrpy": ("works_with/test_mocks.py", "test_vcrpy"),
    "watchdog": ("works_with/test_libraries.py", "test_watchdog"),
}


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


def test_each_row_is_held_by_a_test():
    assert {*HELD_BY} == {program.name for program in PROGRAMS}
    for name, (file, function) in HELD_BY.items():
        source = (TESTS / file).read_text(encoding="utf-8")
        assert f"def {function}" in source, f"{name}: {file} has no {function}"


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
