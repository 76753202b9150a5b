"""Production routes under /api/internal: units, assemblies, sites, phases."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.production import join, part, save_unit, unit_of, unit_or_404
from pywats_green.testing.app.messages import Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed import PHASES, guid
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row

MAX_LEVEL = 10


def is_connected(state: State, request: Request) -> bool:
    return True


def get_unit(state: State, request: Request) -> Any:
    serial_number = request.required("serialNumber")
    if request.text("partNumber"):
        return unit_of(state, request)
    found = state.units.find("serialNumber", serial_number)
    if not found:
        raise not_found(f"Unit '{serial_number}'")
    return found[0]


def get_unit_info(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    product = state.products.get(unit["partNumber"])
    return {**unit, "productName": None if product is None else product.get("name")}


def get_hierarchy(state: State, request: Request) -> Any:
    return _hierarchy(state, unit_of(state, request), 0)


def _hierarchy(state: State, unit: Row, level: int) -> dict[str, Any]:
    children = (
        state.units.find("parentSerialNumber", unit["serialNumber"]) if level < MAX_LEVEL else []
    )
    return {
        "serialNumber": unit["serialNumber"],
        "partNumber": unit["partNumber"],
        "revision": unit.get("revision"),
        "level": level,
        "children": [_hierarchy(state, child, level + 1) for child in children],
    }


def get_history(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    first = {
        "date": unit.get("serialDate"),
        "unitPhaseId": unit.get("unitPhaseId"),
        "unitPhase": unit.get("unitPhase"),
    }
    return [first, *state.unit_changes.find("unitSerialNumber", unit["serialNumber"])]


def get_phase(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    return {"unitPhaseId": unit.get("unitPhaseId"), "unitPhase": unit.get("unitPhase")}


def get_process(state: State, request: Request) -> Any:
    return {"processCode": unit_of(state, request).get("processCode")}


def get_contents(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    return {"unit": unit, "subUnits": unit.get("subUnits") or []}


def create_unit(state: State, request: Request) -> Any:
    values: dict[str, Any] = {
        "serialNumber": request.required("serialNumber"),
        "partNumber": request.required("partNumber"),
        "revision": request.required("revision"),
    }
    if request.text("batchNumber"):
        values["batchNumber"] = request.text("batchNumber")
    if request.text("unitPhase"):
        values["unitPhaseId"] = request.integer("unitPhase", 2)
    return save_unit(state, values)


def _pair(state: State, request: Request) -> tuple[Row, Row]:
    child = unit_or_404(
        state, request.required("childSerialNumber"), request.required("childPartNumber")
    )
    return unit_of(state, request), child


def add_child(state: State, request: Request) -> Any:
    join(state, *_pair(state, request))
    return {"success": True, "message": "The unit was added."}


def remove_child(state: State, request: Request) -> Any:
    part(state, *_pair(state, request))
    return {"success": True, "message": "The unit was removed."}


def remove_all_children(state: State, request: Request) -> Any:
    parent = unit_of(state, request)
    children = list(state.units.find("parentSerialNumber", parent["serialNumber"]))
    for child in children:
        part(state, parent, child)
    return {"success": True, "removed": len(children)}


def check_children(state: State, request: Request) -> Any:
    parent = unit_or_404(
        state, request.required("ParentSerialNumber"), request.required("ParentPartNumber")
    )
    return {"success": True, "subUnits": parent.get("subUnits") or []}


def get_sites(state: State, request: Request) -> Any:
    return [
        {"siteId": guid(0x71, number, state.seed), "name": name}
        for number, name in enumerate(("Headquarters", "Plant North"))
    ]


def get_phases(state: State, request: Request) -> Any:
    return [
        {"UnitPhaseId": number, "Code": code, "Name": name, "Description": name}
        for number, code, name in PHASES
    ]


BASE = "/api/internal/Production"

ROUTES: RouteTable = {
    f"GET {BASE}/isConnected": is_connected,
    f"GET {BASE}/GetUnit": get_unit,
    f"GET {BASE}/GetUnitInfo": get_unit_info,
    f"GET {BASE}/GetUnitHierarchy": get_hierarchy,
    f"GET {BASE}/GetUnitStateHistory": get_history,
    f"GET {BASE}/GetUnitPhase": get_phase,
    f"GET {BASE}/GetUnitProcess": get_process,
    f"GET {BASE}/GetUnitContents": get_contents,
    f"POST {BASE}/CreateUnit": create_unit,
    f"POST {BASE}/AddChildUnit": add_child,
    f"POST {BASE}/RemoveChildUnit": remove_child,
    f"POST {BASE}/RemoveAllChildUnits": remove_all_children,
    f"GET {BASE}/CheckChildUnits": check_children,
    f"GET {BASE}/GetSites": get_sites,
    "GET /api/internal/Mes/GetUnitPhases": get_phases,
}
