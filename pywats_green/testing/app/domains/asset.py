"""Assets, their types, counts, calibration, log, files, and sub-assets."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import base64
from typing import Any

from pywats_green.testing.app.handlers import create, merged, query
from pywats_green.testing.app.messages import HttpError, Request, not_found
from pywats_green.testing.app.odata.query import Schema
from pywats_green.testing.app.router import Handler, RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

MESSAGE, REGISTERED, UPDATED, COUNT_RESET, CALIBRATED, MAINTAINED, STATE_CHANGED = range(7)
LOG = Schema(fields=("logId", "assetId", "serialNumber", "date", "user", "type", "comment"))


def find_asset(state: State, identifier: str) -> Row:
    """Return an asset by serial number or id, preferring an exact match.

    Raises:
        HttpError: 404 if there is none.
    """
    return state["assets"].get(identifier) or state["assets"].first("assetId", identifier)


def asset_of(state: State, request: Request) -> Row:
    """Return the asset given in the path, or by `id` or `serialNumber` in the query.

    Raises:
        HttpError: 400 if neither is given, 404 if there is no such asset.
    """
    names = [request.params.get("serialNumber"), request.text("id"), request.text("serialNumber")]
    identifier = next(filter(None, names), None)
    if not identifier:
        raise HttpError(400, "Either id or serialNumber is required.")
    return find_asset(state, identifier)


def log(state: State, row: Row, kind: int, comment: str, user: str = "api") -> None:
    """Add an entry to the log of an asset."""
    state.insert(
        "asset_log",
        {
            "logId": None,
            "assetId": row["assetId"],
            "serialNumber": row["serialNumber"],
            "date": utc_now(),
            "user": user,
            "type": kind,
            "comment": comment,
        },
    )


def put_asset(state: State, request: Request) -> Row:
    values = request.json_object("serialNumber")
    table = state["assets"]
    row = table.get(str(values["serialNumber"]))
    if row is None and values.get("assetId"):
        row = next(iter(table.find("assetId", values["assetId"])), None)
    kind = REGISTERED if row is None else UPDATED
    row = row or table.add(
        {
            "assetId": values.get("assetId") or state.new_guid(),
            "serialNumber": values["serialNumber"],
            "state": 1,
            "firstSeenDate": utc_now(),
            "totalCount": 0,
            "runningCount": 0,
            "tags": [],
        }
    )
    fixed = ("serialNumber", "assetId", "assetChildren", "assetLog", "assetType")
    table.update(row, merged(row, values, *fixed))
    log(state, row, kind, "Asset saved")
    return row


def get_asset(state: State, request: Request) -> Row:
    return find_asset(state, request.params["idOrSerialNumber"])


def delete_asset(state: State, request: Request) -> None:
    state["assets"].remove(asset_of(state, request))


def get_status(state: State, request: Request) -> Any:
    row = asset_of(state, request)
    kind = state["asset_types"].get(str(row.get("typeId")))
    return {
        "assetId": row["assetId"],
        "serialNumber": row["serialNumber"],
        "state": row.get("state"),
        "alarmState": 0,
        "message": "OK",
        "runningCount": row.get("runningCount"),
        "runningCountLimit": kind and kind.get("runningCountLimit"),
        "totalCount": row.get("totalCount"),
        "nextCalibrationDate": row.get("nextCalibrationDate"),
        "nextMaintenanceDate": row.get("nextMaintenanceDate"),
    }


def put_state(state: State, request: Request) -> None:
    row = asset_of(state, request)
    state["assets"].update(row, {"state": request.integer("state", 0)})
    log(state, row, STATE_CHANGED, f"State {row['state']}")


def put_count(state: State, request: Request) -> None:
    row = asset_of(state, request)
    by = request.integer("incrementBy", 0)
    total = request.integer("totalCount", 0)
    if total:
        by = total - int(row.get("totalCount") or 0)
    targets = [row]
    if request.text("incrementChildren") == "true":
        targets += state["assets"].find("parentAssetId", row["assetId"])
    for target in targets:
        counts = {name: int(target.get(name) or 0) + by for name in ("totalCount", "runningCount")}
        state["assets"].update(target, counts)


def reset_running_count(state: State, request: Request) -> None:
    row = asset_of(state, request)
    state["assets"].update(row, {"runningCount": 0})
    log(state, row, COUNT_RESET, request.text("comment"))


def _number(name: str) -> Handler:
    def put_number(state: State, request: Request) -> None:
        row = asset_of(state, request)
        state["assets"].update(row, {name: request.integer(name, 0)})

    return put_number


def _service(kind: int, name: str) -> Handler:
    def post_service(state: State, request: Request) -> None:
        row = asset_of(state, request)
        when = request.text("dateTime") or request.text("fromDate") or utc_now()
        values = {f"last{name}Date": when}
        if request.text("toDate"):
            values[f"next{name}Date"] = request.text("toDate")
        state["assets"].update(row, values)
        log(state, row, kind, request.text("comment"))

    return post_service


def _logged(kind: int) -> Handler:
    def get_entries(state: State, request: Request) -> Any:
        row = asset_of(state, request)
        entries = state["asset_log"].find("assetId", row["assetId"])
        return [entry for entry in entries if entry["type"] == kind]

    return get_entries


def post_message(state: State, request: Request) -> None:
    values = request.json_object("assetId")
    row = find_asset(state, str(values["assetId"]))
    log(state, row, MESSAGE, str(values.get("comment")), str(values.get("user") or "api"))


def sub_assets(state: State, request: Request) -> Any:
    parents = [asset_of(state, request)]
    found: list[Row] = []
    for _ in range(request.integer("level", 1)):
        parents = [
            child
            for parent in parents
            for child in state["assets"].find("parentAssetId", parent["assetId"])
            if child not in found
        ]
        found += parents
    return found


def upload(state: State, request: Request) -> bool:
    _files(state, request)[request.required("filename")] = request.body
    return True


def download(state: State, request: Request) -> Any:
    files, name = _files(state, request), request.required("filename")
    if name not in files:
        raise not_found(f"File '{name}'")
    # pywats extracts a file from this envelope; it would decode raw bytes to text.
    return {"fileName": name, "content": base64.b64encode(files[name]).decode()}


def list_files(state: State, request: Request) -> Any:
    return sorted(_files(state, request))


def delete_files(state: State, request: Request) -> None:
    files = _files(state, request)
    # pywats drops the caller's list of names; without a body, all files are deleted.
    for name in request.json() if request.body else list(files):
        files.pop(name, None)


def _files(state: State, request: Request) -> dict[str, bytes]:
    asset = find_asset(state, request.required("assetId"))
    return state.asset_files.setdefault(asset["assetId"], {})


BLOB = "/api/internal/Blob"

ROUTES: RouteTable = {
    "GET /api/Asset": query("assets"),
    "GET /api/Assets": query("assets"),
    "GET /api/Asset/{idOrSerialNumber}": get_asset,
    "PUT /api/Asset": put_asset,
    "DELETE /api/Asset": delete_asset,
    "GET /api/Asset/Status": get_status,
    "GET /api/Asset/{serialNumber}/Status": get_status,
    "GET /api/Asset/{serialNumber}/Calibrations": _logged(CALIBRATED),
    "GET /api/Asset/{serialNumber}/Maintenance": _logged(MAINTAINED),
    "PUT /api/Asset/State": put_state,
    "PUT /api/Asset/Count": put_count,
    "POST /api/Asset/ResetRunningCount": reset_running_count,
    "PUT /api/Asset/SetRunningCount": _number("runningCount"),
    "PUT /api/Asset/SetTotalCount": _number("totalCount"),
    "POST /api/Asset/Calibration": _service(CALIBRATED, "Calibration"),
    "POST /api/Asset/Calibration/External": _service(CALIBRATED, "Calibration"),
    "POST /api/Asset/Maintenance": _service(MAINTAINED, "Maintenance"),
    "POST /api/Asset/Maintenance/External": _service(MAINTAINED, "Maintenance"),
    "GET /api/Asset/Log": query("asset_log", LOG),
    "POST /api/Asset/Message": post_message,
    "GET /api/Asset/Types": query("asset_types"),
    "PUT /api/Asset/Types": create("asset_types", "typeName"),
    "GET /api/Asset/SubAssets": sub_assets,
    f"POST {BLOB}/Asset": upload,
    f"GET {BLOB}/Asset": download,
    f"GET {BLOB}/Asset/List/{{assetId}}": list_files,
    f"DELETE {BLOB}/Assets": delete_files,
}
