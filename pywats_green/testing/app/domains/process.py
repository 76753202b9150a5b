"""Processes: the public list, and the repair operations under /api/internal."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.messages import Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed.items import PROCESSES, guid
from pywats_green.testing.app.state import State

FAIL_CODES = {
    "Component": ("Defect Component", "Wrong Component"),
    "Assembly Process": ("Solder Bridge", "Missing Component"),
}


def get_processes(state: State, request: Request) -> Any:
    return [
        {
            "code": code,
            "name": name,
            "description": f"{name} ({code})",
            "isTestOperation": kind == "test",
            "isRepairOperation": kind == "repair",
            "isWipOperation": kind == "wip",
            "processIndex": index,
            "state": 1,
        }
        for index, (code, name, kind) in enumerate(PROCESSES)
        if request.text(f"include{kind.title()}Operations") != "false"
    ]


def _detailed(state: State) -> dict[int, dict[str, Any]]:
    return {
        code: {
            "ProcessID": guid(0x9, code, state.seed),
            "Code": code,
            "Name": name,
            "Description": f"{name} ({code})",
            "ProcessIndex": index,
            "State": 1,
            "Properties": "<properties />",
            "IsTestOperation": kind == "test",
            "IsRepairOperation": kind == "repair",
            "IsWIPOperation": kind == "wip",
        }
        for index, (code, name, kind) in enumerate(PROCESSES)
    }


def get_detailed(state: State, request: Request) -> Any:
    return list(_detailed(state).values())


def get_process(state: State, request: Request) -> Any:
    return _by_id(state, request, "Process", _detailed(state))


def _by_id(state: State, request: Request, what: str, known: dict[int, dict[str, Any]]) -> Any:
    wanted = request.params["id"].lower()
    for code, item in known.items():
        if wanted in (guid(0x9, code, state.seed), str(code)):
            return item
    raise not_found(f"{what} '{wanted}'")


def _code(number: str, description: str, order: int, parent: int | None = None) -> dict[str, Any]:
    """Return a category of fail codes; with `parent`, a code in it."""
    return {
        "GUID": number,
        "Description": description,
        "Selectable": parent is not None,
        "SortOrder": order,
        "FailureType": parent or 0,
        "Status": 1,
        "Failcodes": [],
    }


def _categories(state: State, code: int) -> list[dict[str, Any]]:
    found = []
    for at, (name, codes) in enumerate(FAIL_CODES.items()):
        category = _code(guid(0x91, 16 * code + at, state.seed), name, at)
        category["Failcodes"] = [
            _code(guid(0x92, 256 * code + 16 * at + order, state.seed), text, order, at)
            for order, text in enumerate(codes)
        ]
        found.append(category)
    return found


def _repairs(state: State) -> dict[int, dict[str, Any]]:
    return {
        code: {
            "Description": name,
            "UUTRequired": 1,
            "CompRefMask": "",
            "CompRefMaskDescription": "",
            "BomConstraint": "",
            "BOMRequired": 1,
            "VendorRequired": 2,
            "Categories": _categories(state, code),
            "MiscInfos": [],
        }
        for code, name, kind in PROCESSES
        if kind == "repair"
    }


def get_repairs(state: State, request: Request) -> Any:
    return _repairs(state)


def get_repair(state: State, request: Request) -> Any:
    return _by_id(state, request, "Repair operation", _repairs(state))


INTERNAL = "/api/internal/Process"

ROUTES: RouteTable = {
    "GET /api/App/Processes": get_processes,
    f"GET {INTERNAL}/GetProcesses": get_detailed,
    f"GET {INTERNAL}/GetProcess/{{id}}": get_process,
    f"GET {INTERNAL}/GetRepairOperations": get_repairs,
    f"GET {INTERNAL}/GetRepairOperation/{{id}}": get_repair,
}
