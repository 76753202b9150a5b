"""Checks of the seams in pywats."""

from __future__ import annotations

from collections.abc import Iterator

from pywats_green.cli.checks.row import Row
from pywats_green.cli.errors import redact
from pywats_green.upstream.hooks.seams import RELIED_ON, SEAMS, is_installed, states

_ADVICE = "install a supported version of pywats-api"


def replaced() -> Iterator[Row]:
    """The seams that are replaced while pywats runs green."""
    found = states()
    for seam in SEAMS:
        state = found[seam.name]
        if state == "replaced":
            yield Row(seam.name, "ok", state)
        elif state == "foreign":
            yield Row(
                seam.name, "fail", "replaced again by something else",
                "find what else patches pywats, and remove it",
            )  # fmt: skip
        elif state == "expected" and not is_installed():
            yield Row(seam.name, "warn", "not replaced")
        else:
            yield Row(seam.name, "fail", redact(state), _ADVICE)


def relied_on() -> Iterator[Row]:
    """The seams that are relied on, but not replaced."""
    found = states()
    for seam in RELIED_ON:
        if found[seam.name] == "expected":
            yield Row(seam.name, "ok", "as expected")
        else:
            yield Row(seam.name, "fail", redact(found[seam.name]), _ADVICE)
