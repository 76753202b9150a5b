"""The passes that a driver can run, by name."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pywats import pyWATS
from pywats.core.exceptions import ErrorMode

from parity import determinism
from parity.control import Control
from parity.flows import FLOWS, Setting
from parity.outcome import outcome_of
from parity.rows import Row, fill_in
from parity.tables.faults import CALLS, FAULTS
from parity.wire import KINDS, exchanges

DOMAINS = (
    "product", "asset", "production", "report", "software", "analytics", "rootcause", "scim",
    "process", "manual_inspection",
)  # fmt: skip

SEEDED = 60
"""Products, assets and units, each: enough for every row, and quick to list."""

HANG = 0.4
"""The timeout of calls that are never answered, in seconds."""

Records = dict[str, list[dict[str, Any]]]


def public_methods(servers: dict[str, Any], _: Path) -> dict[str, list[str]]:
    """Find every public method of every domain in the installed pywats."""
    with pyWATS(base_url=servers["wats"], token=servers["token"]) as api:
        services = {domain: type(getattr(api, domain)._async) for domain in DOMAINS}
    return {
        domain: [
            name
            for name in dir(service)
            if not name.startswith("_") and callable(getattr(service, name))
        ]
        for domain, service in services.items()
    }


def calls(**options: Any) -> Callable[[dict[str, Any], Path], Records]:
    """Make the pass that calls every row of every domain, on one client with these options."""

    def run(servers: dict[str, Any], _: Path) -> Records:
        with (
            Control(servers["wats"]) as control,
            pyWATS(base_url=servers["wats"], token=servers["token"], **options) as api,
        ):
            control.send("reset")
            for kind in ("products", "assets", "units"):
                control.send("seed", kind=kind, count=SEEDED)
            return {domain: _called(getattr(api, domain), domain, control) for domain in DOMAINS}

    return run


def _called(service: Any, domain: str, control: Control) -> list[dict[str, Any]]:
    rows: tuple[Row, ...] = importlib.import_module(f"parity.tables.{domain}").ROWS
    found: dict[str, Any] = {}
    return [
        _record(service, domain, number, copy.deepcopy(row), found, control)
        for number, row in enumerate(rows)
    ]


def _record(
    service: Any, domain: str, number: int, row: Row, found: dict[str, Any], control: Control
) -> dict[str, Any]:
    name = f"{domain}.{row.method}#{number}"
    try:
        args, kwargs = fill_in(row.args, found), fill_in(row.kwargs, found)
    except (KeyError, AttributeError, IndexError, TypeError) as exc:
        return {"row": name, "method": row.method, "outcome": {"unresolved": repr(exc)}}
    determinism.start_row(number)
    result, outcome = outcome_of(lambda: getattr(service, row.method)(*args, **kwargs))
    if row.keep:
        found[row.keep] = result
    return {
        "row": name,
        "method": row.method,
        "outcome": outcome,
        "requests": control.taken_requests(),
    }


def faulty_calls(mode: ErrorMode) -> Callable[[dict[str, Any], Path], Records]:
    """Make the pass that makes each call under each fault, each on a client of its own."""

    def run(servers: dict[str, Any], _: Path) -> Records:
        with Control(servers["wats"]) as control:
            return {
                name: [_faulty(servers, control, fault, mode, *called) for called in CALLS]
                for name, fault in FAULTS.items()
            }

    return run


def _faulty(
    servers: dict[str, Any],
    control: Control,
    fault: dict[str, Any],
    mode: ErrorMode,
    domain: str,
    row: Row,
) -> dict[str, Any]:
    control.send("reset")
    determinism.open_gates()
    options: dict[str, Any] = {"error_mode": mode, "verify_ssl": False}
    if fault["mode"] == "hang":
        options["timeout"] = HANG
    with pyWATS(base_url=servers["wats"], token=servers["token"], **options) as api:
        control.send("fail", route="*", times=1, **fault)
        service, args = getattr(api, domain), copy.deepcopy(row.args)
        _, outcome = outcome_of(lambda: getattr(service, row.method)(*args, **row.kwargs))
    requests = control.taken_requests()
    return {"row": f"{domain}.{row.method}", "outcome": outcome, "requests": requests}


def flows(servers: dict[str, Any], folder: Path) -> Records:
    """Run the scenarios of several calls, each from the server's initial state."""
    return {
        "flows": [_flow(function, number, servers, folder) for number, function in enumerate(FLOWS)]
    }


def _flow(
    function: Callable[[Setting], Any], number: int, servers: dict[str, Any], folder: Path
) -> dict[str, Any]:
    place = folder / function.__name__
    place.mkdir()
    with Control(servers["wats"]) as control:
        control.send("reset")
        determinism.start_row(number)
        _, outcome = outcome_of(lambda: function(Setting(servers, place, control)))
        requests = control.taken_requests()
    return {"row": function.__name__, "outcome": outcome, "requests": requests}


PASSES: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "methods": public_methods,
    "strict": calls(),
    "lenient": calls(error_mode=ErrorMode.LENIENT),
    "uncached": calls(enable_cache=False),
    "strict faults": faulty_calls(ErrorMode.STRICT),
    "lenient faults": faulty_calls(ErrorMode.LENIENT),
    "flows": flows,
    **{kind: exchanges(kind) for kind in KINDS},
}
