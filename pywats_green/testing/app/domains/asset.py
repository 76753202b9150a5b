"""Assets, their types, counts, calibration, log, and sub-assets."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import merged_tags, need
from pywats_green.testing.app.messages import HttpError, Request, not_found
from pywats_green.testing.app.query import Schema, encode_rows, select_rows
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

REGISTERED, UPDATED, COUNT_RESET, CALIBRATED, MAINTAINED, STATE_CHANGED = 1, 2, 3, 4, 5, 6
MESSAGE = 0


def find_asset(state: State, identifier: str) -> Row:
    """An asset by its serial number or its id; the exact spelling first.

    Raises:
        HttpError: 404 where there is none.
    """
    row = state.assets.get(identifier)
    if row is not None:
        return row
    found = state.assets.find("assetId", identifier)
    if not found:
        raise not_found(f"Asset '{identifier}'")
    return found[0]


def asset_of(request: Request, state: State) -> Row:
    """The asset that the query names by `id` or `serialNumber`.

    Raises:
        HttpError: 400 where it names none, 404 where there is none.
    """
    identifier = request.text("id") or request.text("serialNumber")
    if not identifier:
        raise HttpError(400, "Either id or serialNumber is required.")
    return find_asset(state, identifier)


def log(state: State, row: Row, kind: int, comment: str, user: str = "api") -> None:
    """Write into the log of an asset."""
    state.asset_log.add(
        {
            "logId": state.next_number("asset_log"),
            "assetId": row["assetId"],
            "serialNumber": row["serialNumber"],
            "date": utc_now(),
            "user": user,
            "type": kind,
            "comment": comment,
        }
    )


def query_assets(state: State, request: Request) -> bytes:
    rows = select_rows(state.assets, request, state.settings)
    return encode_rows(state.assets, rows, request)


def get_asset(state: State, request: Request) -> bytes:
    return state.assets.encode(find_asset(state, request.params["idOrSerialNumber"]))


def put_asset(state: State, request: Request) -> bytes:
    values = request.json_object()
    need(values, "serialNumber")
    row = state.assets.get(str(values["serialNumber"]))
    if row is None and values.get("assetId"):
        row = next(iter(state.assets.find("assetId", values["assetId"])), None)
    kind = UPDATED
    if row is None:
        kind = REGISTERED
        row = state.assets.upsert(
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
    tags = merged_tags(row.get("tags"), values.get("tags"))
    fixed = ("serialNumber", "assetId", "tags", "assetChildren", "assetLog", "assetType")
    kept = {name: value for name, value in values.items() if name not in fixed}
    state.assets.update(row, {**kept, "tags": tags})
    log(state, row, kind, "Asset saved")
    return state.assets.encode(row)


def delete_asset(state: State, request: Request) -> None:
    state.assets.remove(asset_of(request, state))


def get_status(state: State, request: Request) -> Any:
    return _status(state, asset_of(request, state))


def get_status_of(state: State, request: Request) -> Any:
    return _status(state, find_asset(state, request.params["serialNumber"]))


def _status(state: State, row: Row) -> Any:
    kinds = state.asset_types.get(str(row.get("typeId")))
    return {
        "assetId": row["assetId"],
        "serialNumber": row["serialNumber"],
        "state": row.get("state"),
        "alarmState": 0,
        "message": "OK",
        "runningCount": row.get("runningCount"),
        "runningCountLimit": None if kinds is None else kinds.get("runningCountLimit"),
        "totalCount": row.get("totalCount"),
        "nextCalibrationDate": row.get("nextCalibrationDate"),
        "nextMaintenanceDate": row.get("nextMaintenanceDate"),
    }


def put_state(state: State, request: Request) -> None:
    row = asset_of(request, state)
    state.assets.update(row, {"state": request.integer("state", 0)})
    log(state, row, STATE_CHANGED, f"State {row['state']}")


def put_count(state: State, request: Request) -> None:
    row = asset_of(request, state)
    by = request.integer("incrementBy", 0)
    total = request.integer("totalCount", 0)
    if total:
        by = total - int(row.get("totalCount") or 0)
    targets = [row]
    if request.text("incrementChildren") == "true":
        targets += state.assets.find("parentAssetId", row["assetId"])
    for target in targets:
        counts = {name: int(target.get(name) or 0) + by for name in ("totalCount", "runningCount")}
        state.assets.update(target, counts)


def reset_running_count(state: State, request: Request) -> None:
    row = asset_of(request, state)
    state.assets.update(row, {"runningCount": 0})
    log(state, row, COUNT_RESET, request.text("comment"))


def set_running_count(state: State, request: Request) -> None:
    row = asset_of(request, state)
    state.assets.update(row, {"runningCount": request.integer("runningCount", 0)})


def set_total_count(state: State, request: Request) -> None:
    row = asset_of(request, state)
    state.assets.update(row, {"totalCount": request.integer("totalCount", 0)})


def calibrate(state: State, request: Request) -> None:
    _serviced(state, request, CALIBRATED, "Calibration")


def maintain(state: State, request: Request) -> None:
    _serviced(state, request, MAINTAINED, "Maintenance")


def _serviced(state: State, request: Request, kind: int, name: str) -> None:
    row = asset_of(request, state)
    when = request.text("dateTime") or request.text("fromDate") or utc_now()
    values = {f"last{name}Date": when}
    if request.text("toDate"):
        values[f"next{name}Date"] = request.text("toDate")
    state.assets.update(row, values)
    log(state, row, kind, request.text("comment"))


def get_log(state: State, request: Request) -> bytes:
    schema = Schema(fields=("logId", "assetId", "serialNumber", "date", "user", "type", "comment"))
    rows = select_rows(state.asset_log, request, state.settings, schema)
    return encode_rows(state.asset_log, rows, request)


def post_message(state: State, request: Request) -> None:
    values = request.json_object()
    need(values, "assetId")
    row = find_asset(state, str(values["assetId"]))
    log(state, row, MESSAGE, str(values.get("comment")), str(values.get("user") or "api"))


def get_types(state: State, request: Request) -> bytes:
    rows = select_rows(state.asset_types, request, state.settings)
    return encode_rows(state.asset_types, rows, request)


def put_type(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "typeName")
    return state.asset_types.upsert({**values, "typeId": values.get("typeId") or state.new_guid()})


def sub_assets(state: State, request: Request) -> Any:
    row = asset_of(request, state)
    level = request.integer("level", 1)
    found: list[Row] = []
    parents = [row]
    while parents and level > 0:
        parents = [
            child
            for parent in parents
            for child in state.assets.find("parentAssetId", parent["assetId"])
            if child not in found
        ]
        found += parents
        level -= 1
    return found


def calibrations(state: State, request: Request) -> Any:
    row = find_asset(state, request.params["serialNumber"])
    entries = state.asset_log.find("assetId", row["assetId"])
    return [entry for entry in entries if entry["type"] == CALIBRATED]


def maintenance(state: State, request: Request) -> Any:
    row = find_asset(state, request.params["serialNumber"])
    entries = state.asset_log.find("assetId", row["assetId"])
    return [entry for entry in entries if entry["type"] == MAINTAINED]


ROUTES: RouteTable = {
    "GET /api/Asset": query_assets,
    "GET /api/Assets": query_assets,
    "GET /api/Asset/{idOrSerialNumber}": get_asset,
    "PUT /api/Asset": put_asset,
    "DELETE /api/Asset": delete_asset,
    "GET /api/Asset/Status": get_status,
    "GET /api/Asset/{serialNumber}/Status": get_status_of,
    "GET /api/Asset/{serialNumber}/Calibrations": calibrations,
    "GET /api/Asset/{serialNumber}/Maintenance": maintenance,
    "PUT /api/Asset/State": put_state,
    "PUT /api/Asset/Count": put_count,
    "POST /api/Asset/ResetRunningCount": reset_running_count,
    "PUT /api/Asset/SetRunningCount": set_running_count,
    "PUT /api/Asset/SetTotalCount": set_total_count,
    "POST /api/Asset/Calibration": calibrate,
    "POST /api/Asset/Calibration/External": calibrate,
    "POST /api/Asset/Maintenance": maintain,
    "POST /api/Asset/Maintenance/External": maintain,
    "GET /api/Asset/Log": get_log,
    "POST /api/Asset/Message": post_message,
    "GET /api/Asset/Types": get_types,
    "PUT /api/Asset/Types": put_type,
    "GET /api/Asset/SubAssets": sub_assets,
}
