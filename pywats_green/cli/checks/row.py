"""One row of what the doctor says."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]


class Row(NamedTuple):
    """One finding.

    Attributes:
        id: Names the check; stays the same between versions, so that a CI job can look for it.
        status: "ok"; "warn": works, but mind it; "fail": pywats does not run green here.
        finding: What was found, one line.
        advice: What to do, one line; empty where there is nothing to do.
    """

    id: str
    status: Status
    finding: str
    advice: str = ""
