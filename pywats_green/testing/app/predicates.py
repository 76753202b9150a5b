"""From a parsed `$filter` to a predicate on rows, and to the few rows worth asking."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pywats_green.testing.app.expressions import (
    Call,
    Compare,
    Field,
    Literal,
    Logical,
    Node,
    Not,
    Quantified,
)
from pywats_green.testing.app.moments import parse_datetime
from pywats_green.testing.app.odata import ODataError
from pywats_green.testing.app.table import Row, Table

Scope = dict[str, Any]
Value = Callable[[Scope], Any]
Resolver = Callable[[str], str | None]


def compile_filter(node: Node, resolve: Resolver) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate on rows.

    Args:
        node: The parsed expression.
        resolve: From a property's name to the row's field, or None where there is no such.

    Raises:
        ODataError: A property is unknown.
    """
    value = _compile(node, resolve, {})
    return lambda row: value({"": row}) is True


def candidates(node: Node, table: Table, resolve: Resolver) -> list[Row] | None:
    """Rows among which all matches are, found by index; None where only a full scan will do."""
    if isinstance(node, Compare) and node.operator == "eq":
        field, literal = node.left, node.right
        if isinstance(field, Literal):
            field, literal = literal, field
        if isinstance(field, Field) and isinstance(literal, Literal) and len(field.path) == 1:
            name = resolve(field.path[0])
            if name in table.indexes and isinstance(literal.value, str):
                return table.find(name, literal.value)
        return None
    if not isinstance(node, Logical):
        return None
    found = [candidates(term, table, resolve) for term in node.terms]
    if node.operator == "and":
        known = [rows for rows in found if rows is not None]
        return min(known, key=len) if known else None
    merged: dict[int, Row] = {}
    for rows in found:
        if rows is None:
            return None
        for row in rows:
            merged[row.sequence] = row
    return [merged[sequence] for sequence in sorted(merged)]


def _compile(node: Node, resolve: Resolver, variables: dict[str, str]) -> Value:
    if isinstance(node, Literal):
        constant = node.value
        return lambda _: constant
    if isinstance(node, Logical):
        return _logical(node, resolve, variables)
    if isinstance(node, Not):
        inner = _compile(node.term, resolve, variables)
        return lambda scope: inner(scope) is not True
    compilers: dict[type, Callable[..., Value]] = {
        Field: _field,
        Call: _call,
        Compare: _compare,
        Quantified: _quantified,
    }
    return compilers[type(node)](node, resolve, variables)


def _logical(node: Logical, resolve: Resolver, variables: dict[str, str]) -> Value:
    terms = [_compile(term, resolve, variables) for term in node.terms]
    if node.operator == "and":
        return lambda scope: all(term(scope) is True for term in terms)
    return lambda scope: any(term(scope) is True for term in terms)


def _field(node: Field, resolve: Resolver, variables: dict[str, str]) -> Value:
    head, *rest = node.path
    if head in variables:

        def of_variable(scope: Scope) -> Any:
            value = scope.get(head)
            for name in rest:
                value = _member(value, name)
            return value

        return of_variable
    name = resolve(head)
    if name is None:
        raise ODataError(f"Could not find a property named '{head}'.")

    def of_row(scope: Scope) -> Any:
        value = scope[""].get(name)
        for step in rest:
            value = _member(value, step)
        return value

    return of_row


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    lowered = name.lower()
    return next((item for key, item in value.items() if key.lower() == lowered), None)


def _call(node: Call, resolve: Resolver, variables: dict[str, str]) -> Value:
    first = _compile(node.arguments[0], resolve, variables)
    if node.name in ("tolower", "toupper", "trim"):
        return lambda scope: _changed(node.name, first(scope))
    second = _compile(node.arguments[1], resolve, variables)
    name = node.name

    def test(scope: Scope) -> bool | None:
        text, part = first(scope), second(scope)
        if text is None or part is None:
            return None
        text, part = str(text).lower(), str(part).lower()
        if name == "contains":
            return part in text
        return text.startswith(part) if name == "startswith" else text.endswith(part)

    return test


def _changed(name: str, value: Any) -> Any:
    if value is None:
        return None
    text = str(value)
    if name == "trim":
        return text.strip()
    return text.lower() if name == "tolower" else text.upper()


def _compare(node: Compare, resolve: Resolver, variables: dict[str, str]) -> Value:
    left = _compile(node.left, resolve, variables)
    right = _compile(node.right, resolve, variables)
    name = node.operator

    def test(scope: Scope) -> bool:
        return compare(name, left(scope), right(scope))

    return test


ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def compare(name: str, left: Any, right: Any) -> bool:
    """Compare two values as SQL Server does: strings without case, null equal to null alone.

    Raises:
        ODataError: The two have no order.
    """
    left, right = _comparable(left, right)
    if left is None or right is None:
        same = left is None and right is None
        return (name == "eq" and same) or (name == "ne" and not same)
    try:
        return bool(ORDER[name](left, right))
    except TypeError:
        raise ODataError("A binary operator with incompatible types was detected.") from None


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    if left is None or right is None:
        return left, right
    if isinstance(left, datetime) or isinstance(right, datetime):
        return _moment(left), _moment(right)
    if isinstance(left, str) or isinstance(right, str):
        return str(left).lower().rstrip(" "), str(right).lower().rstrip(" ")
    return left, right


def _moment(value: Any) -> Any:
    return parse_datetime(value) if isinstance(value, str) else value


def _quantified(node: Quantified, resolve: Resolver, variables: dict[str, str]) -> Value:
    collection = resolve(node.collection)
    if collection is None:
        raise ODataError(f"Could not find a property named '{node.collection}'.")
    if node.term is None:
        return lambda scope: bool(scope[""].get(collection))
    inner = _compile(node.term, resolve, {**variables, node.variable: collection})
    variable, kind = node.variable, node.kind

    def test(scope: Scope) -> bool:
        items = scope[""].get(collection) or []
        answers = (inner({**scope, variable: item}) is True for item in items)
        return any(answers) if kind == "any" else all(answers)

    return test
