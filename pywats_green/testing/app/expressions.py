"""The parts of an OData `$filter` expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Literal:
    """A constant: str, bool, int, float, datetime or None."""

    value: Any


@dataclass(frozen=True)
class Field:
    """A property; `path` holds more than one name for `variable/property`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A function of `FUNCTIONS`, its name in lower case."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Compare:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Logical:
    """A chain of `and` or of `or`."""

    operator: str
    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """The negation of a term."""

    term: Node


@dataclass(frozen=True)
class Quantified:
    """`collection/any(variable: term)`, or `all`; `any()` has no term."""

    collection: str
    kind: str
    variable: str
    term: Node | None


Node = Literal | Field | Call | Compare | Logical | Not | Quantified


def count_nodes(node: Node) -> int:
    """The size of an expression as OData servers count it."""
    size = 1
    parts: tuple[Node, ...] = ()
    if isinstance(node, Field):
        # The property, and the range variable that it belongs to.
        size = 1 + len(node.path)
    elif isinstance(node, Call):
        parts = node.arguments
    elif isinstance(node, Compare):
        parts = (node.left, node.right)
    elif isinstance(node, Logical):
        size, parts = len(node.terms) - 1, node.terms
    elif isinstance(node, Not):
        parts = (node.term,)
    elif isinstance(node, Quantified):
        size, parts = 2, () if node.term is None else (node.term,)
    return size + sum(count_nodes(part) for part in parts)
