"""Reports: WSJF and WSXF in and out, header queries, attachments, certificate."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from typing import Any

from pywats_green.testing.app.handlers import find, matches, without
from pywats_green.testing.app.messages import HttpError, Reply, Request, encode_json, not_found
from pywats_green.testing.app.odata.query import Schema, select_rows
from pywats_green.testing.app.router import Handler, RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row, fold
from pywats_green.testing.app.wsjf import COLLECTIONS, attachments_of, header_of, of_xml, to_xml

SCHEMA = Schema(
    aliases={
        "start": "startUtc",
        "id": "uuid",
        "testoperation": "processName",
        "user": "operator",
    },
    fields=(
        *COLLECTIONS,
        "swFilename",
        "swVersion",
        "errorCode",
        "passedInRun",
        "causedUutFailure",
    ),
)

report_of = find("reports", "id")


def accept(state: State, document: dict[str, Any]) -> Reply:
    """Store a report, replacing one with the same id, whose receive count goes up."""
    if not document.get("id"):
        document["id"] = state.new_guid()
    number = str(document["id"]).lower()
    state.accepted[number] += 1
    known = state["reports"].get(number)
    received = 1
    if known is not None:
        number = known["id"]
        header = state["headers"].get(number)
        received = 2 if header is None else int(header.get("receiveCount") or 0) + 1
    document = {**document, "id": number}
    document.setdefault("start", utc_now())
    state["reports"].upsert(document)
    state["headers"].upsert(header_of(document, received))
    return Reply(encode_json([{"ID": number, "type": document.get("type", "T")}]))


def post_wsjf(state: State, request: Request) -> Reply:
    return accept(state, request.json_object("pn", "sn"))


def post_wsxf(state: State, request: Request) -> Reply:
    try:
        document = of_xml(request.body)
    except ET.ParseError as exc:
        raise HttpError(400, f"The report is not XML: {exc}") from None
    number = document["id"] = document["id"] or state.new_guid()
    accept(state, document)
    state.wsxf[fold(number)] = request.body
    return Reply(encode_json({"id": number.lower()}))


def get_wsjf(state: State, request: Request) -> Any:
    row = report_of(state, request)
    if request.text("includeAttachments") == "false":
        return without(row, "binaryData")
    return row


def get_wsxf(state: State, request: Request) -> Reply:
    row = report_of(state, request)
    content = state.wsxf.get(fold(row["id"])) or to_xml(row)
    return Reply(content, content_type="application/xml; charset=utf-8")


def query_headers(state: State, request: Request) -> Any:
    kind = "R" if request.text("reportType").upper() in ("R", "UUR") else "T"
    return _headers(state, request, lambda row: row["reportType"] == kind)


def _of_type(kind: str) -> Handler:
    return lambda state, request: _headers(state, request, lambda row: row["reportType"] == kind)


def _headers(state: State, request: Request, where: Callable[[Row], bool]) -> Any:
    rows = select_rows(state["headers"], request, state.settings, SCHEMA, where)
    return [_expanded(row, request) for row in rows]


def _expanded(row: Row, request: Request) -> dict[str, Any]:
    expand = {name.strip().lower() for name in request.text("$expand").split(",")}
    select = {name.strip().lower() for name in request.text("$select").split(",") if name.strip()}
    return {
        name: value
        for name, value in row.items()
        if (name.lower() in expand if name in COLLECTIONS else not select or name.lower() in select)
    }


def headers_by_misc_info(state: State, request: Request) -> Any:
    description, text = request.required("description"), request.required("stringValue")
    wanted = {"description": description, "value": text}

    def has_info(row: Row) -> bool:
        items = row.get("miscInfo") or row.get("uurMiscInfo") or []
        return any(matches(item, wanted) for item in items)

    return _headers(state, request, has_info)


def get_attachment(state: State, request: Request) -> Reply:
    """Return a file; `attachmentId` numbers all attachments of all reports, from 1."""
    wanted = request.text("attachmentId") or request.text("stepId")
    if not wanted:
        raise HttpError(400, "Either attachmentId or stepId is required.")
    number = 0
    for row in state["reports"]:
        for _, kind, content in attachments_of(row):
            number += 1
            if str(number) == wanted:
                return Reply(content, content_type=kind)
    raise not_found(f"Attachment '{wanted}'")


def get_attachments(state: State, request: Request) -> Reply:
    row = report_of(state, request)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, _, content in attachments_of(row):
            # A fixed date, so that every call returns the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return Reply(packed.getvalue(), content_type="application/zip")


def get_certificate(state: State, request: Request) -> Reply:
    row = report_of(state, request)
    text = f"%PDF-1.4\n% Certificate of report {row['id']}\n%\xe2\xe3\xcf\xd3\n%%EOF\n"
    return Reply(text.encode("latin-1"), content_type="application/pdf")


ROUTES: RouteTable = {
    "POST /api/Report/WSJF": post_wsjf,
    "POST /api/Report/WSXF": post_wsxf,
    "GET /api/Report/Wsjf/{id}": get_wsjf,
    "GET /api/Report/Wsxf/{id}": get_wsxf,
    "GET /api/Report/Query/Header": query_headers,
    "GET /api/Report/Query/HeaderByMiscInfo": headers_by_misc_info,
    "GET /api/Report/UUT/Headers": _of_type("T"),
    "GET /api/Report/UUR/Headers": _of_type("R"),
    "GET /api/Report/UUT/{id}": get_wsjf,
    "GET /api/Report/UUR/{id}": get_wsjf,
    "GET /api/Report/Attachment": get_attachment,
    "GET /api/Report/Attachments/{id}": get_attachments,
    "GET /api/Report/Certificate/{id}": get_certificate,
}
