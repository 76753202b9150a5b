"""A parser for the OData `$filter` expressions that pywats sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

NODE_LIMIT = 100
MAX_DEPTH = 50

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
FUNCTIONS = {"contains": 2, "startswith": 2, "endswith": 2, "tolower": 1, "toupper": 1, "trim": 1}
"""The functions, and how many arguments each takes."""


class ODataError(ValueError):
    """The expression is malformed or above the limits; answered with 400."""


@dataclass(frozen=True)
class Literal:
    """A constant: str, bool, int, float, datetime or None."""

    value: Any


@dataclass(frozen=True)
class Field:
    """A property; `path` has more than one name for `variable/property`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """`and` and `or` with all their terms, `not`, a comparison, or a function."""

    name: str
    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Quantified:
    """`collection/any(variable: term)`, or `all`; `any()` has no term."""

    collection: str
    kind: str
    variable: str
    term: Node | None


Node = Literal | Field | Operation | Quantified


def count_nodes(node: Node | None) -> int:
    """Return the size of an expression, as counted by OData servers."""
    if isinstance(node, Field):
        # The property and its range variable.
        return 1 + len(node.path)
    if isinstance(node, Quantified):
        return 2 + count_nodes(node.term)
    if isinstance(node, Operation):
        own = len(node.terms) - 1 if node.name in ("and", "or") else 1
        return own + sum(count_nodes(term) for term in node.terms)
    return 0 if node is None else 1


_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>[(),/:])
    )""",
    re.VERBOSE | re.ASCII,
)
_CONSTANTS = {"true": Literal(True), "false": Literal(False), "null": Literal(None)}


def parse_datetime(text: str) -> datetime | None:
    """Parse an ISO date or time as UTC, also without a zone. None: it is neither."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    day, minute, second, fraction, zone = found.groups("")
    zone = "+00:00" if zone in ("", "Z") else zone
    try:
        return datetime.fromisoformat(
            f"{day}T{minute or '00:00'}:{second or '00'}.{fraction[:6]:0<6}{zone}"
        )
    except ValueError:
        return None


def parse(text: str) -> Node:
    """Parse a `$filter` expression.

    Args:
        text: The decoded expression.

    Returns:
        The root of the expression.

    Raises:
        ODataError: The expression is malformed, or has more than `NODE_LIMIT` nodes.
    """
    parser = _Parser(text)
    node = parser.disjunction()
    if parser.kind != "end":
        raise parser.error()
    # OData servers also count the clause and its range variable.
    if count_nodes(node) + 2 > NODE_LIMIT:
        raise ODataError(
            f"The node count limit of '{NODE_LIMIT}' has been exceeded. To increase the limit, "
            "set the 'MaxNodeCount' property on EnableQueryAttribute or ODataValidationSettings."
        )
    return node


class _Parser:
    """A recursive descent parser; `kind` and `word` are the next token."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._end = 0
        self._depth = 0
        self.kind = self.word = ""
        self._advance()

    def disjunction(self) -> Node:
        return self._chain("or", self._conjunction)

    def error(self) -> ODataError:
        return ODataError(f"Syntax error at position {self._end} in '{self._text}'.")

    def _advance(self) -> str:
        """Consume a token and return it."""
        taken = self.word
        if self._end == len(self._text):
            self.kind, self.word = "end", ""
            return taken
        found = _TOKEN.match(self._text, self._end)
        if found is None or found.lastgroup is None:
            raise ODataError(f"Syntax error at position {self._end} in '{self._text}'.")
        self.kind, self.word = found.lastgroup, found[found.lastgroup]
        self._end = found.end()
        return taken

    def _takes(self, kind: str, word: str) -> bool:
        if self.kind != kind or self.word.lower() != word:
            return False
        self._advance()
        return True

    def _expect(self, kind: str, word: str | None = None) -> str:
        if self.kind != kind or word not in (None, self.word):
            raise self.error()
        return self._advance()

    def _conjunction(self) -> Node:
        return self._chain("and", self._negation)

    def _chain(self, name: str, term: Callable[[], Node]) -> Node:
        terms = [term()]
        while self._takes("name", name):
            terms.append(term())
        return terms[0] if len(terms) == 1 else Operation(name, tuple(terms))

    def _negation(self) -> Node:
        inverted = False
        while self._takes("name", "not"):
            inverted = not inverted
        node = self._comparison()
        return Operation("not", (node,)) if inverted else node

    def _comparison(self) -> Node:
        left = self._operand()
        if self.kind == "name" and self.word.lower() in COMPARISONS:
            return Operation(self._advance().lower(), (left, self._operand()))
        return left

    def _operand(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ODataError(f"The depth limit of '{MAX_DEPTH}' has been exceeded.")
        if self._takes("mark", "("):
            node = self.disjunction()
            self._expect("mark", ")")
        elif self.kind == "name":
            node = self._named(self._advance())
        else:
            node = self._literal()
        self._depth -= 1
        return node

    def _literal(self) -> Literal:
        kind, text = self.kind, self.word
        if kind not in ("string", "guid", "date", "number"):
            raise self.error()
        self._advance()
        if kind == "string":
            return Literal(text[1:-1].replace("''", "'"))
        if kind == "date":
            moment = parse_datetime(text)
            if moment is None:
                raise ODataError(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.")
            return Literal(moment)
        if kind == "guid":
            return Literal(text)
        try:
            return Literal(float(text) if set(text) & set(".eE") else int(text))
        except ValueError as exc:
            raise ODataError(f"Unrecognized number literal: {exc}") from None

    def _named(self, name: str) -> Node:
        lowered = name.lower()
        if lowered in _CONSTANTS:
            return _CONSTANTS[lowered]
        if self._takes("mark", "("):
            return self._call(lowered)
        path = [name]
        while self._takes("mark", "/"):
            path.append(self._expect("name"))
            if path[-1].lower() in ("any", "all") and self._takes("mark", "("):
                return self._quantified("/".join(path[:-1]), path[-1].lower())
        return Field(tuple(path))

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            raise ODataError(f"An unknown function with name '{name}' was found.")
        terms = [self._operand()]
        while self._takes("mark", ","):
            terms.append(self._operand())
        self._expect("mark", ")")
        if len(terms) != FUNCTIONS[name]:
            raise ODataError(f"The function '{name}' takes {FUNCTIONS[name]} argument(s).")
        return Operation(name, tuple(terms))

    def _quantified(self, collection: str, kind: str) -> Node:
        if self._takes("mark", ")"):
            return Quantified(collection, kind, "", None)
        variable = self._expect("name")
        self._expect("mark", ":")
        term = self.disjunction()
        self._expect("mark", ")")
        return Quantified(collection, kind, variable, term)
