"""Serial numbers: types, taking and reserving, ranges, import and export."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import csv
import io
from typing import Any
from xml.sax.saxutils import quoteattr

from pywats_green.testing.app.handlers import matches
from pywats_green.testing.app.messages import HttpError, Reply, Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row, fold

TYPES = (
    {
        "name": "Serial Number",
        "description": "Running serial numbers",
        "format": "GRN%06d",
        "regEx": "GRN[0-9]{6}",
        "identifier": 0,
        "identifierName": "SerialNumber",
    },
    {
        "name": "MAC Address",
        "description": "MAC addresses",
        "format": "00-1B-44-%02X-%02X-%02X",
        "regEx": "([0-9A-F]{2}-){5}[0-9A-F]{2}",
        "identifier": 1,
        "identifierName": "MacAddress",
    },
)
MOST_AT_ONCE = 10_000
POOL = 100_000
"""Serial numbers of a type that can be taken."""


def _type_name(name: str) -> str:
    for item in TYPES:
        if fold(item["name"]) == fold(name):
            return str(item["name"])
    raise HttpError(400, f"The serial number type '{name}' is unknown.")


def _take(state: State, name: str, count: int, reference: dict[str, Any]) -> list[str]:
    name = _type_name(name)
    if not 1 <= count <= MOST_AT_ONCE:
        raise HttpError(400, f"The quantity {count} is out of range.")
    taken: list[str] = []
    for _ in range(count):
        number = state.next_number(f"serial {name}")
        if name == "MAC Address":
            high, low = divmod(number, 256)
            serial = f"00-1B-44-{high // 256:02X}-{high % 256:02X}-{low:02X}"
        else:
            serial = f"GRN{number:06d}"
        state["serial_numbers"].upsert(
            {"serialNumber": serial, "typeName": name, "takenUtc": utc_now(), **reference}
        )
        taken.append(serial)
    return taken


def _as_xml(name: str, taken: list[str]) -> str:
    entries = "".join(f"<SN id={quoteattr(item)} />" for item in taken)
    return f"<SerialNumbers serialNumberType={quoteattr(name)}>{entries}</SerialNumbers>"


def take(state: State, request: Request) -> Reply:
    name = request.required("serialNumberType")
    reference = {
        "referenceSerialNumber": request.text("refSN"),
        "referencePartNumber": request.text("refPN"),
        "stationName": request.text("stationName"),
    }
    taken = _take(state, name, request.integer("quantity", 1), reference)
    return Reply(_as_xml(name, taken).encode(), content_type="application/xml; charset=utf-8")


def reserve(state: State, request: Request) -> Any:
    wanted = request.json_object().get("sn")
    if not isinstance(wanted, dict):
        raise HttpError(400, "The request is invalid: 'sn' is required.")
    name = str(wanted.get("serialNumberType"))
    taken = _take(state, name, int(wanted.get("batchSize") or 1), {})
    return {"sn": _as_xml(name, taken)}


def by_range(state: State, request: Request) -> Any:
    return _between(state, request, "from", "to")


def by_addresses(state: State, request: Request) -> Any:
    return _between(state, request, "startAddress", "endAddress")


def _between(state: State, request: Request, *ends: str) -> list[Row]:
    first, last = (request.required(end) for end in ends)
    return [row for row in _of_type(state, request) if first <= row["serialNumber"] <= last]


def by_reference(state: State, request: Request) -> Any:
    names = ("referenceSerialNumber", "referencePartNumber")
    wanted = {name: request.text(name) for name in names}
    return [row for row in _of_type(state, request) if matches(row, wanted)]


def _of_type(state: State, request: Request) -> list[Row]:
    name = request.text("typeName") or request.text("serialNumberType")
    return state["serial_numbers"].find("typeName", _type_name(name))


def upload(state: State, request: Request) -> None:
    if "csv" not in request.lowered.get("content-type", ""):
        return
    for fields in csv.reader(io.StringIO(request.body.decode("utf-8-sig", "replace"))):
        if fields and fields[0] and fold(fields[0]) != "serialnumber":
            name = fields[1] if len(fields) > 1 else str(TYPES[0]["name"])
            state["serial_numbers"].upsert({"serialNumber": fields[0], "typeName": name})


def export(state: State, request: Request) -> Reply:
    lines = ["serialNumber,typeName"]
    lines += [f"{row['serialNumber']},{row['typeName']}" for row in _of_type(state, request)]
    return Reply("\r\n".join(lines).encode(), content_type="text/csv; charset=utf-8")


def count(state: State, request: Request) -> int:
    return len(_of_type(state, request))


def free(state: State, request: Request) -> Any:
    return {"freed": len(request.json_objects())}


def ranges(state: State, request: Request) -> Any:
    wanted = {"name": request.text("serialNumberType")}
    return [
        {"serialNumberType": item["name"], "from": 1, "to": POOL}
        for item in TYPES
        if matches(item, wanted)
    ]


def statistics(state: State, request: Request) -> Any:
    name = request.text("serialNumberType")
    rows = _of_type(state, request) if name else list(state["serial_numbers"])
    return {"serialNumberType": name or None, "taken": len(rows), "free": POOL - len(rows)}


BASE = "/api/Production/SerialNumbers"
INTERNAL = "/api/internal/Production"

ROUTES: RouteTable = {
    f"GET {BASE}/Types": TYPES,
    f"POST {BASE}/Take": take,
    f"GET {BASE}/ByRange": by_range,
    f"GET {BASE}/ByReference": by_reference,
    f"PUT {BASE}": upload,
    f"GET {BASE}": export,
    f"POST {INTERNAL}/GetAndReserveNewSerialNumbers": reserve,
    f"GET {INTERNAL}/SerialNumbers": by_addresses,
    f"GET {INTERNAL}/SerialNumbers/Count": count,
    f"PUT {INTERNAL}/SerialNumbers/Free": free,
    f"DELETE {INTERNAL}/SerialNumbers/Free": lambda *_: (
        None
    ),  # pywats sends no ranges, so there is nothing to delete
    f"GET {INTERNAL}/SerialNumbers/Ranges": ranges,
    f"GET {INTERNAL}/SerialNumbers/Statistics": statistics,
}
