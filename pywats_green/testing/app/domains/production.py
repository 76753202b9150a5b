"""Units, their phases and assemblies, verification, changes, and batches."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import merged_tags, need, row_or_404
from pywats_green.testing.app.messages import HttpError, Request
from pywats_green.testing.app.query import Schema, encode_rows, select_rows
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed import PHASES
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

UNIT_FIELDS = Schema(fields=("subUnits", "tags", "product", "productRevision"))


def unit_or_404(state: State, serial_number: str, part_number: str) -> Row:
    """A unit by its two keys.

    Raises:
        HttpError: 404 where there is none.
    """
    return row_or_404(state.units, "Unit", serial_number, part_number)


def unit_of(state: State, request: Request) -> Row:
    """The unit that the query names.

    Raises:
        HttpError: 400 where it names none, 404 where there is none.
    """
    return unit_or_404(state, request.required("serialNumber"), request.required("partNumber"))


def change(state: State, unit: Row, **values: Any) -> None:
    """Write down a change of a unit."""
    state.unit_changes.add(
        {
            "id": state.next_number("unit_change"),
            "unitSerialNumber": unit["serialNumber"],
            "newParentSerialNumber": None,
            "newPartNumber": None,
            "newRevision": None,
            "newUnitPhaseId": None,
            **values,
        }
    )


def query_units(state: State, request: Request) -> bytes:
    rows = select_rows(state.units, request, state.settings, UNIT_FIELDS)
    return encode_rows(state.units, rows, request)


def get_unit(state: State, request: Request) -> bytes:
    params = request.params
    return state.units.encode(unit_or_404(state, params["serialNumber"], params["partNumber"]))


def save_unit(state: State, values: dict[str, Any]) -> Row:
    """Make or change a unit."""
    need(values, "serialNumber", "partNumber")
    row = state.units.get(str(values["serialNumber"]), str(values["partNumber"]))
    if row is None:
        row = state.units.upsert(
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
    fixed = ("serialNumber", "partNumber", "tags", "subUnits", "product", "productRevision")
    kept = {name: value for name, value in values.items() if name not in fixed}
    tags = merged_tags(row.get("tags"), values.get("tags"))
    return state.units.update(row, {**kept, "tags": tags})


def put_units(state: State, request: Request) -> bytes:
    rows = [save_unit(state, item) for item in request.json_objects()]
    return b"[" + b",".join([state.units.encode(row) for row in rows]) + b"]"


def put_unit(state: State, request: Request) -> bytes:
    return state.units.encode(save_unit(state, request.json_object()))


def delete_unit(state: State, request: Request) -> None:
    state.units.remove(unit_of(state, request))


def change_unit(state: State, request: Request) -> None:
    row = unit_of(state, request)
    values = {
        "partNumber": request.required("newPartNumber"),
        "revision": request.required("newRevision"),
    }
    change(state, row, newPartNumber=values["partNumber"], newRevision=values["revision"])
    state.units.rekey(row, values)


def put_tag(state: State, request: Request) -> None:
    row = unit_of(state, request)
    tag = {"key": request.required("key"), "value": request.text("value")}
    state.units.update(row, {"tags": merged_tags(row.get("tags"), [tag])})


def verification(state: State, request: Request) -> Any:
    row = unit_of(state, request)
    result = {
        "processCode": 100,
        "processName": "End of line test",
        "processIndex": 2,
        "status": "Passed",
        "startUtc": row.get("serialDate"),
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
    serial_number = request.text("serialNumber")
    rows = [
        row
        for row in state.unit_changes
        if not serial_number or fold(row["unitSerialNumber"]) == fold(serial_number)
    ]
    found = select_rows(state.unit_changes, request, state.settings, rows=rows)
    return encode_rows(state.unit_changes, found, request)


def delete_change(state: State, request: Request) -> None:
    state.unit_changes.remove(row_or_404(state.unit_changes, "Change", request.params["id"]))


def set_phase(state: State, request: Request) -> None:
    row = unit_of(state, request)
    wanted = request.required("phase")
    for number, code, name in PHASES:
        if fold(wanted) in (str(number), fold(code), fold(name)):
            state.units.update(row, {"unitPhaseId": number, "unitPhase": name})
            change(state, row, newUnitPhaseId=number)
            return
    raise HttpError(400, f"The phase '{wanted}' is unknown.")


def set_process(state: State, request: Request) -> None:
    row = unit_of(state, request)
    code = request.text("processCode")
    state.units.update(row, {"processCode": code or None})


def _pair(state: State, request: Request) -> tuple[Row, Row]:
    parent = unit_or_404(
        state, request.required("parentSerialNumber"), request.required("parentPartNumber")
    )
    child = unit_or_404(
        state, request.required("childSerialNumber"), request.required("childPartNumber")
    )
    return parent, child


def add_child(state: State, request: Request) -> None:
    join(state, *_pair(state, request))


def remove_child(state: State, request: Request) -> None:
    part(state, *_pair(state, request))


def join(state: State, parent: Row, child: Row) -> None:
    """Put a unit into an assembly."""
    part(state, parent, child)
    summary = {name: child[name] for name in ("serialNumber", "partNumber", "revision")}
    state.units.update(parent, {"subUnits": [*(parent.get("subUnits") or []), summary]})
    state.units.update(child, {"parentSerialNumber": parent["serialNumber"]})
    change(state, child, newParentSerialNumber=parent["serialNumber"])


def part(state: State, parent: Row, child: Row) -> None:
    """Take a unit out of an assembly; nothing where it is not in it."""
    kept = [
        item
        for item in parent.get("subUnits") or []
        if fold(item["serialNumber"]) != fold(child["serialNumber"])
    ]
    state.units.update(parent, {"subUnits": kept})
    state.units.update(child, {"parentSerialNumber": None})


def check_children(state: State, request: Request) -> Any:
    row = unit_of(state, request)
    return {"result": "OK", "allSubUnitsPresent": True, "subUnits": row.get("subUnits") or []}


def get_batches(state: State, request: Request) -> Any:
    wanted = request.text("batchId")
    return [row for row in state.batches if not wanted or fold(row["batchNumber"]) == fold(wanted)]


def put_batch(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "batchNumber")
    return state.batches.upsert(values)


def put_batches(state: State, request: Request) -> Any:
    items = request.json_objects()
    for item in items:
        need(item, "batchNumber")
    return [state.batches.upsert(item) for item in items]


ROUTES: RouteTable = {
    "GET /api/Production/Unit/Query": query_units,
    "GET /api/Production/Unit/{serialNumber}/{partNumber}": get_unit,
    "POST /api/Production/Unit": put_unit,
    "PUT /api/Production/Unit": put_unit,
    "DELETE /api/Production/Unit": delete_unit,
    "PUT /api/Production/Units": put_units,
    "GET /api/Production/Units/Changes": get_changes,
    "DELETE /api/Production/Units/Changes/{id}": delete_change,
    "GET /api/Production/UnitVerification": verification,
    "PUT /api/Production/ChangeUnit": change_unit,
    "PUT /api/Production/UnitTag": put_tag,
    "PUT /api/Production/SetUnitPhase": set_phase,
    "PUT /api/Production/SetUnitProcess": set_process,
    "POST /api/Production/AddChildUnit": add_child,
    "POST /api/Production/RemoveChildUnit": remove_child,
    "GET /api/Production/CheckChildUnits": check_children,
    "GET /api/Production/Batches": get_batches,
    "PUT /api/Production/Batches": put_batches,
    "PUT /api/Production/Batch": put_batch,
}
