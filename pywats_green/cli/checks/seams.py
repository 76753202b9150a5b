"""Whether each seam of pywats holds what it should."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from pywats_green.cli.checks.row import Row
from pywats_green.cli.errors import redact
from pywats_green.upstream.seams import RELIED_ON, SEAMS, Seam, is_installed

OURS = "pywats_green."


def replaced() -> Iterator[Row]:
    """The seams that are replaced while pywats runs green."""
    for seam in SEAMS:
        found = _found(seam)
        if isinstance(found, Row):
            yield found
        elif _home(found).startswith(OURS):
            yield Row(seam.name, "ok", "replaced")
        elif is_installed():
            yield Row(
                seam.name, "fail", "something else stands in place of ours",
                "find what else patches pywats, and remove it",
            )  # fmt: skip
        else:
            yield Row(seam.name, "warn", "not replaced")


def relied_on() -> Iterator[Row]:
    """The seams that are called, not replaced."""
    for seam in RELIED_ON:
        found = _found(seam)
        if isinstance(found, Row):
            yield found
        elif tuple(inspect.signature(found).parameters) == seam.parameters:
            yield Row(seam.name, "ok", "as expected")
        else:
            yield Row(seam.name, "fail", "takes other parameters than expected", _ADVICE)


_ADVICE = "install a supported version of pywats-api"


def _home(found: Any) -> str:
    """Return the module that defines it; a wrapper may bear the `__module__` of what it wraps."""
    namespace = getattr(found, "__globals__", {"__name__": getattr(found, "__module__", "")})
    return str(namespace.get("__name__"))


def _found(seam: Seam) -> Any:
    """Return what stands there now, or the row that says why nothing does."""
    try:
        found: Any = importlib.import_module(seam.module)
        for part in seam.path.split("."):
            found = inspect.getattr_static(found, part)
    except Exception as exc:  # noqa: BLE001  # a broken import of pywats is a finding
        return Row(seam.name, "fail", redact(f"missing: {exc}"), _ADVICE)
    return found
