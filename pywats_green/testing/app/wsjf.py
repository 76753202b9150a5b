"""Reports: converts WSJF documents to query headers and to XML."""

from __future__ import annotations

import base64
import binascii
import xml.etree.ElementTree as ET
from typing import Any

from pywats_green.testing.app.seed.items import PROCESSES

RESULTS = {"P": "Passed", "F": "Failed", "D": "Done", "E": "Error", "T": "Terminated"}
PROCESS_NAMES = {code: name for code, name, _ in PROCESSES}
COLLECTIONS = (
    "subUnits",
    "uurSubUnits",
    "miscInfo",
    "uurMiscInfo",
    "assets",
    "uurAssets",
    "attachments",
    "uurAttachments",
)
"""Parts of a header that are only sent if $expand asks for them."""


def header_of(document: dict[str, Any], received: int = 1) -> dict[str, Any]:
    """Return the header of a report, including its collections."""
    kind = document.get("type", "T")
    details = document.get("uut") or document.get("uur") or {}
    code = document.get("processCode")
    sub_units = [
        {
            "serialNumber": item.get("sn"),
            "partNumber": item.get("pn"),
            "revision": item.get("rev"),
            "partType": item.get("partType"),
        }
        for item in document.get("subUnits") or []
    ]
    misc = [
        {"description": item.get("description"), "value": item.get("text")}
        for item in document.get("miscInfos") or []
    ]
    assets = [
        {"serialNumber": item.get("sn") or item.get("assetSN"), "runningCount": 0, "totalCount": 0}
        for item in document.get("assets") or []
    ]
    files = [
        {"fileName": name, "mimeType": mime, "size": len(content)}
        for name, mime, content in attachments_of(document)
    ]
    prefix = "uur" if kind == "R" else ""
    collections = {"SubUnits": sub_units, "MiscInfo": misc, "Assets": assets, "Attachments": files}
    return {
        "uuid": document["id"],
        "serialNumber": document.get("sn"),
        "partNumber": document.get("pn"),
        "revision": document.get("rev"),
        "batchNumber": details.get("batchSN"),
        "reportType": kind,
        "stationName": document.get("machineName"),
        "location": document.get("location"),
        "purpose": document.get("purpose"),
        "processCode": code,
        "processName": PROCESS_NAMES.get(code) if isinstance(code, int) else None,
        "result": RESULTS.get(str(document.get("result")), "Passed"),
        "startUtc": document.get("start"),
        "operator": details.get("user"),
        "comment": details.get("comment"),
        "executionTime": details.get("execTime"),
        "fixtureId": details.get("fixtureId"),
        "run": 1,
        "receiveCount": received,
        "referencedUut": details.get("refUUT"),
        **{
            (prefix + name if prefix else name[0].lower() + name[1:]): items
            for name, items in collections.items()
        },
    }


def attachments_of(document: dict[str, Any]) -> list[tuple[str, str, bytes]]:
    """Return the files in a report and its steps: name, content type, content."""
    found: list[tuple[str, str, bytes]] = []
    for item in document.get("binaryData") or []:
        _append(found, item)
    pending = [document.get("root") or {}]
    while pending:
        step = pending.pop()
        _append(found, step.get("attachment") or {})
        pending.extend(step.get("steps") or [])
    return found


def _append(found: list[tuple[str, str, bytes]], item: dict[str, Any]) -> None:
    if not item.get("data"):
        return
    try:
        content = base64.b64decode(item["data"])
    except (binascii.Error, TypeError, ValueError):
        content = str(item["data"]).encode()
    name = str(item.get("name") or f"attachment{len(found)}")
    found.append((name, str(item.get("contentType") or "application/octet-stream"), content))


def to_xml(document: dict[str, Any]) -> bytes:
    """Return a report as WSXF, without its steps."""
    root = ET.Element("Reports", {"xmlns": "http://wats.virinco.com/schemas/WATS/Report/wsxf"})
    ET.SubElement(
        root,
        "Report",
        {
            "type": "UUR" if document.get("type") == "R" else "UUT",
            "ID": str(document["id"]),
            "PN": str(document.get("pn")),
            "SN": str(document.get("sn")),
            "Rev": str(document.get("rev")),
            "MachineName": str(document.get("machineName")),
            "Start": str(document.get("start")),
            "Result": RESULTS.get(str(document.get("result")), "Passed"),
        },
    )
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()


def of_xml(content: bytes) -> dict[str, Any]:
    """Return the document of a report in WSXF.

    Raises:
        xml.etree.ElementTree.ParseError: It is not XML.
    """
    root = ET.fromstring(content)  # noqa: S314 (a test's own report, in the test's own process)
    report = root
    if not report.tag.endswith("Report"):
        report = next((item for item in root.iter() if item.tag.endswith("}Report")), root)
        report = next((item for item in root.iter("Report")), report)
    repair = report.get("type", "UUT").upper() == "UUR"
    result = report.get("Result", "Passed")
    code = report.get("ProcessCode", "")
    return {
        "id": report.get("ID"),
        "type": "R" if repair else "T",
        "pn": report.get("PN", ""),
        "sn": report.get("SN", ""),
        "rev": report.get("Rev", ""),
        "processCode": int(code) if code.isdigit() else 500 if repair else 100,
        "result": result[:1].upper() or "P",
        "machineName": report.get("MachineName", "Unknown"),
        "location": report.get("Location", "Unknown"),
        "purpose": report.get("Purpose", "Unknown"),
        "start": report.get("Start", "2024-01-01T00:00:00Z"),
        ("uur" if repair else "uut"): {"user": "wsxf"},
    }
