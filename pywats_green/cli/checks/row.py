"""A row of the doctor's output."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]


class Row(NamedTuple):
    """One finding.

    Attributes:
        id: Name of the check; stable between versions, so that CI jobs can rely on it.
        status: "ok"; "warn": works, with a caveat; "fail": pywats does not run green here.
        finding: What was found, in one line.
        advice: What to do, in one line; empty if there is nothing to do.
    """

    id: str
    status: Status
    finding: str
    advice: str = ""
