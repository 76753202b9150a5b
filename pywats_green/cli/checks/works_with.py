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
        "Celery's other pools", "celery", "works", "5.7.0", "2026-11-27",
        "gevent, threads and solo",
    ),
    Program(
        "Celery's prefork pool", "celery", "works when", "5.7.0", "2026-11-27",
        "connect a function to worker_process_init that imports pywats_green; patched before,"
        " it never ends, and a warning names it",
    ),
    Program(
        "coverage", "coverage", "works when", "7.17.5", "2026-11-27",
        "coverage run --concurrency=gevent, or concurrency = gevent in its configuration",
    ),
    Program(
        "debugpy", "debugpy", "works when", "1.8.22", "2026-11-27",
        "set GEVENT_SUPPORT=True in the environment",
    ),
    Program(
        "gunicorn's asgi worker", "gunicorn", "works when", "27.0.1", "2026-11-27",
        "--asgi-loop asyncio, not uvloop",
    ),
    Program(
        "gunicorn's gthread worker", "gunicorn", "works when", "27.0.1", "2026-11-27",
        "put import pywats_green into gunicorn.conf.py; imported by the application, it is "
        "refused",
    ),
    Program(
        "gunicorn's workers sync and gevent", "gunicorn", "works", "27.0.1", "2026-11-27",
        "a sync worker serves one request at a time",
    ),
    Program(
        "ipykernel", "ipykernel", "works when", "7.4.0", "2026-11-27",
        "choose the kernel of `python -m pywats_green kernel --install`, or run the cell "
        "under %%script; an ordinary kernel refuses the import",
    ),
    Program(
        "multiprocessing", "", "works", "Python 3.11.7", "2026-11-27",
        "Pool, Process, Queue, Pipe, Manager and locks, with fork, spawn and forkserver",
    ),
    Program(
        "OpenTelemetry's httpx instrumentation", "opentelemetry-instrumentation-httpx",
        "works when", "0.66b2", "2026-11-27",
        "calls stay green, so configure(tracing=True) makes their spans, one for each",
    ),
    Program(
        "pdb", "", "works", "Python 3.11.7", "2026-11-27",
    ),
    Program(
        "ProcessPoolExecutor", "", "works", "Python 3.11.7", "2026-11-27",
    ),
    Program(
        "PyInstaller", "pyinstaller", "works when", "6.22.3", "2026-11-27",
        "WatsServer is refused in a frozen program: use mock_wats; ConverterPool needs "
        "isolate=False",
    ),
    Program(
        "pytest", "pytest", "works", "9.2.0", "2026-11-27",
        "with -p pywats_green, or as python -m pywats_green run -m pytest",
    ),
    Program(
        "pytest-httpx", "pytest-httpx", "works", "0.36.2", "2026-11-27",
    ),
    Program(
        "pytest-xdist", "pytest-xdist", "refused", "3.8.0", "2026-11-27",
        "use -n 0, or set PYWATS_GREEN_DISABLE=1 to test without pywats_green",
    ),
    Program(
        "requests imported before", "requests", "works", "2.34.2", "2026-11-27",
        "HTTPS, too; a warning names it",
    ),
    Program(
        "requests-mock", "requests-mock", "works", "1.12.1", "2026-11-27",
        "it answers green clients, which send through requests' session",
    ),
    Program(
        "responses", "responses", "works", "0.26.3", "2026-11-27",
        "it answers green clients, which send through requests' session",
    ),
    Program(
        "respx", "respx", "works", "0.23.1", "2026-11-27",
    ),
    Program(
        "Sentry's httpx integration", "sentry-sdk", "works when", "2.75.0", "2026-11-27",
        "calls stay green, but only calls of httpx itself have its spans",
    ),
    Program(
        "ThreadPoolExecutor", "", "works", "Python 3.11.7", "2026-11-27",
        "one made before the import, too",
    ),
    Program(
        "trio", "trio", "refused", "0.35.0", "2026-11-27",
        "trio.run raises an error; what imports trio, as httpcore does, works",
    ),
    Program(
        "uvicorn", "uvicorn", "works when", "0.54.0", "2026-11-27",
        "--loop asyncio, not uvloop, which a running server refuses and another one names in "
        "a warning",
    ),
    Program(
        "uvloop", "uvloop", "works when", "0.23.0", "2026-11-27",
        "nothing waits for to_thread, run_in_executor or a greenlet: uvloop waits natively, "
        "and a warning says so",
    ),
    Program(
        "vcrpy", "vcrpy", "works", "9.4.2", "2026-11-27",
    ),
    Program(
        "watchdog", "watchdog", "works", "7.1.0", "2026-11-27",
        "3 and 4 stop every greenlet",
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
    found = f"{version}: {program.verdict} (tried: {program.version})"
    if program.verdict == "works":
        return Row(name, "ok", f"{found}, {program.note}" if program.note else found)
    return Row(name, "warn", found, program.note)
