"""SCIM: users and the provisioning token."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.handlers import find, remove
from pywats_green.testing.app.messages import HttpError, Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed.rows import USER_SCHEMA
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

user_of = find("users", "id")


def get_token(state: State, request: Request) -> Any:
    days = request.integer("duration", 90)
    return {
        "token": f"scim.{state.seed}.{days}",
        "expiresUtc": "2030-01-01T00:00:00Z",
        "durationDays": days,
    }


def get_users(state: State, request: Request) -> Any:
    start = max(1, request.integer("startIndex", 1))
    count = max(0, request.integer("count", 100))
    rows = list(state["users"])
    page = rows[start - 1 : start - 1 + count]
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": len(rows),
        "itemsPerPage": len(page),
        "startIndex": start,
        "Resources": page,
    }


def get_user_by_name(state: State, request: Request) -> Row:
    return state["users"].first("userName", request.params["userName"])


def post_user(state: State, request: Request) -> Row:
    values = request.json_object("userName")
    if state["users"].find("userName", values["userName"]):
        raise HttpError(409, f"User '{values['userName']}' exists already.")
    meta = {"resourceType": "User", "created": utc_now(), "lastModified": utc_now()}
    defaults = {"schemas": [USER_SCHEMA], "active": True, "meta": meta}
    return state["users"].upsert({**defaults, **values, "id": state.new_guid()})


def patch_user(state: State, request: Request) -> Row:
    row = user_of(state, request)
    values: dict[str, Any] = {}
    for operation in request.json_object().get("Operations") or []:
        if str(operation.get("op", "replace")).lower() != "replace" or not operation.get("path"):
            raise HttpError(400, "Only 'replace' with a path is supported.")
        values[operation["path"]] = operation.get("value")
    return state["users"].update(row, values)


BASE = "/api/SCIM/v2"

ROUTES: RouteTable = {
    f"GET {BASE}/Token": get_token,
    f"GET {BASE}/Users": get_users,
    f"POST {BASE}/Users": post_user,
    f"GET {BASE}/Users/{{id}}": user_of,
    f"GET {BASE}/Users/userName={{userName}}": get_user_by_name,
    f"PATCH {BASE}/Users/{{id}}": patch_user,
    f"DELETE {BASE}/Users/{{id}}": remove("users", "id"),
    f"GET {BASE}/Groups": {
        "schemas": [LIST_SCHEMA],
        "totalResults": 0,
        "startIndex": 1,
        "Resources": [],
    },
}
