"""Product routes under /api/internal: BOM items, box build relations, categories, tags."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import (
    merged_tags,
    need,
    product_or_404,
    revision_or_404,
    row_or_404,
)
from pywats_green.testing.app.messages import HttpError, Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row

MAX_LEVEL = 10


def get_bom(state: State, request: Request) -> Any:
    part_number, revision = request.required("partNumber"), request.required("revision")
    owner = revision_or_404(state, part_number, revision)
    bom = state.boms.get(part_number, revision)
    components = [] if bom is None else bom.get("components") or []
    return [
        {
            "productRevisionId": owner["productRevisionId"],
            "componentRef": item.get("reference"),
            "partNumber": item.get("number"),
            "description": item.get("description"),
            "quantity": item.get("quantity") or 1,
            "manufacturerPn": item.get("revision"),
        }
        for item in components
    ]


def put_bom(state: State, request: Request) -> bool:
    part_number, revision = request.required("partNumber"), request.required("revision")
    revision_or_404(state, part_number, revision)
    components = [
        {
            "number": item.get("partNumber"),
            "reference": item.get("componentRef"),
            "description": item.get("description"),
            "quantity": item.get("quantity", 1),
        }
        for item in request.json_objects()
    ]
    bom = {"partNumber": part_number, "revision": revision, "components": components}
    state.boms.upsert({"description": "", **bom})
    return True


def get_product_info(state: State, request: Request) -> Any:
    part_number, revision = request.required("partNumber"), request.required("revision")
    root = revision_or_404(state, part_number, revision)
    items: list[dict[str, Any]] = []
    _collect(state, {"PartNumber": part_number, **_revision_info(root)}, 0, items)
    return items


def _revision_info(revision: dict[str, Any]) -> dict[str, Any]:
    return {"Revision": revision["revision"], "ProductRevisionId": revision["productRevisionId"]}


def _collect(state: State, item: dict[str, Any], level: int, found: list[dict[str, Any]]) -> None:
    # A product that contains itself must not hang the server.
    if level > MAX_LEVEL:
        return
    found.append({**item, "hlevel": level})
    for relation in state.relations:
        if relation["ParentProductRevisionId"] == item["ProductRevisionId"]:
            child = {
                **relation,
                "PartNumber": relation["ChildPartNumber"],
                "Revision": relation["ChildRevision"],
            }
            _collect(state, child, level + 1, found)


def get_product_by_pn(state: State, request: Request) -> Any:
    product = product_or_404(state, request.required("PN"))
    ids = {item["productRevisionId"] for item in product.get("revisions") or []}
    relations = [row for row in state.relations if row["ParentProductRevisionId"] in ids]
    return {**product, "productRevisionRelations": relations}


def post_relation(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "ParentProductRevisionId", "ProductRevisionId")
    _revision_by_id(state, values["ParentProductRevisionId"])
    child = _revision_by_id(state, values["ProductRevisionId"])
    return state.relations.upsert(
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


def put_relation(state: State, request: Request) -> Any:
    values = request.json_object()
    row = row_or_404(state.relations, "Relation", str(values.get("ProductRevisionRelationId")))
    return state.relations.update(row, values)


def delete_relation(state: State, request: Request) -> None:
    number = request.required("productRevisionRelationId")
    state.relations.remove(row_or_404(state.relations, "Relation", number))


def _revision_by_id(state: State, number: Any) -> dict[str, Any]:
    for product in state.products:
        for item in product.get("revisions") or []:
            if item.get("productRevisionId") == number:
                return {**item, "partNumber": product["partNumber"]}
    raise HttpError(404, f"Product revision '{number}' was not found.")


def get_categories(state: State, request: Request) -> Any:
    return list(state.categories)


def put_categories(state: State, request: Request) -> bool:
    for item in request.json_objects():
        state.categories.upsert({**item, "categoryId": item.get("categoryId") or state.new_guid()})
    return True


def get_tags(state: State, request: Request) -> Any:
    return product_or_404(state, request.required("partNumber")).get("tags") or []


def put_tags(state: State, request: Request) -> Any:
    row: Row = product_or_404(state, request.required("partNumber"))
    return state.products.update(row, {"tags": merged_tags([], request.json_objects())})["tags"]


def get_revision_tags(state: State, request: Request) -> Any:
    found = revision_or_404(state, request.required("partNumber"), request.required("revision"))
    return found.get("tags") or []


def put_revision_tags(state: State, request: Request) -> Any:
    part_number = request.required("partNumber")
    stored = revision_or_404(state, part_number, request.required("revision"))
    stored["tags"] = merged_tags([], request.json_objects())
    state.products.update(product_or_404(state, part_number), {})
    return stored["tags"]


def groups_for_product(state: State, request: Request) -> Any:
    product_or_404(state, request.required("partNumber"))
    return [
        {"productGroupId": row["id"], "productGroupName": row["name"]}
        for row in state.product_groups
    ]


ROUTES: RouteTable = {
    "GET /api/internal/Product/Bom": get_bom,
    "PUT /api/internal/Product/BOM": put_bom,
    "GET /api/internal/Product/GetProductInfo": get_product_info,
    "GET /api/internal/Product/GetProductByPN": get_product_by_pn,
    "POST /api/internal/Product/PostProductRevisionRelation": post_relation,
    "PUT /api/internal/Product/PutProductRevisionRelation": put_relation,
    "DELETE /api/internal/Product/DeleteProductRevisionRelation": delete_relation,
    "GET /api/internal/Product/GetProductCategories": get_categories,
    "PUT /api/internal/Product/PutProductCategories": put_categories,
    "GET /api/internal/Product/GetProductTags": get_tags,
    "PUT /api/internal/Product/PutProductTags": put_tags,
    "GET /api/internal/Product/GetRevisionTags": get_revision_tags,
    "PUT /api/internal/Product/PutRevisionTags": put_revision_tags,
    "GET /api/internal/Product/GetGroupsForProduct": groups_for_product,
}
