"""The doctor's checks, by section; each yields rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pywats_green.cli.checks import (
    installation,
    live,
    seams,
    surroundings,
    traps,
    works_with,
)
from pywats_green.cli.checks.row import Row


class Section(NamedTuple):
    """Related checks.

    Attributes:
        title: Their heading.
        checks: The checks, in order.
    """

    title: str
    checks: tuple[Callable[[], Iterable[Row]], ...]


SECTIONS = (
    Section(
        "Installed",
        (
            installation.python,
            installation.gevent,
            installation.pywats,
            installation.active,
            installation.standard_library,
            installation.event_loops,
        ),
    ),
    Section("Seams", (seams.replaced, seams.relied_on)),
    Section("Traps", (traps.of_versions, traps.pywats_client)),
    Section("Works with", (works_with.tried,)),
    Section(
        "Surroundings",
        (
            surroundings.environment,
            surroundings.proxy,
            surroundings.trust,
            surroundings.early_imports,
            surroundings.native_threads,
            surroundings.limiter,
        ),
    ),
    # Last, because it starts threads that the checks above look for.
    Section("Live", (live.calls_run_green,)),
)

__all__ = ["SECTIONS", "Row", "Section"]
