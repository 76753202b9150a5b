"""The server itself: version, levels, product groups."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.messages import Reply, Request, encode_json
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State

VERSION = "2026.1.0.412"


def get_version(state: State, request: Request) -> Reply:
    # The cookie is what a client with a cookie jar has to bring back.
    cookie = (("Set-Cookie", f"sid=green{state.seed}; Path=/"),)
    return Reply(encode_json(VERSION), headers=cookie)


def get_levels(state: State, request: Request) -> Any:
    return [
        {"levelId": number, "levelName": name}
        for number, name in enumerate(("All", "Production", "Service"), 1)
    ]


def get_product_groups(state: State, request: Request) -> Any:
    return [
        {"productGroupId": row["id"], "productGroupName": row["name"]}
        for row in state.product_groups
    ]


ROUTES: RouteTable = {
    "GET /api/App/Version": get_version,
    "GET /api/App/Levels": get_levels,
    "GET /api/App/ProductGroups": get_product_groups,
}
