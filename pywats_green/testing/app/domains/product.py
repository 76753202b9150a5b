"""Products, their revisions, and public BOMs."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from pywats_green.testing.app.domains.common import (
    find_revision,
    merged_tags,
    need,
    product_or_404,
    revision_or_404,
)
from pywats_green.testing.app.messages import HttpError, Request, encode_json, not_found
from pywats_green.testing.app.query import encode_rows, select_rows
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row

STRIPPED: dict[str, Any] = {"description": None, "xmlData": None, "revisions": [], "tags": []}


def query_products(state: State, request: Request) -> bytes:
    rows = select_rows(state.products, request, state.settings)
    if state.settings.lightweight:
        return encode_json([{**row, **STRIPPED} for row in rows])
    return encode_rows(state.products, rows, request)


def odata_products(state: State, request: Request) -> bytes:
    rows = select_rows(state.products, request, state.settings)
    return b'{"value":' + encode_rows(state.products, rows, request) + b"}"


def odata_revisions(state: State, request: Request) -> Any:
    rows = select_rows(state.products, request, state.settings)
    return {"value": [item for row in rows for item in row.get("revisions") or []]}


def get_product(state: State, request: Request) -> bytes:
    part_number = request.params["partNumber"]
    row = state.products.get(part_number)
    if row is None:
        raise not_found(f"Product '{part_number}'")
    return state.products.encode(row)


def get_revisions(state: State, request: Request) -> Any:
    return product_or_404(state, request.params["partNumber"]).get("revisions") or []


def get_revision(state: State, request: Request) -> Any:
    return revision_or_404(state, request.params["partNumber"], request.params["revision"])


def put_product(state: State, request: Request) -> bytes:
    return state.products.encode(save_product(state, request.json_object()))


def put_products(state: State, request: Request) -> bytes:
    rows = [save_product(state, item) for item in request.json_objects()]
    return b"[" + b",".join([state.products.encode(row) for row in rows]) + b"]"


def save_product(state: State, values: dict[str, Any]) -> Row:
    need(values, "partNumber")
    row = state.products.get(str(values["partNumber"]))
    if row is None:
        row = state.products.upsert(
            {
                "partNumber": values["partNumber"],
                "name": None,
                "description": None,
                "nonSerial": False,
                "state": 1,
                "productId": state.new_guid(),
                "xmlData": None,
                "revisions": [],
                "tags": [],
            }
        )
    tags = merged_tags(row.get("tags"), values.get("tags"))
    kept = {
        name: value
        for name, value in values.items()
        if name not in ("partNumber", "revisions", "tags", "productId")
    }
    state.products.update(row, {**kept, "tags": tags})
    for item in values.get("revisions") or []:
        save_revision(state, row, item)
    return row


def put_revision(state: State, request: Request) -> Any:
    values = request.json_object()
    return save_revision(state, _product_of(state, values), values)


def put_revisions(state: State, request: Request) -> Any:
    items = request.json_objects()
    return [save_revision(state, _product_of(state, item), item) for item in items]


def _product_of(state: State, values: dict[str, Any]) -> Row:
    if values.get("partNumber"):
        return product_or_404(state, str(values["partNumber"]))
    need(values, "productId")
    found = state.products.find("productId", values["productId"])
    if not found:
        raise not_found(f"Product '{values['productId']}'")
    return found[0]


def save_revision(state: State, product: Row, values: dict[str, Any]) -> dict[str, Any]:
    need(values, "revision")
    stored = find_revision(product, str(values["revision"]))
    if stored is None:
        stored = {
            "revision": values["revision"],
            "name": None,
            "description": None,
            "state": 1,
            "productRevisionId": state.new_guid(),
            "productId": product["productId"],
            "xmlData": None,
            "partNumber": product["partNumber"],
            "tags": [],
        }
        product["revisions"].append(stored)
    tags = merged_tags(stored.get("tags"), values.get("tags"))
    fixed = ("revision", "tags", "productId", "partNumber", "productRevisionId")
    stored.update({name: value for name, value in values.items() if name not in fixed})
    stored["tags"] = tags
    state.products.update(product, {})
    return stored


def delete_product(state: State, request: Request) -> Any:
    row = product_or_404(state, request.params["partNumber"])
    units = state.units.find("partNumber", row["partNumber"])
    if units:
        # WATS keeps a product that has units, and only deactivates it.
        state.products.update(row, {"state": 0})
        return {"serialNumbers": [unit["serialNumber"] for unit in units]}
    state.products.remove(row)
    return None


def delete_revision(state: State, request: Request) -> Any:
    product = product_or_404(state, request.params["partNumber"])
    stored = revision_or_404(state, request.params["partNumber"], request.params["revision"])
    units = [
        unit["serialNumber"]
        for unit in state.units.find("partNumber", product["partNumber"])
        if unit.get("revision") == stored["revision"]
    ]
    if units:
        stored["state"] = 0
    else:
        product["revisions"].remove(stored)
    state.products.update(product, {})
    return {"serialNumbers": units} if units else None


def get_bom(state: State, request: Request) -> Any:
    part_number, revision = request.required("partNumber"), request.required("revision")
    revision_or_404(state, part_number, revision)
    bom = state.boms.get(part_number, revision)
    if bom is not None:
        return bom
    return {"partNumber": part_number, "revision": revision, "description": "", "components": []}


def put_bom(state: State, request: Request) -> None:
    if "xml" in request.lowered.get("content-type", ""):
        bom = _bom_of_xml(request.body)
    else:
        bom = request.json_object()
    need(bom, "partNumber", "revision")
    state.boms.upsert(bom)


def _bom_of_xml(body: bytes) -> dict[str, Any]:
    try:
        root = ET.fromstring(body)  # noqa: S314 (a test's own BOM, in the test's own process)
    except ET.ParseError as exc:
        raise HttpError(400, f"The BOM is not XML: {exc}") from None
    return {
        "partNumber": root.get("Partnumber"),
        "revision": root.get("Revision"),
        "description": root.get("Desc", ""),
        "components": [
            {
                "number": item.get("Number"),
                "revision": item.get("Rev"),
                "quantity": int(item.get("Qty", "1")),
                "description": item.get("Desc"),
                "reference": item.get("Ref"),
            }
            for item in root
        ],
    }


ROUTES: RouteTable = {
    "GET /api/Product/Query": query_products,
    "GET /api/Product/{partNumber}": get_product,
    "GET /api/Product/{partNumber}/Revisions": get_revisions,
    "GET /api/Product/{partNumber}/{revision}": get_revision,
    "PUT /api/Product": put_product,
    "PUT /api/Product/Products": put_products,
    "PUT /api/Product/Revision": put_revision,
    "PUT /api/Product/Revisions": put_revisions,
    "DELETE /api/Product/{partNumber}": delete_product,
    "DELETE /api/Product/{partNumber}/{revision}": delete_revision,
    "GET /api/Product/BOM": get_bom,
    "PUT /api/Product/BOM": put_bom,
    "GET /api/Products": odata_products,
    "GET /api/Products/Revisions": odata_revisions,
}
