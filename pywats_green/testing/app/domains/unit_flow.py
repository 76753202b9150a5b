"""Unit flow, lists of measurements and steps, alarms: analyses under /api/internal."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.analytics import MAIN
from pywats_green.testing.app.messages import Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State

OPERATIONS = ((100, "End of line test"), (200, "Burn-in"))


def _nodes() -> list[dict[str, Any]]:
    return [
        {
            "id": code,
            "name": name,
            "processCode": code,
            "processName": name,
            "stationName": "Station 0",
            "location": "Line 1",
            "purpose": "Production",
            "unitCount": 100,
            "passCount": 95,
            "failCount": 5,
            "yield": 95.0,
            "avgTime": 12.5,
            "isExpanded": False,
            "isVisible": True,
            "level": level,
            "parentId": None,
        }
        for level, (code, name) in enumerate(OPERATIONS)
    ]


def _links() -> list[dict[str, Any]]:
    return [
        {
            "id": "100-200",
            "source": 100,
            "target": 200,
            "sourceName": "End of line test",
            "targetName": "Burn-in",
            "unitCount": 95,
            "passCount": 93,
            "failCount": 2,
            "avgTime": 60.0,
            "isVisible": True,
        }
    ]


def _units(state: State, serial_numbers: list[Any] | None = None) -> list[dict[str, Any]]:
    wanted = serial_numbers or [f"SN-{number:05d}" for number in range(5)]
    found = [row for name in wanted for row in state.units.find("serialNumber", name)]
    return [
        {
            "serialNumber": row["serialNumber"],
            "partNumber": row["partNumber"],
            "revision": row.get("revision"),
            "status": "Passed",
            "startTime": row.get("serialDate"),
            "endTime": row.get("serialDate"),
            "totalTime": 72.5,
            "nodePath": [name for _, name in OPERATIONS],
            "currentNode": "Burn-in",
        }
        for row in found
    ]


def query(state: State, request: Request) -> Any:
    wanted = request.json_object() if request.body else {}
    units = _units(state, wanted.get("serialNumbers"))
    return {"nodes": _nodes(), "links": _links(), "units": units, "totalUnits": len(units)}


def get_nodes(state: State, request: Request) -> Any:
    return _nodes()


def get_links(state: State, request: Request) -> Any:
    return _links()


def get_units(state: State, request: Request) -> Any:
    return _units(state)


def measurement_list(state: State, request: Request) -> Any:
    return [
        {
            "id": row["id"],
            "serialNumber": row["sn"],
            "partNumber": row["pn"],
            "revision": row["rev"],
            "stepName": "Supply voltage",
            "stepPath": MAIN,
            "value": 5.0,
            "stringValue": None,
            "limit1": 4.5,
            "limit2": 5.5,
            "unit": "V",
            "status": "Passed",
            "startUtc": row["start"],
            "stationName": row["machineName"],
        }
        for row in list(state.reports)[:5]
    ]


def step_status_list(state: State, request: Request) -> Any:
    return [
        {
            "id": row["id"],
            "serialNumber": row["sn"],
            "partNumber": row["pn"],
            "revision": row["rev"],
            "stepName": "Supply voltage",
            "stepPath": MAIN,
            "stepType": "ET_NLT",
            "stepGroup": "M",
            "passCount": 95,
            "failCount": 5,
            "totalCount": 100,
            "status": "Passed",
            "startUtc": row["start"],
        }
        for row in list(state.reports)[:5]
    ]


def alarm_logs(state: State, request: Request) -> Any:
    wanted = request.json_object() if request.body else {}
    return [
        {
            "logId": number,
            "name": f"Alarm {number}",
            "logDate": "2024-03-01T08:00:00Z",
            "triggerId": number,
            "type": number,
            "state": "Active",
            "partNumber": "PN-00000",
            "productName": "Product 0",
            "processCode": "100",
            "processName": "End of line test",
            "serialNumber": "SN-00000",
            "stationName": "Station 0",
            "fpy": 0.9,
            "unitCount": 100,
        }
        for number in range(1, 6)
    ][: int(wanted.get("topCount") or 100)]


FLOW = "/api/internal/UnitFlow"

ROUTES: RouteTable = {
    f"POST {FLOW}": query,
    f"POST {FLOW}/SN": query,
    f"POST {FLOW}/SplitBy": query,
    f"POST {FLOW}/UnitOrder": query,
    f"GET {FLOW}/Nodes": get_nodes,
    f"GET {FLOW}/Links": get_links,
    f"GET {FLOW}/Units": get_units,
    "GET /api/internal/App/MeasurementList": measurement_list,
    "POST /api/internal/App/MeasurementList": measurement_list,
    "GET /api/internal/App/StepStatusList": step_status_list,
    "POST /api/internal/App/StepStatusList": step_status_list,
    "POST /api/internal/Trigger/GetAlarmAndNotificationLogs": alarm_logs,
}
