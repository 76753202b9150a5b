"""Measurements in the stored reports."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.analytics import MAIN, analysis_filter, top_count
from pywats_green.testing.app.messages import Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row


def _measurement(row: Row, step: dict[str, Any], measure: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "serialNumber": row["sn"],
        "partNumber": row["pn"],
        "revision": row.get("rev"),
        "startUtc": row["start"],
        "stepName": step.get("name"),
        "stepPath": MAIN,
        "value": measure.get("value"),
        "limit1": measure.get("lowLimit"),
        "limit2": measure.get("highLimit"),
        "unit": measure.get("unit"),
        "status": "Passed" if measure.get("status") == "P" else "Failed",
    }


def _measured(state: State, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        _measurement(row, step, measure)
        for row in state.reports
        for step in (row.get("root") or {}).get("steps") or []
        for measure in step.get("numericMeas") or []
    ]
    only = {name: wanted[name] for name in ("serialNumber", "partNumber") if wanted.get(name)}
    found = [item for item in found if all(fold(item[key]) == fold(only[key]) for key in only)]
    return found[: top_count(wanted, 1000)]


def measurements(state: State, request: Request) -> Any:
    path = request.text("measurementPaths", MAIN)
    return [{"measurementPath": path, "measurements": _measured(state, analysis_filter(request))}]


def aggregated(state: State, request: Request) -> Any:
    values = [item["value"] for item in _measured(state, analysis_filter(request))]
    values = [value for value in values if value is not None]
    if not values:
        return []
    item = {
        "stepName": "Supply voltage",
        "stepPath": MAIN,
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "avg": sum(values) / len(values),
        "stdev": 0.1,
        "var": 0.01,
        "limit1": 4.5,
        "limit2": 5.5,
        "cpk": 1.33,
        "cp": 1.5,
        "unit": "V",
    }
    return [{"measurementPath": MAIN, "measurements": [item]}]


ROUTES: RouteTable = {
    "POST /api/App/Measurements": measurements,
    "POST /api/App/AggregatedMeasurements": aggregated,
}
