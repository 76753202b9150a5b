"""Turns a parsed `$filter` into a predicate on rows, and finds candidates by index."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pywats_green.testing.app.odata.syntax import (
    COMPARISONS,
    Field,
    Literal,
    Node,
    ODataError,
    Operation,
    Quantified,
    parse_datetime,
)
from pywats_green.testing.app.table import Row, Table

Scope = dict[str, Any]
"""The row under "", and the variables of `any` and `all` by their names."""
Value = Callable[[Scope], Any]
Resolver = Callable[[str], str | None]


def compile_filter(node: Node, resolve: Resolver) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate on rows.

    Args:
        node: The parsed expression.
        resolve: Maps the name of a property to the field of a row, or to None if unknown.

    Raises:
        ODataError: A property is unknown.
    """
    value = _compile(node, resolve, frozenset())
    return lambda row: value({"": row}) is True


def candidates(node: Node, table: Table, resolve: Resolver) -> list[Row] | None:
    """Return rows that include all matches, found by index. None: it takes a full scan."""
    if not isinstance(node, Operation):
        return None
    if node.name == "eq":
        return _indexed(node, table, resolve)
    if node.name not in ("and", "or"):
        return None
    found = [candidates(term, table, resolve) for term in node.terms]
    known = [rows for rows in found if rows is not None]
    if node.name == "and":
        return min(known, key=len) if known else None
    if len(known) < len(found):
        return None
    merged = {row.sequence: row for rows in known for row in rows}
    return [merged[sequence] for sequence in sorted(merged)]


def _indexed(node: Operation, table: Table, resolve: Resolver) -> list[Row] | None:
    for field, literal in (node.terms, node.terms[::-1]):
        if isinstance(field, Field) and isinstance(literal, Literal) and len(field.path) == 1:
            name = resolve(field.path[0])
            if name in table.indexes and isinstance(literal.value, str):
                return table.find(name, literal.value)
    return None


def _compile(node: Node, resolve: Resolver, variables: frozenset[str]) -> Value:
    if isinstance(node, Literal):
        return lambda _: node.value
    if isinstance(node, Field):
        return _field(node, resolve, variables)
    if isinstance(node, Quantified):
        return _quantified(node, resolve, variables)
    terms = [_compile(term, resolve, variables) for term in node.terms]
    if node.name in CONNECTIVES:
        connective = CONNECTIVES[node.name]
        return lambda scope: connective(term(scope) is True for term in terms)
    operation, first, *others = OPERATIONS[node.name], *terms
    if not others:
        return lambda scope: operation(first(scope))
    second = others[0]
    return lambda scope: operation(first(scope), second(scope))


def _field(node: Field, resolve: Resolver, variables: frozenset[str]) -> Value:
    head, *rest = node.path
    start: Value = operator.itemgetter(head) if head in variables else _property(head, resolve)

    def member(scope: Scope) -> Any:
        value = start(scope)
        for step in rest:
            value = _member(value, step)
        return value

    return member if rest else start


def _property(name: str, resolve: Resolver) -> Value:
    field = resolve(name)
    if field is None:
        raise ODataError(f"Could not find a property named '{name}'.")
    return lambda scope: scope[""].get(field)


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    lowered = name.lower()
    return next((item for key, item in value.items() if key.lower() == lowered), None)


def _quantified(node: Quantified, resolve: Resolver, variables: frozenset[str]) -> Value:
    collection = _property(node.collection, resolve)
    if node.term is None:
        return lambda scope: bool(collection(scope))
    term = _compile(node.term, resolve, variables | {node.variable})
    quantifier = CONNECTIVES["or" if node.kind == "any" else "and"]
    return lambda scope: quantifier(
        term({**scope, node.variable: item}) is True for item in collection(scope) or []
    )


def _comparison(name: str) -> Callable[[Any, Any], bool]:
    """Compare as SQL Server does: strings case-insensitively, null equal only to null."""
    order: Callable[[Any, Any], Any] = getattr(operator, name)

    def compare(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return name in ("eq", "ne") and bool(order(left, right))
        if isinstance(left, datetime) or isinstance(right, datetime):
            left, right = _moment(left), _moment(right)
        elif isinstance(left, str) or isinstance(right, str):
            left, right = str(left).lower().rstrip(" "), str(right).lower().rstrip(" ")
        if left is None or right is None:
            return name == "ne"
        try:
            return bool(order(left, right))
        except TypeError:
            raise ODataError("A binary operator with incompatible types was detected.") from None

    return compare


def _moment(value: Any) -> Any:
    return parse_datetime(value) if isinstance(value, str) else value


def _on_text(function: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Wrap a function of a string: null for null."""
    return lambda value: None if value is None else function(str(value))


def _on_texts(function: Callable[[str, str], Any]) -> Callable[[Any, Any], Any]:
    """Wrap a function of strings: case-insensitive, null if an argument is null."""

    def call(text: Any, part: Any) -> Any:
        if text is None or part is None:
            return None
        return function(str(text).lower(), str(part).lower())

    return call


CONNECTIVES: Mapping[str, Callable[[Iterable[bool]], bool]] = {"and": all, "or": any}
OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "not": lambda value: value is not True,
    **{name: _comparison(name) for name in COMPARISONS},
    "contains": _on_texts(operator.contains),
    "startswith": _on_texts(str.startswith),
    "endswith": _on_texts(str.endswith),
    "tolower": _on_text(str.lower),
    "toupper": _on_text(str.upper),
    "trim": _on_text(str.strip),
}
