"""Bills of materials, and box builds."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from pywats_green.testing.app.domains.product import revision_of
from pywats_green.testing.app.handlers import remove, update
from pywats_green.testing.app.messages import HttpError, Request, need, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State

MAX_LEVEL = 10


def get_bom(state: State, request: Request) -> Any:
    revision_of(state, request)
    key = {name: request.required(name) for name in ("partNumber", "revision")}
    return state["boms"].get(*key.values()) or {**key, "description": "", "components": []}


def put_bom(state: State, request: Request) -> None:
    if "xml" in request.lowered.get("content-type", ""):
        bom = _bom_of_xml(request.body)
    else:
        bom = request.json_object()
    need(bom, "partNumber", "revision")
    state["boms"].upsert(bom)


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


def get_bom_items(state: State, request: Request) -> Any:
    owner = revision_of(state, request)
    return [
        {
            "productRevisionId": owner["productRevisionId"],
            "componentRef": item.get("reference"),
            "partNumber": item.get("number"),
            "description": item.get("description"),
            "quantity": item.get("quantity") or 1,
            "manufacturerPn": item.get("revision"),
        }
        for item in get_bom(state, request).get("components") or []
    ]


def put_bom_items(state: State, request: Request) -> bool:
    revision_of(state, request)
    components = [
        {
            "number": item.get("partNumber"),
            "reference": item.get("componentRef"),
            "description": item.get("description"),
            "quantity": item.get("quantity", 1),
        }
        for item in request.json_objects()
    ]
    key = {name: request.required(name) for name in ("partNumber", "revision")}
    state["boms"].upsert({"description": "", **key, "components": components})
    return True


def get_product_info(state: State, request: Request) -> Any:
    root = revision_of(state, request)
    items: list[dict[str, Any]] = []
    item = {
        "PartNumber": request.required("partNumber"),
        "Revision": root["revision"],
        "ProductRevisionId": root["productRevisionId"],
    }
    _collect(state, item, 0, items)
    return items


def _collect(state: State, item: dict[str, Any], level: int, found: list[dict[str, Any]]) -> None:
    # A product that contains itself must not hang the server.
    if level > MAX_LEVEL:
        return
    found.append({**item, "hlevel": level})
    for relation in state["relations"]:
        if relation["ParentProductRevisionId"] == item["ProductRevisionId"]:
            child = {
                **relation,
                "PartNumber": relation["ChildPartNumber"],
                "Revision": relation["ChildRevision"],
            }
            _collect(state, child, level + 1, found)


def get_product_by_pn(state: State, request: Request) -> Any:
    product = state["products"].row(request.required("PN"))
    ids = {item["productRevisionId"] for item in product.get("revisions") or []}
    relations = [row for row in state["relations"] if row["ParentProductRevisionId"] in ids]
    return {**product, "productRevisionRelations": relations}


def post_relation(state: State, request: Request) -> Any:
    values = request.json_object("ParentProductRevisionId", "ProductRevisionId")
    _revision_by_id(state, values["ParentProductRevisionId"])
    child = _revision_by_id(state, values["ProductRevisionId"])
    return state["relations"].upsert(
        {
            "ItemNumber": None,
            "RevisionMask": None,
            "Quantity": 1,
            **values,
            "ProductRevisionRelationId": state.new_guid(),
            "ChildPartNumber": child["partNumber"],
            "ChildRevision": child["revision"],
        }
    )


def _revision_by_id(state: State, number: Any) -> dict[str, Any]:
    for product in state["products"]:
        for item in product.get("revisions") or []:
            if item.get("productRevisionId") == number:
                return {**item, "partNumber": product["partNumber"]}
    raise not_found(f"Product revision '{number}'")


INTERNAL = "/api/internal/Product"

ROUTES: RouteTable = {
    "GET /api/Product/BOM": get_bom,
    "PUT /api/Product/BOM": put_bom,
    f"GET {INTERNAL}/Bom": get_bom_items,
    f"PUT {INTERNAL}/BOM": put_bom_items,
    f"GET {INTERNAL}/GetProductInfo": get_product_info,
    f"GET {INTERNAL}/GetProductByPN": get_product_by_pn,
    f"POST {INTERNAL}/PostProductRevisionRelation": post_relation,
    f"PUT {INTERNAL}/PutProductRevisionRelation": update("relations"),
    f"DELETE {INTERNAL}/DeleteProductRevisionRelation": remove(
        "relations", "productRevisionRelationId"
    ),
}
