"""Products, their revisions, tags, categories, groups and vendors."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.handlers import (
    equal,
    every,
    find,
    merged,
    merged_tags,
    part,
    remove,
    update,
)
from pywats_green.testing.app.messages import Request, encode_json, need, not_found
from pywats_green.testing.app.odata.query import encode_rows, select_rows
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row, fold

STRIPPED: dict[str, Any] = {"description": None, "xmlData": None, "revisions": [], "tags": []}

product_of = find("products", "partNumber")


def find_revision(product: Row, revision: str) -> dict[str, Any] | None:
    """Return a revision of a product, preferring an exact match, or None."""
    revisions: list[dict[str, Any]] = product.get("revisions") or []
    for item in revisions:
        if item.get("revision") == revision:
            return item
    return next((item for item in revisions if fold(item.get("revision")) == fold(revision)), None)


def revision_of(state: State, request: Request) -> dict[str, Any]:
    """Return the revision given in a request.

    Raises:
        HttpError: 400 if none is given, 404 if the product or revision is unknown.
    """
    part_number, revision = request.required("partNumber"), request.required("revision")
    found = find_revision(state["products"].row(part_number), revision)
    if found is None:
        raise not_found(f"Product revision '{part_number} / {revision}'")
    return found


def query_products(state: State, request: Request) -> bytes:
    rows = select_rows(state["products"], request, state.settings)
    if state.settings.lightweight:
        return encode_json([{**row, **STRIPPED} for row in rows])
    return encode_rows(rows, request)


def odata_products(state: State, request: Request) -> bytes:
    rows = select_rows(state["products"], request, state.settings)
    return b'{"value":' + encode_rows(rows, request) + b"}"


def odata_revisions(state: State, request: Request) -> Any:
    rows = select_rows(state["products"], request, state.settings)
    return {"value": [item for row in rows for item in row.get("revisions") or []]}


def put_product(state: State, request: Request) -> Row:
    return save_product(state, request.json_object())


def put_products(state: State, request: Request) -> list[Row]:
    return [save_product(state, item) for item in request.json_objects()]


def save_product(state: State, values: dict[str, Any]) -> Row:
    need(values, "partNumber")
    table = state["products"]
    row = table.get(str(values["partNumber"])) or table.add(
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
    table.update(row, merged(row, values, "partNumber", "revisions", "productId"))
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
        return state["products"].row(str(values["partNumber"]))
    need(values, "productId")
    return state["products"].first("productId", values["productId"])


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
    fixed = ("revision", "productId", "partNumber", "productRevisionId")
    stored.update(merged(stored, values, *fixed))
    state["products"].update(product, {})
    return stored


def delete_product(state: State, request: Request) -> Any:
    row = product_of(state, request)
    units = state["units"].find("partNumber", row["partNumber"])
    if units:
        # WATS only deactivates a product that has units.
        state["products"].update(row, {"state": 0})
        return {"serialNumbers": [unit["serialNumber"] for unit in units]}
    state["products"].remove(row)
    return None


def delete_revision(state: State, request: Request) -> Any:
    product, stored = product_of(state, request), revision_of(state, request)
    units = [
        unit["serialNumber"]
        for unit in state["units"].find("partNumber", product["partNumber"])
        if unit.get("revision") == stored["revision"]
    ]
    if units:
        stored["state"] = 0
    else:
        product["revisions"].remove(stored)
    state["products"].update(product, {})
    return {"serialNumbers": units} if units else None


def put_categories(state: State, request: Request) -> bool:
    for item in request.json_objects():
        state.insert("categories", item)
    return True


def put_tags(state: State, request: Request) -> Any:
    row = product_of(state, request)
    return state["products"].update(row, {"tags": merged_tags([], request.json_objects())})["tags"]


def put_revision_tags(state: State, request: Request) -> Any:
    stored = revision_of(state, request)
    stored["tags"] = merged_tags([], request.json_objects())
    state["products"].update(product_of(state, request), {})
    return stored["tags"]


def get_groups(state: State, request: Request) -> Any:
    return [
        {"productGroupId": row["id"], "productGroupName": row["name"]}
        for row in state["product_groups"]
    ]


def groups_for_product(state: State, request: Request) -> Any:
    product_of(state, request)
    return get_groups(state, request)


def product_groups_by_product(state: State, request: Request) -> Any:
    product_of(state, request)
    return list(state["product_groups"])


def put_group(state: State, request: Request) -> Any:
    values = request.json_object("productGroupName")
    number, name = values.get("productGroupId"), values["productGroupName"]
    row = {"id": number, "name": name, "description": "", "isPublic": True}
    return {"productGroupId": state.insert("product_groups", row)["id"], "productGroupName": name}


def post_group(state: State, request: Request) -> Row:
    return state.insert("product_groups", {**request.json_object("name"), "id": None})


def put_vendor(state: State, request: Request) -> Row:
    values = request.json_object("name")
    return state["vendors"].upsert({"vendorId": state.new_guid(), **values})


def product_groups(state: State, request: Request) -> Any:
    rows = equal("product_groups", id="id")(state, request)
    if request.text("includeFilters") != "true":
        return rows
    filters = state["group_filters"]
    return [
        {**row, "filters": [item for item in filters if item["productGroupId"] == row["id"]]}
        for row in rows
    ]


INTERNAL = "/api/internal/Product"

ROUTES: RouteTable = {
    "GET /api/Product/Query": query_products,
    "GET /api/Products": odata_products,
    "GET /api/Products/Revisions": odata_revisions,
    "GET /api/Product/{partNumber}": product_of,
    "PUT /api/Product": put_product,
    "PUT /api/Product/Products": put_products,
    "DELETE /api/Product/{partNumber}": delete_product,
    "GET /api/Product/{partNumber}/Revisions": part(product_of, "revisions"),
    "GET /api/Product/{partNumber}/{revision}": revision_of,
    "PUT /api/Product/Revision": put_revision,
    "PUT /api/Product/Revisions": put_revisions,
    "DELETE /api/Product/{partNumber}/{revision}": delete_revision,
    f"GET {INTERNAL}/GetProductCategories": every("categories"),
    f"PUT {INTERNAL}/PutProductCategories": put_categories,
    f"GET {INTERNAL}/GetProductTags": part(product_of, "tags"),
    f"PUT {INTERNAL}/PutProductTags": put_tags,
    f"GET {INTERNAL}/GetRevisionTags": part(revision_of, "tags"),
    f"PUT {INTERNAL}/PutRevisionTags": put_revision_tags,
    f"GET {INTERNAL}/GetGroupsForProduct": groups_for_product,
    "GET /api/App/ProductGroups": get_groups,
    "GET /api/Product/Groups": get_groups,
    "PUT /api/Product/Group": put_group,
    "GET /api/Product/ProductGroup": product_groups,
    "POST /api/Product/ProductGroup": post_group,
    "PUT /api/Product/ProductGroup": update("product_groups"),
    "DELETE /api/Product/ProductGroup/{id}": remove("product_groups", "id"),
    "GET /api/Product/ProductGroupFilter": equal(
        "group_filters", productGroupId="productGroupId", id="id"
    ),
    "GET /api/Product/ProductGroupsByProduct": product_groups_by_product,
    "GET /api/Product/Vendors": every("vendors"),
    "PUT /api/Product/Vendors": put_vendor,
    "DELETE /api/Product/Vendors/{id}": remove("vendors", "id"),
}
