"""Reports: WSJF and WSXF in and out, header queries, attachments, certificate."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from typing import Any

from pywats_green.testing.app.domains.common import need, row_or_404
from pywats_green.testing.app.messages import HttpError, Reply, Request, encode_json, not_found
from pywats_green.testing.app.query import Schema, candidate_rows, select_rows
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row
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


def accept(state: State, document: dict[str, Any]) -> Reply:
    """Store a report; one with a known id replaces it and counts as received once more."""
    if not document.get("id"):
        document["id"] = state.new_guid()
    number = str(document["id"]).lower()
    state.accepted[number] += 1
    known = state.reports.get(number)
    received = 1
    if known is not None:
        number = known["id"]
        header = state.headers.get(number)
        received = 2 if header is None else int(header.get("receiveCount") or 0) + 1
    document = {**document, "id": number}
    document.setdefault("start", utc_now())
    state.reports.upsert(document)
    state.headers.upsert(header_of(document, received))
    return Reply(encode_json([{"ID": number, "type": document.get("type", "T")}]))


def post_wsjf(state: State, request: Request) -> Reply:
    document = request.json_object()
    need(document, "pn", "sn")
    return accept(state, document)


def post_wsxf(state: State, request: Request) -> Reply:
    try:
        document = of_xml(request.body)
    except ET.ParseError as exc:
        raise HttpError(400, f"The report is not XML: {exc}") from None
    number = document["id"] = document["id"] or state.new_guid()
    accept(state, document)
    state.wsxf[fold(number)] = request.body
    return Reply(encode_json({"id": number.lower()}))


def _report(state: State, request: Request) -> Row:
    return row_or_404(state.reports, "Report", request.params["id"])


def get_wsjf(state: State, request: Request) -> Any:
    row = _report(state, request)
    if request.text("includeAttachments") == "false":
        return {name: value for name, value in row.items() if name != "binaryData"}
    return state.reports.encode(row)


def get_wsxf(state: State, request: Request) -> Reply:
    row = _report(state, request)
    content = state.wsxf.get(fold(row["id"])) or to_xml(row)
    return Reply(content, content_type="application/xml; charset=utf-8")


def query_headers(state: State, request: Request) -> Any:
    wanted = "R" if request.text("reportType", "U").upper() in ("R", "UUR") else "T"
    known = candidate_rows(state.headers, request, state.settings, SCHEMA)
    rows = (row for row in known if row["reportType"] == wanted)
    found = select_rows(state.headers, request, state.settings, SCHEMA, rows)
    return [_expanded(row, request) for row in found]


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
    rows = (
        row
        for row in state.headers
        if any(
            fold(item["description"]) == fold(description) and fold(item["value"]) == fold(text)
            for item in row.get("miscInfo") or row.get("uurMiscInfo") or []
        )
    )
    found = select_rows(state.headers, request, state.settings, SCHEMA, rows)
    return [_expanded(row, request) for row in found]


def headers_uut(state: State, request: Request) -> Any:
    request.query["reporttype"] = "U"
    return query_headers(state, request)


def headers_uur(state: State, request: Request) -> Any:
    request.query["reporttype"] = "R"
    return query_headers(state, request)


def get_attachment(state: State, request: Request) -> Reply:
    """One file: `attachmentId` counts through all attachments of all reports from 1."""
    wanted = request.text("attachmentId") or request.text("stepId")
    if not wanted:
        raise HttpError(400, "Either attachmentId or stepId is required.")
    number = 0
    for row in state.reports:
        for _, kind, content in attachments_of(row):
            number += 1
            if str(number) == wanted:
                return Reply(content, content_type=kind)
    raise not_found(f"Attachment '{wanted}'")


def get_attachments(state: State, request: Request) -> Reply:
    row = _report(state, request)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, _, content in attachments_of(row):
            # A fixed date keeps the bytes the same from call to call.
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return Reply(packed.getvalue(), content_type="application/zip")


def get_certificate(state: State, request: Request) -> Reply:
    row = _report(state, request)
    text = f"%PDF-1.4\n% Certificate of report {row['id']}\n%\xe2\xe3\xcf\xd3\n%%EOF\n"
    return Reply(text.encode("latin-1"), content_type="application/pdf")


ROUTES: RouteTable = {
    "POST /api/Report/WSJF": post_wsjf,
    "POST /api/Report/WSXF": post_wsxf,
    "GET /api/Report/Wsjf/{id}": get_wsjf,
    "GET /api/Report/Wsxf/{id}": get_wsxf,
    "GET /api/Report/Query/Header": query_headers,
    "GET /api/Report/Query/HeaderByMiscInfo": headers_by_misc_info,
    "GET /api/Report/UUT/Headers": headers_uut,
    "GET /api/Report/UUR/Headers": headers_uur,
    "GET /api/Report/UUT/{id}": get_wsjf,
    "GET /api/Report/UUR/{id}": get_wsjf,
    "GET /api/Report/Attachment": get_attachment,
    "GET /api/Report/Attachments/{id}": get_attachments,
    "GET /api/Report/Certificate/{id}": get_certificate,
}
