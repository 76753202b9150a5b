"""The intake: a hub's door for stations that must not hold a token of WATS.

`app` is the WSGI application for `gunicorn -k gevent pywats_green.fleet.intake:app`. It is made of
`PYWATS_GREEN_INTAKE_FOLDER`, the queue's folder; `PYWATS_GREEN_INTAKE_STATIONS`, the JSON file with
the stations' secrets; and, if set, `PYWATS_GREEN_INTAKE_MAX_REPORTS` and
`PYWATS_GREEN_INTAKE_MAX_BYTES`. For other options, make an `Intake` in a module of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pywats_green.exceptions import IntakeRefusedError
from pywats_green.fleet.intake.application import Intake
from pywats_green.fleet.intake.client import IntakeClient
from pywats_green.fleet.intake.serving import serve_intake

if TYPE_CHECKING:
    app: Intake

__all__ = ["Intake", "IntakeClient", "IntakeRefusedError", "serve_intake"]


def __getattr__(name: str) -> Intake:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pywats_green.fleet.intake.environment import from_environment  # noqa: PLC0415

    globals()["app"] = made = from_environment()
    return made
