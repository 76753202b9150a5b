"""Bodies of the analyses: constant responses, and the parts of the others."""

from __future__ import annotations

from typing import Any

MAIN = "MainSequence Callback¶Supply voltage"

LEVELS = [
    {"levelId": number, "levelName": name}
    for number, name in enumerate(("All", "Production", "Service"), 1)
]

YIELD: dict[str, Any] = {
    "partNumber": None,
    "revision": "A",
    "productName": None,
    "productGroup": "Group 1",
    "stationName": "Station 0",
    "testOperation": "End of line test",
    "period": "2024-03",
    "unitCount": 100,
    "fpCount": 90,
    "spCount": 5,
    "tpCount": 3,
    "lpCount": 98,
    "fpy": 90.0,
    "spy": 95.0,
    "tpy": 98.0,
    "lpy": 98.0,
}

REPAIR: dict[str, Any] = {
    "partNumber": None,
    "revision": "A",
    "productGroup": "Group 1",
    "repairOperation": "Repair",
    "stationName": "Station 0",
    "period": "2024-03",
    "componentRef": "R12",
    "repairReportCount": 4,
    "repairCount": 5,
    "totalCount": 100,
    "repairRate": 5.0,
    "failCode": "Defect Component",
}

REPAIRED: dict[str, Any] = {
    "serialNumber": None,
    "partNumber": None,
    "revision": None,
    "reportId": None,
    "repairDate": None,
    "failStepName": "Supply voltage",
    "failStepPath": MAIN,
    "failCode": "Defect Component",
    "repairCode": "Replaced",
    "symptom": "Low voltage",
    "cause": "Component",
    "action": "Replaced",
}

TOP_FAILED: list[dict[str, Any]] = [
    {
        "stepName": f"Step {number}",
        "stepPath": f"MainSequence Callback¶Step {number}",
        "stepType": "ET_NLT",
        "stepGroup": "M",
        "partNumber": "PN-00000",
        "revision": "A",
        "productGroup": "Group 1",
        "failCount": 10 - number,
        "totalCount": 100,
        "failRate": float(10 - number),
        "firstFailDate": "2024-03-01T08:00:00Z",
        "lastFailDate": "2024-03-28T08:00:00Z",
    }
    for number in range(10)
]

STEP_ANALYSIS = [
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

TIMES = {
    f"{kind}{what}Time": value
    for kind, value in (("min", 1.0), ("max", 9.0), ("avg", 4.5), ("median", 4.0))
    for what in ("Connection", "Execution", "ConnectionAndExecution")
}
TIMES_BY_STATION = {
    "dimension": "stationName",
    "statistics": [{"category": "Station 0", **TIMES}],
}

OEE: dict[str, Any] = {
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
}

AGGREGATE: dict[str, Any] = {
    "stepName": "Supply voltage",
    "stepPath": MAIN,
    "count": 0,
    "min": None,
    "max": None,
    "avg": None,
    "stdev": 0.1,
    "var": 0.01,
    "limit1": 4.5,
    "limit2": 5.5,
    "cpk": 1.33,
    "cp": 1.5,
    "unit": "V",
}

OPERATIONS = {100: "End of line test", 200: "Burn-in"}

FLOW_NODES = [
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
    for level, (code, name) in enumerate(OPERATIONS.items())
]

FLOW_LINKS = [
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

MEASUREMENT: dict[str, Any] = {
    "stepName": "Supply voltage",
    "stepPath": MAIN,
    "value": 5.0,
    "stringValue": None,
    "limit1": 4.5,
    "limit2": 5.5,
    "unit": "V",
    "status": "Passed",
}

STEP_STATUS: dict[str, Any] = {
    "stepName": "Supply voltage",
    "stepPath": MAIN,
    "stepType": "ET_NLT",
    "stepGroup": "M",
    "passCount": 95,
    "failCount": 5,
    "totalCount": 100,
    "status": "Passed",
}

ALARMS: list[dict[str, Any]] = [
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
]
