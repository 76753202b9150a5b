"""Yield, failures, repairs, reports: the analyses under /api/App."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.messages import HttpError, Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State
from pywats_green.testing.app.wsjf import COLLECTIONS

MAIN = "MainSequence Callback¶Supply voltage"
FILTER_FIELDS = ("serialNumber", "partNumber", "revision", "stationName", "status", "batchNumber")


def analysis_filter(request: Request) -> dict[str, Any]:
    """The filter of an analysis: the body of a POST, else the query."""
    if request.method == "POST":
        return request.json_object() if request.body else {}
    names = (*FILTER_FIELDS, "topCount", "productGroup", "level", "count")
    return {name: request.text(name) for name in names if request.text(name)}


def top_count(wanted: dict[str, Any], default: int) -> int:
    """How many rows a filter wants.

    Raises:
        HttpError: 400 where that is not a number.
    """
    try:
        return int(wanted.get("topCount") or wanted.get("count") or default)
    except (TypeError, ValueError):
        raise HttpError(400, "The value of topCount is not valid.") from None


def _part_numbers(wanted: dict[str, Any]) -> list[str]:
    only = wanted.get("partNumber")
    return [str(only)] if only else [f"PN-{number:05d}" for number in range(3)]


def get_yield(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    return [
        {
            "partNumber": part_number,
            "revision": wanted.get("revision") or "A",
            "productName": f"Name of {part_number}",
            "productGroup": wanted.get("productGroup") or "Group 1",
            "stationName": wanted.get("stationName") or "Station 0",
            "testOperation": "End of line test",
            "period": "2024-03",
            "unitCount": 100 + index,
            "fpCount": 90,
            "spCount": 5,
            "tpCount": 3,
            "lpCount": 98,
            "fpy": 90.0,
            "spy": 95.0,
            "tpy": 98.0,
            "lpy": 98.0,
        }
        for index, part_number in enumerate(_part_numbers(wanted))
    ]


def get_repair(state: State, request: Request) -> Any:
    return [
        {
            "partNumber": part_number,
            "revision": "A",
            "productGroup": "Group 1",
            "repairOperation": "Repair",
            "stationName": "Station 0",
            "period": "2024-03",
            "componentRef": "R12",
            "repairReportCount": 4 + index,
            "repairCount": 5 + index,
            "totalCount": 100,
            "repairRate": 5.0,
            "failCode": "Defect Component",
        }
        for index, part_number in enumerate(_part_numbers(analysis_filter(request)))
    ]


def repair_history(state: State, request: Request) -> Any:
    return [
        {
            "serialNumber": f"SN-{number:05d}",
            "partNumber": request.required("partNumber"),
            "revision": request.required("revision"),
            "reportId": row["id"],
            "repairDate": row["start"],
            "failStepName": "Supply voltage",
            "failStepPath": MAIN,
            "failCode": "Defect Component",
            "repairCode": "Replaced",
            "symptom": "Low voltage",
            "cause": "Component",
            "action": "Replaced",
        }
        for number, row in enumerate(row for row in state.reports if row["type"] == "R")
    ][:5]


def top_failed(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    return [
        {
            "stepName": f"Step {number}",
            "stepPath": f"MainSequence Callback¶Step {number}",
            "stepType": "ET_NLT",
            "stepGroup": "M",
            "partNumber": wanted.get("partNumber") or "PN-00000",
            "revision": "A",
            "productGroup": "Group 1",
            "failCount": 10 - number,
            "totalCount": 100,
            "failRate": float(10 - number),
            "firstFailDate": "2024-03-01T08:00:00Z",
            "lastFailDate": "2024-03-28T08:00:00Z",
        }
        for number in range(min(10, top_count(wanted, 5)))
    ]


def step_analysis(state: State, request: Request) -> Any:
    analysis_filter(request)
    return [
        {
            "stepName": "Supply voltage",
            "stepPath": MAIN,
            "stepType": "ET_NLT",
            "stepGroup": "M",
            "stepCount": 100,
            "stepPassedCount": 95,
            "stepDoneCount": 0,
            "stepSkippedCount": 0,
            "stepFailedCount": 5,
            "stepErrorCount": 0,
            "stepTerminatedCount": 0,
            "limit1": 4.5,
            "limit2": 5.5,
            "compOperator": "GELE",
            "stepTimeAvg": 0.25,
            "stepTimeMax": 0.5,
            "stepTimeMin": 0.1,
            "measureName": "",
            "measureCount": 100,
            "min": 4.4,
            "max": 5.6,
            "avg": 5.0,
            "stdev": 0.1,
            "var": 0.01,
            "cpk": 1.67,
            "cp": 1.67,
        }
    ]


def connection_time(state: State, request: Request) -> Any:
    analysis_filter(request)
    totals = {
        f"{kind}{what}Time": value
        for kind, value in (("min", 1.0), ("max", 9.0), ("avg", 4.5), ("median", 4.0))
        for what in ("Connection", "Execution", "ConnectionAndExecution")
    }
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
        for row in list(state.reports)[:5]
    ]
    dimension = {"dimension": "stationName", "statistics": [{"category": "Station 0", **totals}]}
    return {**totals, "reports": reports, "dimensionStatistics": [dimension]}


def oee(state: State, request: Request) -> Any:
    wanted = analysis_filter(request)
    return {
        "oee": 72.9,
        "availability": 90.0,
        "performance": 90.0,
        "quality": 90.0,
        "totalTime": 480.0,
        "runTime": 432.0,
        "downTime": 48.0,
        "plannedProductionTime": 480.0,
        "totalCount": 100,
        "goodCount": 90,
        "rejectCount": 10,
        "idealCycleTime": 4.0,
        "actualCycleTime": 4.8,
        "period": "2024-03",
        "partNumber": wanted.get("partNumber"),
        "stationName": wanted.get("stationName"),
    }


def _headers(state: State, request: Request, kinds: str) -> Any:
    wanted = analysis_filter(request)
    only = {name: wanted[name] for name in FILTER_FIELDS if wanted.get(name)}
    if "status" in only:
        only["result"] = only.pop("status")
    return [
        {name: value for name, value in row.items() if name not in COLLECTIONS}
        for row in state.headers
        if row["reportType"] in kinds
        and all(fold(row.get(name)) == fold(value) for name, value in only.items())
    ][: top_count(wanted, 1000)]


def history(state: State, request: Request) -> Any:
    return _headers(state, request, "TR")


def uut_reports(state: State, request: Request) -> Any:
    return _headers(state, request, "T")


def uur_reports(state: State, request: Request) -> Any:
    return _headers(state, request, "R")


ROUTES: RouteTable = {
    "POST /api/App/DynamicYield": get_yield,
    "GET /api/App/VolumeYield": get_yield,
    "POST /api/App/VolumeYield": get_yield,
    "GET /api/App/HighVolume": get_yield,
    "POST /api/App/HighVolume": get_yield,
    "POST /api/App/HighVolumeByProductGroup": get_yield,
    "GET /api/App/WorstYield": get_yield,
    "POST /api/App/WorstYield": get_yield,
    "POST /api/App/WorstYieldByProductGroup": get_yield,
    "POST /api/App/DynamicRepair": get_repair,
    "GET /api/App/RelatedRepairHistory": repair_history,
    "GET /api/App/TopFailed": top_failed,
    "POST /api/App/TopFailed": top_failed,
    "GET /api/internal/App/TopFailed": top_failed,
    "POST /api/internal/App/TopFailed": top_failed,
    "POST /api/App/TestStepAnalysis": step_analysis,
    "POST /api/App/ConnectionAndExecutionTime": connection_time,
    "POST /api/App/OeeAnalysis": oee,
    "POST /api/App/SerialNumberHistory": history,
    "GET /api/App/UutReport": uut_reports,
    "POST /api/App/UutReport": uut_reports,
    "POST /api/App/UurReport": uur_reports,
}
