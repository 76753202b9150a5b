"""Handlers made from a description: what most routes do with the rows of a table."""

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
"""A handler that answers one row, and so serves other handlers, too."""


def every(name: str) -> Handler:
    """Answers all rows."""
    return lambda state, _: list(state[name])


def query(name: str, schema: Schema | None = None) -> Handler:
    """Answers the rows that the OData options of the query ask for."""
    return lambda state, request: encode_rows(
        select_rows(state[name], request, state.settings, schema), request
    )


def equal(name: str, **parameters: str) -> Handler:
    """Answers the rows whose fields equal the parameters of the query that are given.

    Args:
        name: The table.
        **parameters: The parameters, and the field of each.
    """

    def handler(state: State, request: Request) -> list[Row]:
        wanted = {field: request.text(given) for given, field in parameters.items()}
        return [row for row in state[name] if matches(row, wanted)]

    return handler


def matches(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the fields equal all wanted values that are not empty, without case."""
    return all(not value or fold(row.get(name)) == fold(value) for name, value in wanted.items())


def find(name: str, *parameters: str) -> Finder:
    """Answers the row whose key the parameters hold; 400 without them, 404 without it."""
    return lambda state, request: state[name].row(*[request.required(key) for key in parameters])


def of(finder: Finder, shape: Callable[[Row], Any]) -> Handler:
    """Answers what `shape` makes of the row."""
    return lambda state, request: shape(finder(state, request))


def part(finder: Callable[[State, Request], Mapping[str, Any]], name: str) -> Handler:
    """Answers the list in a field of a row."""
    return lambda state, request: finder(state, request).get(name) or []


def create(name: str, *needed: str, **defaults: Any) -> Handler:
    """Stores the body as a new row and answers it.

    Args:
        name: The table.
        *needed: What the body has to hold.
        **defaults: What the row holds besides; a callable is called for each row.
    """
    return lambda state, request: state.insert(
        name, {**called(defaults), **request.json_object(*needed)}
    )


def update(name: str, **stamps: Any) -> Handler:
    """Lays the body, and `stamps` as in `create`, over the row whose key it holds."""

    def handler(state: State, request: Request) -> Row:
        values = request.json_object()
        row = state[name].row(str(values.get(state[name].key[0])))
        return state[name].update(row, {**values, **called(stamps)})

    return handler


def remove(name: str, *parameters: str, answer: Any = None) -> Handler:
    """Removes the row that `find` finds."""
    finder = find(name, *parameters)

    def handler(state: State, request: Request) -> Any:
        state[name].remove(finder(state, request))
        return answer

    return handler


def called(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with the results of those that are callable."""
    return {name: value() if callable(value) else value for name, value in values.items()}


def pick(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """These fields of a row, None where it has not got one."""
    return {name: row.get(name) for name in names}


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A row without these fields."""
    return {name: value for name, value in row.items() if name not in names}


def merged(old: Mapping[str, Any], values: Mapping[str, Any], *fixed: str) -> dict[str, Any]:
    """What `values` change in an object: not the fixed fields, and tags one by one."""
    tags = merged_tags(old.get("tags"), values.get("tags"))
    return {**without(values, "tags", *fixed), "tags": tags}


def merged_tags(old: Iterable[Any] | None, new: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Apply a list of tags, which may each say what changed, to the stored ones."""
    tags: dict[str, dict[str, Any]] = {fold(tag.get("key")): tag for tag in old or []}
    for tag in new or []:
        if not isinstance(tag, dict) or not tag.get("key"):
            raise HttpError(400, "The request is invalid: a tag needs a key.")
        if tag.get("change") == DELETE_TAG:
            tags.pop(fold(tag["key"]), None)
        else:
            tags[fold(tag["key"])] = {"key": tag["key"], "value": tag.get("value")}
    return list(tags.values())
