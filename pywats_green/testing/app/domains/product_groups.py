"""Product groups, their filters, and vendors."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import need, product_or_404, row_or_404
from pywats_green.testing.app.messages import Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State


def get_groups(state: State, request: Request) -> Any:
    return [
        {"productGroupId": row["id"], "productGroupName": row["name"]}
        for row in state.product_groups
    ]


def put_group(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "productGroupName")
    number = values.get("productGroupId") or state.next_number("group", 100)
    row = {"id": number, "name": values["productGroupName"], "description": "", "isPublic": True}
    state.product_groups.upsert(row)
    return {"productGroupId": number, "productGroupName": values["productGroupName"]}


def product_groups(state: State, request: Request) -> Any:
    wanted = request.text("id")
    rows = [dict(row) for row in state.product_groups if not wanted or str(row["id"]) == wanted]
    if request.text("includeFilters") == "true":
        for row in rows:
            row["filters"] = [
                item for item in state.group_filters if item["productGroupId"] == row["id"]
            ]
    return rows


def create_product_group(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "name")
    return state.product_groups.upsert({**values, "id": state.next_number("group", 100)})


def update_product_group(state: State, request: Request) -> Any:
    values = request.json_object()
    row = row_or_404(state.product_groups, "Product group", str(values.get("id")))
    return state.product_groups.update(row, values)


def delete_product_group(state: State, request: Request) -> None:
    row = row_or_404(state.product_groups, "Product group", request.params["id"])
    state.product_groups.remove(row)


def product_group_filters(state: State, request: Request) -> Any:
    group, number = request.text("productGroupId"), request.text("id")
    return [
        row
        for row in state.group_filters
        if group in ("", str(row["productGroupId"])) and number in ("", str(row["id"]))
    ]


def product_groups_by_product(state: State, request: Request) -> Any:
    product_or_404(state, request.required("partNumber"))
    return list(state.product_groups)


def get_vendors(state: State, request: Request) -> Any:
    return list(state.vendors)


def put_vendor(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "name")
    return state.vendors.upsert({"vendorId": state.new_guid(), **values})


def delete_vendor(state: State, request: Request) -> None:
    state.vendors.remove(row_or_404(state.vendors, "Vendor", request.params["id"]))


ROUTES: RouteTable = {
    "GET /api/Product/Groups": get_groups,
    "PUT /api/Product/Group": put_group,
    "GET /api/Product/ProductGroup": product_groups,
    "POST /api/Product/ProductGroup": create_product_group,
    "PUT /api/Product/ProductGroup": update_product_group,
    "DELETE /api/Product/ProductGroup/{id}": delete_product_group,
    "GET /api/Product/ProductGroupFilter": product_group_filters,
    "GET /api/Product/ProductGroupsByProduct": product_groups_by_product,
    "GET /api/Product/Vendors": get_vendors,
    "PUT /api/Product/Vendors": put_vendor,
    "DELETE /api/Product/Vendors/{id}": delete_vendor,
}
