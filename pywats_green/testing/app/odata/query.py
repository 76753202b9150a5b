"""OData's query options on a table: $filter, $orderby, $skip, $top, $select."""

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
    """What a test may turn.

    Attributes:
        default_top: Rows answered where no $top is sent.
        max_top: The most rows a $top may ask for; None is no limit.
        ignore_filter: True serves every query as if it had no $filter.
        lightweight: True serves products of a query stripped, as WATS' documentation has it.
    """

    default_top: int = 1000
    max_top: int | None = None
    ignore_filter: bool = False
    lightweight: bool = False


@dataclass
class Schema:
    """The properties of an entity beyond the fields of its rows.

    Attributes:
        aliases: Lower-case names that a query may use -> the row's field.
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
    """The rows that a request's query options ask for, in the table's order unless told.

    Args:
        table: Where to look.
        request: Holds the options.
        settings: The server's caps.
        schema: More names that the options may use.
        where: Leaves only rows for which it is true; None leaves all.

    Raises:
        HttpError: 400 where an option is malformed.
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
    """A JSON list of rows: the same values as the single answers, unless $select narrows them."""
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
