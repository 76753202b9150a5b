"""Processes: the public list, and the repair operations under /api/internal."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.messages import Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed import PROCESSES, guid
from pywats_green.testing.app.state import State

KINDS = (("Test", "test"), ("Repair", "repair"), ("Wip", "wip"))


def _id(state: State, code: int) -> str:
    return guid(0x9, code, state.seed)


def get_processes(state: State, request: Request) -> Any:
    wanted = {kind for name, kind in KINDS if request.text(f"include{name}Operations") != "false"}
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
        if kind in wanted
    ]


def _detailed(state: State, index: int) -> dict[str, Any]:
    code, name, kind = PROCESSES[index]
    return {
        "ProcessID": _id(state, code),
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


def get_detailed(state: State, request: Request) -> Any:
    return [_detailed(state, index) for index in range(len(PROCESSES))]


def get_process(state: State, request: Request) -> Any:
    wanted = request.params["id"].lower()
    for index, (code, _, _) in enumerate(PROCESSES):
        if wanted in (_id(state, code), str(code)):
            return _detailed(state, index)
    raise not_found(f"Process '{wanted}'")


def _repair_operation(state: State, code: int, name: str) -> dict[str, Any]:
    categories = [
        {
            "GUID": guid(0x91, 16 * code + number, state.seed),
            "Description": category,
            "Selectable": False,
            "SortOrder": number,
            "FailureType": 0,
            "Status": 1,
            "Failcodes": [
                {
                    "GUID": guid(0x92, 256 * code + 16 * number + at, state.seed),
                    "Description": text,
                    "Selectable": True,
                    "SortOrder": at,
                    "FailureType": number,
                    "Status": 1,
                    "Failcodes": [],
                }
                for at, text in enumerate(codes)
            ],
        }
        for number, (category, codes) in enumerate(
            {
                "Component": ("Defect Component", "Wrong Component"),
                "Assembly Process": ("Solder Bridge", "Missing Component"),
            }.items()
        )
    ]
    return {
        "Description": name,
        "UUTRequired": 1,
        "CompRefMask": "",
        "CompRefMaskDescription": "",
        "BomConstraint": "",
        "BOMRequired": 1,
        "VendorRequired": 2,
        "Categories": categories,
        "MiscInfos": [],
    }


def get_repair_operations(state: State, request: Request) -> Any:
    return {
        str(code): _repair_operation(state, code, name)
        for code, name, kind in PROCESSES
        if kind == "repair"
    }


def get_repair_operation(state: State, request: Request) -> Any:
    wanted = request.params["id"].lower()
    for code, name, kind in PROCESSES:
        if kind == "repair" and wanted in (_id(state, code), str(code)):
            return _repair_operation(state, code, name)
    raise not_found(f"Repair operation '{wanted}'")


ROUTES: RouteTable = {
    "GET /api/App/Processes": get_processes,
    "GET /api/internal/Process/GetProcesses": get_detailed,
    "GET /api/internal/Process/GetProcess/{id}": get_process,
    "GET /api/internal/Process/GetRepairOperations": get_repair_operations,
    "GET /api/internal/Process/GetRepairOperation/{id}": get_repair_operation,
}
