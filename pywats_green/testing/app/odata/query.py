"""Applies OData's query options to a table: $filter, $orderby, $skip, $top, $select."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pywats_green.testing.app.messages import HttpError, Request, encode_json
from pywats_green.testing.app.odata.evaluate import Resolver, candidates, compile_filter
from pywats_green.testing.app.odata.syntax import ODataError, parse
from pywats_green.testing.app.table import Row, Table

MAX_QUERY_STRING = 2_048
"""IIS refuses a longer query string with 404.15."""


@dataclass
class QuerySettings:
    """Settings that tests can change.

    Attributes:
        default_top: Rows returned without $top.
        max_top: Maximum rows for any $top. None: no limit.
        ignore_filter: Whether to ignore $filter.
        lightweight: Whether products in query results lack fields, as WATS' documentation says.
    """

    default_top: int = 1000
    max_top: int | None = None
    ignore_filter: bool = False
    lightweight: bool = False


@dataclass
class Schema:
    """Properties of an entity in addition to the fields of its rows.

    Attributes:
        aliases: Lower-case name in a query -> field of a row.
        fields: Fields that may be absent from all rows.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()


def select_rows(
    table: Table,
    request: Request,
    settings: QuerySettings,
    schema: Schema | None = None,
    where: Callable[[Row], bool] | None = None,
) -> list[Row]:
    """Return the rows selected by a request's query options, by default in the table's order.

    Args:
        table: The table.
        request: The request with the options.
        settings: The server's limits.
        schema: Additional properties.
        where: Additional filter. None: none.

    Raises:
        HttpError: 400 if an option is malformed.
    """
    resolve = _resolver(table, schema or Schema())
    try:
        rows = _filtered(table, request.text("$filter"), resolve, settings)
        found = [row for row in rows if where is None or where(row)]
        found = _ordered(found, request.text("$orderby"), resolve)
    except ODataError as exc:
        raise HttpError(400, f"The query specified in the URI is not valid. {exc}") from None
    skip = request.integer("$skip", 0)
    top = request.integer("$top", settings.default_top)
    if skip < 0 or top < 0:
        raise HttpError(400, "The query specified in the URI is not valid. Negative $skip or $top.")
    if settings.max_top is not None:
        top = min(top, settings.max_top)
    return found[skip : skip + top]


def encode_rows(rows: list[Row], request: Request) -> bytes:
    """Return rows as a JSON list, with the same values as single responses, unless $select'ed."""
    names = [name.strip().lower() for name in request.text("$select").split(",") if name.strip()]
    if not names:
        return b"[" + b",".join([row.encode() for row in rows]) + b"]"
    narrowed = [
        {name: value for name, value in row.items() if name.lower() in names} for row in rows
    ]
    return encode_json(narrowed)


def _resolver(table: Table, schema: Schema) -> Resolver:
    more = {name.lower(): name for name in schema.fields}

    def resolve(name: str) -> str | None:
        lowered = name.lower()
        return schema.aliases.get(lowered) or table.field_name(name) or more.get(lowered)

    return resolve


def _filtered(table: Table, text: str, resolve: Resolver, settings: QuerySettings) -> Iterable[Row]:
    if not text.strip():
        return table
    node = parse(text)
    matches = compile_filter(node, resolve)
    if settings.ignore_filter:
        return table
    rows = candidates(node, table, resolve)
    return filter(matches, table if rows is None else rows)


def _ordered(rows: list[Row], text: str, resolve: Resolver) -> list[Row]:
    for term in reversed([part for part in text.split(",") if part.strip()]):
        name, _, direction = term.strip().partition(" ")
        field_name = resolve(name)
        if field_name is None or direction.strip().lower() not in ("", "asc", "desc"):
            raise ODataError(f"Could not find a property named '{name}'.")
        rows = sorted(
            rows,
            key=lambda row, at=field_name: _sort_key(row.get(at)),  # type: ignore[misc]
            reverse=direction.strip().lower() == "desc",
        )
    return rows


def _sort_key(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, (bool, int, float)):
        return 1, float(value), ""
    return 2, 0.0, str(value).lower()
