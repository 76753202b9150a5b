"""Version, yield, failures, repairs, measurements and unit flow: the analyses."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains import canned
from pywats_green.testing.app.handlers import matches, without
from pywats_green.testing.app.messages import HttpError, Reply, Request, encode_json
from pywats_green.testing.app.router import Handler, RouteTable
from pywats_green.testing.app.state import State
from pywats_green.testing.app.wsjf import COLLECTIONS

VERSION = "2026.1.0.412"
SAMPLE = 5
"""Reports in an answer about a few of them."""
FILTER_FIELDS = ("serialNumber", "partNumber", "revision", "stationName", "status", "batchNumber")


def get_version(state: State, request: Request) -> Reply:
    # Clients with a cookie jar must send the cookie back.
    cookie = (("Set-Cookie", f"sid=green{state.seed}; Path=/"),)
    return Reply(encode_json(VERSION), headers=cookie)


def analysis_filter(request: Request) -> dict[str, Any]:
    """Return the filter of an analysis: the body of a POST, else the query."""
    if request.method == "POST":
        return request.json_object() if request.body else {}
    names = (*FILTER_FIELDS, "topCount", "productGroup", "level", "count")
    return {name: request.text(name) for name in names if request.text(name)}


def top_count(wanted: dict[str, Any], default: int) -> int:
    """Return how many rows a filter asks for.

    Raises:
        HttpError: 400 if that is not a number.
    """
    try:
        return int(wanted.get("topCount") or wanted.get("count") or default)
    except (TypeError, ValueError):
        raise HttpError(400, "The value of topCount is not valid.") from None


def _part_numbers(wanted: dict[str, Any]) -> list[str]:
    only = wanted.get("partNumber")
    return [str(only)] if only else [f"PN-{number:05d}" for number in range(3)]


def _given(wanted: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: wanted[name] for name in names if wanted.get(name)}


def get_yield(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    return [
        {
            **canned.YIELD,
            **_given(wanted, "revision", "productGroup", "stationName"),
            "partNumber": part_number,
            "productName": f"Name of {part_number}",
            "unitCount": 100 + index,
        }
        for index, part_number in enumerate(_part_numbers(wanted))
    ]


def get_repair(state: State, request: Request) -> Any:
    return [
        {
            **canned.REPAIR,
            "partNumber": part_number,
            "repairReportCount": 4 + index,
            "repairCount": 5 + index,
        }
        for index, part_number in enumerate(_part_numbers(analysis_filter(request)))
    ]


def repair_history(state: State, request: Request) -> Any:
    part_number, revision = request.required("partNumber"), request.required("revision")
    repairs = [row for row in state["reports"] if row["type"] == "R"][:SAMPLE]
    return [
        {
            **canned.REPAIRED,
            "serialNumber": f"SN-{number:05d}",
            "partNumber": part_number,
            "revision": revision,
            "reportId": row["id"],
            "repairDate": row["start"],
        }
        for number, row in enumerate(repairs)
    ]


def top_failed(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    only = _given(wanted, "partNumber")
    return [{**item, **only} for item in canned.TOP_FAILED[: max(0, top_count(wanted, 5))]]


def connection_time(state: State, request: Request) -> Any:
    analysis_filter(request)
    reports = [
        {
            "id": row["id"],
            "serialNumber": row["sn"],
            "partNumber": row["pn"],
            "status": row["result"],
            "startUtc": row["start"],
            "connectionTime": 1.5,
            "executionTime": 3.0,
            "connectionAndExecutionTime": 4.5,
        }
        for row in list(state["reports"])[:SAMPLE]
    ]
    return {
        **canned.TIMES,
        "reports": reports,
        "dimensionStatistics": [canned.TIMES_BY_STATION],
    }


def oee(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    return {
        **canned.OEE,
        "partNumber": wanted.get("partNumber"),
        "stationName": wanted.get("stationName"),
    }


def _headers(kinds: str) -> Handler:
    def get_headers(state: State, request: Request) -> Any:
        wanted = analysis_filter(request)
        only = _given(wanted, *FILTER_FIELDS)
        if "status" in only:
            only["result"] = only.pop("status")
        found = [
            without(row, *COLLECTIONS)
            for row in state["headers"]
            if row["reportType"] in kinds and matches(row, only)
        ]
        return found[: top_count(wanted, 1000)]

    return get_headers


def _measured(state: State, request: Request) -> list[dict[str, Any]]:
    wanted = analysis_filter(request)
    only = _given(wanted, "serialNumber", "partNumber")
    found = [
        {
            "id": row["id"],
            "serialNumber": row["sn"],
            "partNumber": row["pn"],
            "revision": row.get("rev"),
            "startUtc": row["start"],
            "stepName": step.get("name"),
            "stepPath": canned.MAIN,
            "value": measure.get("value"),
            "limit1": measure.get("lowLimit"),
            "limit2": measure.get("highLimit"),
            "unit": measure.get("unit"),
            "status": "Passed" if measure.get("status") == "P" else "Failed",
        }
        for row in state["reports"]
        for step in (row.get("root") or {}).get("steps") or []
        for measure in step.get("numericMeas") or []
    ]
    return [item for item in found if matches(item, only)][: top_count(wanted, 1000)]


def measurements(state: State, request: Request) -> Any:
    path = request.text("measurementPaths", canned.MAIN)
    return [{"measurementPath": path, "measurements": _measured(state, request)}]


def aggregated(state: State, request: Request) -> Any:
    found = [item["value"] for item in _measured(state, request)]
    values = [value for value in found if value is not None]
    if not values:
        return []
    total = {"count": len(values), "min": min(values), "max": max(values)}
    item = {**canned.AGGREGATE, **total, "avg": sum(values) / len(values)}
    return [{"measurementPath": canned.MAIN, "measurements": [item]}]


def _flow_units(state: State, serial_numbers: list[Any] | None = None) -> list[dict[str, Any]]:
    wanted = serial_numbers or [f"SN-{number:05d}" for number in range(SAMPLE)]
    return [
        {
            "serialNumber": row["serialNumber"],
            "partNumber": row["partNumber"],
            "revision": row.get("revision"),
            "status": "Passed",
            "startTime": row.get("serialDate"),
            "endTime": row.get("serialDate"),
            "totalTime": 72.5,
            "nodePath": list(canned.OPERATIONS.values()),
            "currentNode": "Burn-in",
        }
        for name in wanted
        for row in state["units"].find("serialNumber", name)
    ]


def query_flow(state: State, request: Request) -> Any:
    units = _flow_units(state, analysis_filter(request).get("serialNumbers"))
    flow = {"nodes": canned.FLOW_NODES, "links": canned.FLOW_LINKS}
    return {**flow, "units": units, "totalUnits": len(units)}


def get_flow_units(state: State, request: Request) -> Any:
    return _flow_units(state)


def _of_reports(body: dict[str, Any], **more: str) -> Handler:
    """Return `body` for a few reports, completed with the fields of each."""
    first = {"id": "id", "serialNumber": "sn", "partNumber": "pn", "revision": "rev"}

    def handler(state: State, request: Request) -> Any:
        return [
            {
                **{name: row[field] for name, field in first.items()},
                **body,
                **{name: row[field] for name, field in more.items()},
            }
            for row in list(state["reports"])[:SAMPLE]
        ]

    return handler


_measurement_list = _of_reports(canned.MEASUREMENT, startUtc="start", stationName="machineName")
_step_status_list = _of_reports(canned.STEP_STATUS, startUtc="start")


def alarm_logs(state: State, request: Request) -> Any:
    return canned.ALARMS[: int(analysis_filter(request).get("topCount") or 100)]


APP = "/api/App"
INTERNAL = "/api/internal/App"
FLOW = "/api/internal/UnitFlow"

ROUTES: RouteTable = {
    f"GET {APP}/Version": get_version,
    f"GET {APP}/Levels": canned.LEVELS,
    f"POST {APP}/DynamicYield": get_yield,
    f"GET {APP}/VolumeYield": get_yield,
    f"POST {APP}/VolumeYield": get_yield,
    f"GET {APP}/HighVolume": get_yield,
    f"POST {APP}/HighVolume": get_yield,
    f"POST {APP}/HighVolumeByProductGroup": get_yield,
    f"GET {APP}/WorstYield": get_yield,
    f"POST {APP}/WorstYield": get_yield,
    f"POST {APP}/WorstYieldByProductGroup": get_yield,
    f"POST {APP}/DynamicRepair": get_repair,
    f"GET {APP}/RelatedRepairHistory": repair_history,
    f"GET {APP}/TopFailed": top_failed,
    f"POST {APP}/TopFailed": top_failed,
    f"GET {INTERNAL}/TopFailed": top_failed,
    f"POST {INTERNAL}/TopFailed": top_failed,
    f"POST {APP}/TestStepAnalysis": canned.STEP_ANALYSIS,
    f"POST {APP}/ConnectionAndExecutionTime": connection_time,
    f"POST {APP}/OeeAnalysis": oee,
    f"POST {APP}/SerialNumberHistory": _headers("TR"),
    f"GET {APP}/UutReport": _headers("T"),
    f"POST {APP}/UutReport": _headers("T"),
    f"POST {APP}/UurReport": _headers("R"),
    f"POST {APP}/Measurements": measurements,
    f"POST {APP}/AggregatedMeasurements": aggregated,
    f"POST {FLOW}": query_flow,
    f"POST {FLOW}/SN": query_flow,
    f"POST {FLOW}/SplitBy": query_flow,
    f"POST {FLOW}/UnitOrder": query_flow,
    f"GET {FLOW}/Nodes": canned.FLOW_NODES,
    f"GET {FLOW}/Links": canned.FLOW_LINKS,
    f"GET {FLOW}/Units": get_flow_units,
    f"GET {INTERNAL}/MeasurementList": _measurement_list,
    f"POST {INTERNAL}/MeasurementList": _measurement_list,
    f"GET {INTERNAL}/StepStatusList": _step_status_list,
    f"POST {INTERNAL}/StepStatusList": _step_status_list,
    "POST /api/internal/Trigger/GetAlarmAndNotificationLogs": alarm_logs,
}
