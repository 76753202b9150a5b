"""Known incompatibilities between versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

from pywats_green.cli.checks.row import Row, Status
from pywats_green.cli.checks.versions import PYTHON, Version, installed, parsed


class Trap(NamedTuple):
    """A known incompatibility.

    Attributes:
        id: Name of the trap.
        package: The affected package.
        applies: Returns whether a version is affected.
        status: Status of the row if it applies.
        finding: What happens then.
        advice: What to do.
        also: Another package and whether its version is affected; both must be.
    """

    id: str
    package: str
    applies: Callable[[Version], bool]
    status: Status
    finding: str
    advice: str
    also: tuple[str, Callable[[Version], bool]] | None = None


TRAPS = (
    Trap(
        "httpx-1", "httpx", lambda v: v >= (1,), "fail",
        "pywats cannot be imported with it",
        "pip install 'httpx<1'",
    ),
    Trap(
        "watchdog-hangs", "watchdog", lambda v: v < (5,), "warn",
        "its observers stop every greenlet (seen with 3 and 4)",
        "pip install 'watchdog>=5', if you watch folders in this process",
    ),
    Trap(
        "asyncio-to-thread", PYTHON, lambda v: (3, 13, 12) <= v < (3, 14) or v >= (3, 14, 3),
        "warn",
        "results of asyncio.to_thread arrive late under gevent (gevent#2213)",
        "do not use asyncio.to_thread or run_in_executor in this process",
    ),
    Trap(
        "threads-at-exit", PYTHON, lambda v: v >= (3, 13), "warn",
        "with this gevent, a thread waiting for an exit hook never ends (gevent#2188)",
        "pip install 'gevent>=26.9'",
        also=("gevent", lambda v: v < (26, 9)),
    ),
)  # fmt: skip


def of_versions() -> Iterator[Row]:
    """The traps in the table."""
    for trap in TRAPS:
        yield look(trap, installed)


def look(trap: Trap, version_of: Callable[[str], str | None]) -> Row:
    """Check whether a trap applies.

    Args:
        trap: The trap.
        version_of: Returns the version of a package, or None if it is not installed.

    Returns:
        A row; its status is "ok" unless the trap applies.
    """
    version = version_of(trap.package)
    if version is None:
        return Row(trap.id, "ok", f"{trap.package} is not installed")
    applies = trap.applies(parsed(version))
    if applies and trap.also is not None:
        other, condition = trap.also
        applies = condition(parsed(version_of(other) or ""))
    if applies:
        return Row(trap.id, trap.status, f"{trap.package} {version}: {trap.finding}", trap.advice)
    return Row(trap.id, "ok", f"{trap.package} {version}: not affected")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # put into sys.modules by hand, without a spec
        return True


def pywats_client() -> Iterator[Row]:
    """Whether pywats_client, which is part of pywats, can be imported."""
    if not _is_there("pywats_client"):
        yield Row("pyside6", "ok", "pywats_client is not installed")
    elif not _is_there("PySide6"):
        yield Row(
            "pyside6", "warn", "pywats_client cannot be imported: PySide6 is not installed",
            "nothing, unless you use pywats_client: then pip install PySide6-Essentials",
        )  # fmt: skip
    else:
        yield Row("pyside6", "ok", "PySide6 is installed, which pywats_client needs")
