"""Units, their phases and assemblies, verification, changes, and batches."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pywats_green.testing.app.handlers import (
    Finder,
    equal,
    find,
    matches,
    merged,
    of,
    pick,
    query,
    remove,
)
from pywats_green.testing.app.messages import HttpError, Request, need
from pywats_green.testing.app.odata.query import Schema, encode_rows, select_rows
from pywats_green.testing.app.router import Handler, RouteTable
from pywats_green.testing.app.seed.items import PHASES, guid
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row, fold

MAX_LEVEL = 10
UNIT_FIELDS = Schema(fields=("subUnits", "tags", "product", "productRevision"))

unit_of = find("units", "serialNumber", "partNumber")
parent_of = find("units", "parentSerialNumber", "parentPartNumber")
child_of = find("units", "childSerialNumber", "childPartNumber")


def change(state: State, unit: Row, **values: Any) -> None:
    """Record a change of a unit."""
    state.insert(
        "unit_changes",
        {
            "id": None,
            "unitSerialNumber": unit["serialNumber"],
            "newParentSerialNumber": None,
            "newPartNumber": None,
            "newRevision": None,
            "newUnitPhaseId": None,
            **values,
        },
    )


def save_unit(state: State, values: dict[str, Any]) -> Row:
    """Create or update a unit."""
    need(values, "serialNumber", "partNumber")
    table = state["units"]
    row = table.get(str(values["serialNumber"]), str(values["partNumber"])) or table.add(
        {
            "serialNumber": values["serialNumber"],
            "partNumber": values["partNumber"],
            "revision": None,
            "parentSerialNumber": None,
            "batchNumber": None,
            "serialDate": utc_now(),
            "currentLocation": None,
            "xmlData": "",
            "unitPhaseId": 2,
            "unitPhase": "Under Production",
            "processCode": None,
            "tags": [],
        }
    )
    fixed = ("serialNumber", "partNumber", "subUnits", "product", "productRevision")
    return table.update(row, merged(row, values, *fixed))


def put_units(state: State, request: Request) -> list[Row]:
    return [save_unit(state, item) for item in request.json_objects()]


def put_unit(state: State, request: Request) -> Row:
    return save_unit(state, request.json_object())


def create_unit(state: State, request: Request) -> Row:
    names = ("serialNumber", "partNumber", "revision")
    values: dict[str, Any] = {name: request.required(name) for name in names}
    if request.text("batchNumber"):
        values["batchNumber"] = request.text("batchNumber")
    if request.text("unitPhase"):
        values["unitPhaseId"] = request.integer("unitPhase", 2)
    return save_unit(state, values)


def change_unit(state: State, request: Request) -> None:
    row = unit_of(state, request)
    part_number, revision = request.required("newPartNumber"), request.required("newRevision")
    change(state, row, newPartNumber=part_number, newRevision=revision)
    state["units"].rekey(row, {"partNumber": part_number, "revision": revision})


def put_tag(state: State, request: Request) -> None:
    row = unit_of(state, request)
    tag = {"key": request.required("key"), "value": request.text("value")}
    state["units"].update(row, merged(row, {"tags": [tag]}))


def verification(state: State, request: Request) -> Any:
    result = {
        "processCode": 100,
        "processName": "End of line test",
        "processIndex": 2,
        "status": "Passed",
        "startUtc": unit_of(state, request).get("serialDate"),
        "stationName": "Station 0",
        "totalCount": 1,
        "nonPassedCount": 0,
        "repairCount": 0,
    }
    return {
        **result,
        "grade": "A",
        "allProcessesExecutedInCorrectOrder": True,
        "allProcessesPassedFirstRun": True,
        "allProcessesPassedAnyRun": True,
        "allProcessesPassedLastRun": True,
        "noRepairs": True,
        "results": [result],
    }


def get_changes(state: State, request: Request) -> bytes:
    table, wanted = state["unit_changes"], {"unitSerialNumber": request.text("serialNumber")}
    rows = select_rows(table, request, state.settings, where=lambda row: matches(row, wanted))
    return encode_rows(rows, request)


def set_phase(state: State, request: Request) -> None:
    row = unit_of(state, request)
    wanted = request.required("phase")
    for phase in PHASES:
        number, name = phase["UnitPhaseId"], phase["Name"]
        if fold(wanted) in (str(number), fold(phase["Code"]), fold(name)):
            state["units"].update(row, {"unitPhaseId": number, "unitPhase": name})
            change(state, row, newUnitPhaseId=number)
            return
    raise HttpError(400, f"The phase '{wanted}' is unknown.")


def set_process(state: State, request: Request) -> None:
    code = request.text("processCode") or None
    state["units"].update(unit_of(state, request), {"processCode": code})


def _assembly(
    change_it: Callable[[State, Row, Row], None], find_parent: Finder, message: str = ""
) -> Handler:
    """Return a handler that joins or separates two units; it returns nothing, or a message."""

    def handler(state: State, request: Request) -> Any:
        change_it(state, find_parent(state, request), child_of(state, request))
        return {"success": True, "message": message} if message else None

    return handler


def remove_all_children(state: State, request: Request) -> Any:
    parent = unit_of(state, request)
    children = list(state["units"].find("parentSerialNumber", parent["serialNumber"]))
    for child in children:
        part(state, parent, child)
    return {"success": True, "removed": len(children)}


def join(state: State, parent: Row, child: Row) -> None:
    """Add a unit to an assembly."""
    part(state, parent, child)
    summary = {name: child[name] for name in ("serialNumber", "partNumber", "revision")}
    state["units"].update(parent, {"subUnits": [*(parent.get("subUnits") or []), summary]})
    state["units"].update(child, {"parentSerialNumber": parent["serialNumber"]})
    change(state, child, newParentSerialNumber=parent["serialNumber"])


def part(state: State, parent: Row, child: Row) -> None:
    """Remove a unit from an assembly, if it is in it."""
    kept = [
        item
        for item in parent.get("subUnits") or []
        if fold(item["serialNumber"]) != fold(child["serialNumber"])
    ]
    state["units"].update(parent, {"subUnits": kept})
    state["units"].update(child, {"parentSerialNumber": None})


def put_batch(state: State, request: Request) -> Row:
    return state["batches"].upsert(request.json_object("batchNumber"))


def put_batches(state: State, request: Request) -> list[Row]:
    return [state["batches"].upsert(item) for item in request.json_objects("batchNumber")]


def get_unit(state: State, request: Request) -> Row:
    serial_number = request.required("serialNumber")
    if request.text("partNumber"):
        return unit_of(state, request)
    return state["units"].first("serialNumber", serial_number)


def get_unit_info(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    product = state["products"].get(unit["partNumber"])
    return {**unit, "productName": product and product.get("name")}


def get_hierarchy(state: State, request: Request) -> Any:
    return _hierarchy(state, unit_of(state, request), 0)


def _hierarchy(state: State, unit: Row, level: int) -> dict[str, Any]:
    children = state["units"].find("parentSerialNumber", unit["serialNumber"])
    return {
        **pick(unit, "serialNumber", "partNumber", "revision"),
        "level": level,
        "children": [
            _hierarchy(state, child, level + 1) for child in children if level < MAX_LEVEL
        ],
    }


def get_history(state: State, request: Request) -> Any:
    unit = unit_of(state, request)
    first = {"date": unit.get("serialDate"), **pick(unit, "unitPhaseId", "unitPhase")}
    return [first, *state["unit_changes"].find("unitSerialNumber", unit["serialNumber"])]


def get_sites(state: State, request: Request) -> Any:
    return [
        {"siteId": guid(0x71, number, state.seed), "name": name}
        for number, name in enumerate(("Headquarters", "Plant North"))
    ]


INTERNAL = "/api/internal/Production"

ROUTES: RouteTable = {
    "GET /api/Production/Unit/Query": query("units", UNIT_FIELDS),
    "GET /api/Production/Unit/{serialNumber}/{partNumber}": unit_of,
    "POST /api/Production/Unit": put_unit,
    "PUT /api/Production/Unit": put_unit,
    "DELETE /api/Production/Unit": remove("units", "serialNumber", "partNumber"),
    "PUT /api/Production/Units": put_units,
    "GET /api/Production/Units/Changes": get_changes,
    "DELETE /api/Production/Units/Changes/{id}": remove("unit_changes", "id"),
    "GET /api/Production/UnitVerification": verification,
    "PUT /api/Production/ChangeUnit": change_unit,
    "PUT /api/Production/UnitTag": put_tag,
    "PUT /api/Production/SetUnitPhase": set_phase,
    "PUT /api/Production/SetUnitProcess": set_process,
    "POST /api/Production/AddChildUnit": _assembly(join, parent_of),
    "POST /api/Production/RemoveChildUnit": _assembly(part, parent_of),
    "GET /api/Production/CheckChildUnits": of(
        unit_of,
        lambda unit: {
            "result": "OK",
            "allSubUnitsPresent": True,
            "subUnits": unit.get("subUnits") or [],
        },
    ),
    "GET /api/Production/Batches": equal("batches", batchId="batchNumber"),
    "PUT /api/Production/Batches": put_batches,
    "PUT /api/Production/Batch": put_batch,
    f"GET {INTERNAL}/isConnected": True,
    f"GET {INTERNAL}/GetUnit": get_unit,
    f"GET {INTERNAL}/GetUnitInfo": get_unit_info,
    f"GET {INTERNAL}/GetUnitHierarchy": get_hierarchy,
    f"GET {INTERNAL}/GetUnitStateHistory": get_history,
    f"GET {INTERNAL}/GetUnitPhase": of(
        unit_of, lambda unit: pick(unit, "unitPhaseId", "unitPhase")
    ),
    f"GET {INTERNAL}/GetUnitProcess": of(unit_of, lambda unit: pick(unit, "processCode")),
    f"GET {INTERNAL}/GetUnitContents": of(
        unit_of, lambda unit: {"unit": unit, "subUnits": unit.get("subUnits") or []}
    ),
    f"POST {INTERNAL}/CreateUnit": create_unit,
    f"POST {INTERNAL}/AddChildUnit": _assembly(join, unit_of, "The unit was added."),
    f"POST {INTERNAL}/RemoveChildUnit": _assembly(part, unit_of, "The unit was removed."),
    f"POST {INTERNAL}/RemoveAllChildUnits": remove_all_children,
    f"GET {INTERNAL}/CheckChildUnits": of(
        find("units", "ParentSerialNumber", "ParentPartNumber"),
        lambda parent: {"success": True, "subUnits": parent.get("subUnits") or []},
    ),
    f"GET {INTERNAL}/GetSites": get_sites,
    "GET /api/internal/Mes/GetUnitPhases": PHASES,
}
