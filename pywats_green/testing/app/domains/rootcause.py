"""Tickets of the root cause domain, and their attachments."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import re
from typing import Any

from pywats_green.testing.app.handlers import find, merged
from pywats_green.testing.app.messages import BINARY_TYPE, HttpError, Reply, Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row, fold

OPEN, ARCHIVED = 1, 32
FIRST_NUMBER = 100


def get_tickets(state: State, request: Request) -> Any:
    status = request.integer("status", 63)
    text = fold(request.text("searchString"))
    return [
        row
        for row in state["tickets"]
        if int(row.get("status") or 0) & status
        and text in fold(f"{row.get('subject')} {row.get('ticketNumber')}")
    ]


def post_ticket(state: State, request: Request) -> Any:
    values = request.json_object("subject")
    row = state["tickets"].upsert(
        {
            "ticketId": values.get("ticketId") or state.new_guid(),
            "ticketNumber": state.next_number("ticket", FIRST_NUMBER),
            "status": OPEN,
            "priority": 1,
            "owner": "api",
            "createdUtc": utc_now(),
            "origin": "API",
            "tags": [],
            "history": [],
        }
    )
    return _apply(state, row, values)


def put_ticket(state: State, request: Request) -> Any:
    values = request.json_object("ticketId")
    return _apply(state, state["tickets"].row(str(values["ticketId"])), values)


def _apply(state: State, row: Row, values: dict[str, Any]) -> Row:
    history = list(row.get("history") or [])
    update = values.get("update")
    if update:
        entry = {"updateId": state.new_guid(), "updateUtc": utc_now(), "updateUser": "api"}
        history.append({**entry, **update})
    fixed = ("ticketId", "ticketNumber", "history", "update", "createdUtc")
    changes = {**merged(row, values, *fixed), "history": history, "updatedUtc": utc_now()}
    return state["tickets"].update(row, changes)


def archive(state: State, request: Request) -> Any:
    numbers = request.json()
    if not isinstance(numbers, list) or not numbers:
        raise HttpError(400, "The request is invalid: a list of ids was expected.")
    rows = [state["tickets"].row(str(number)) for number in numbers]
    for row in rows:
        state["tickets"].update(row, {"status": ARCHIVED, "updatedUtc": utc_now()})
    return rows[-1]


def get_attachment(state: State, request: Request) -> Reply:
    number = request.required("attachmentId")
    found = state.ticket_attachments.get(number)
    if found is None:
        raise not_found(f"Attachment '{number}'")
    name = request.text("fileName") or found[0]
    disposition = (("Content-Disposition", f'attachment; filename="{_ascii(name)}"'),)
    return Reply(found[1], content_type=BINARY_TYPE, headers=disposition)


def _ascii(name: str) -> str:
    return re.sub(r"[^\x20-\x7e]|[\"\\]", "_", name)


def post_attachment(state: State, request: Request) -> Any:
    number = state.new_guid()
    state.ticket_attachments[number] = ("upload", request.body)
    return number


ROUTES: RouteTable = {
    "GET /api/RootCause/Ticket": find("tickets", "ticketId"),
    "POST /api/RootCause/Ticket": post_ticket,
    "PUT /api/RootCause/Ticket": put_ticket,
    "GET /api/RootCause/Tickets": get_tickets,
    "POST /api/RootCause/ArchiveTickets": archive,
    "GET /api/RootCause/Attachment": get_attachment,
    "POST /api/RootCause/Attachment": post_attachment,
    "GET /api/RootCause/Teams": ["Team A", "Team B"],
}
