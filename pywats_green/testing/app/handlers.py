"""Factories of handlers for the usual operations on a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pywats_green.testing.app.messages import HttpError, Request
from pywats_green.testing.app.odata.query import Schema, encode_rows, select_rows
from pywats_green.testing.app.router import Handler
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row, fold

DELETE_TAG = 3
"""`ChangeType.DELETE` of pywats."""

Finder = Callable[[State, Request], Row]
"""A handler that returns one row, so that other handlers can use it."""


def every(name: str) -> Handler:
    """Return all rows."""
    return lambda state, _: list(state[name])


def query(name: str, schema: Schema | None = None) -> Handler:
    """Return the rows selected by the OData query options."""
    return lambda state, request: encode_rows(
        select_rows(state[name], request, state.settings, schema), request
    )


def equal(name: str, **parameters: str) -> Handler:
    """Return the rows whose fields equal the query parameters, if given.

    Args:
        name: The table.
        **parameters: Query parameters, and the field for each.
    """

    def handler(state: State, request: Request) -> list[Row]:
        wanted = {field: request.text(given) for given, field in parameters.items()}
        return [row for row in state[name] if matches(row, wanted)]

    return handler


def matches(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether the fields equal all non-empty wanted values, ignoring case."""
    return all(not value or fold(row.get(name)) == fold(value) for name, value in wanted.items())


def find(name: str, *parameters: str) -> Finder:
    """Return the row whose key the parameters give; 400 without them, 404 without a row."""
    return lambda state, request: state[name].row(*[request.required(key) for key in parameters])


def of(finder: Finder, shape: Callable[[Row], Any]) -> Handler:
    """Return what `shape` makes of the row."""
    return lambda state, request: shape(finder(state, request))


def part(finder: Callable[[State, Request], Mapping[str, Any]], name: str) -> Handler:
    """Return the list in a field of a row."""
    return lambda state, request: finder(state, request).get(name) or []


def create(name: str, *needed: str, **defaults: Any) -> Handler:
    """Store the body as a new row and return it.

    Args:
        name: The table.
        *needed: Required fields of the body.
        **defaults: Default values of fields; a callable is called for each row.
    """
    return lambda state, request: state.insert(
        name, {**called(defaults), **request.json_object(*needed)}
    )


def update(name: str, **stamps: Any) -> Handler:
    """Update the row whose key the body has, with the body and `stamps` (see `create`)."""

    def handler(state: State, request: Request) -> Row:
        values = request.json_object()
        row = state[name].row(str(values.get(state[name].key[0])))
        return state[name].update(row, {**values, **called(stamps)})

    return handler


def remove(name: str, *parameters: str, answer: Any = None) -> Handler:
    """Remove the row that `find` returns."""
    finder = find(name, *parameters)

    def handler(state: State, request: Request) -> Any:
        state[name].remove(finder(state, request))
        return answer

    return handler


def called(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, with callables replaced by their results."""
    return {name: value() if callable(value) else value for name, value in values.items()}


def pick(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the given fields of a row; None for missing ones."""
    return {name: row.get(name) for name in names}


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a row without the given fields."""
    return {name: value for name, value in row.items() if name not in names}


def merged(old: Mapping[str, Any], values: Mapping[str, Any], *fixed: str) -> dict[str, Any]:
    """Return the changes that `values` make to an object: no fixed fields, and merged tags."""
    tags = merged_tags(old.get("tags"), values.get("tags"))
    return {**without(values, "tags", *fixed), "tags": tags}


def merged_tags(old: Iterable[Any] | None, new: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Apply a list of tags, each of which may have a change type, to the stored ones."""
    tags: dict[str, dict[str, Any]] = {fold(tag.get("key")): tag for tag in old or []}
    for tag in new or []:
        if not isinstance(tag, dict) or not tag.get("key"):
            raise HttpError(400, "The request is invalid: a tag needs a key.")
        if tag.get("change") == DELETE_TAG:
            tags.pop(fold(tag["key"]), None)
        else:
            tags[fold(tag["key"])] = {"key": tag["key"], "value": tag.get("value")}
    return list(tags.values())
