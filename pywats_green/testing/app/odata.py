"""A parser for the OData `$filter` expressions that pywats sends."""

from __future__ import annotations

import re
from collections.abc import Callable

from pywats_green.testing.app.expressions import (
    Call,
    Compare,
    Field,
    Literal,
    Logical,
    Node,
    Not,
    Quantified,
    count_nodes,
)
from pywats_green.testing.app.moments import parse_datetime

NODE_LIMIT = 100
MAX_DEPTH = 50

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
FUNCTIONS = {"contains": 2, "startswith": 2, "endswith": 2, "tolower": 1, "toupper": 1, "trim": 1}


class ODataError(ValueError):
    """The expression is malformed or over the limits: answered with 400."""


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
    parser.end()
    # An OData server counts the clause and its range variable, too.
    if count_nodes(node) + 2 > NODE_LIMIT:
        raise ODataError(
            f"The node count limit of '{NODE_LIMIT}' has been exceeded. To increase the limit, "
            "set the 'MaxNodeCount' property on EnableQueryAttribute or ODataValidationSettings."
        )
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokenize(text)
        self._at = 0
        self._depth = 0

    def disjunction(self) -> Node:
        return self._chain("or", self._conjunction)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._error()

    def _conjunction(self) -> Node:
        return self._chain("and", self._negation)

    def _chain(self, operator: str, term: Callable[[], Node]) -> Node:
        terms = [term()]
        while self._takes("name", operator):
            terms.append(term())
        return terms[0] if len(terms) == 1 else Logical(operator, tuple(terms))

    def _negation(self) -> Node:
        inverted = False
        while self._takes("name", "not"):
            inverted = not inverted
        node = self._comparison()
        return Not(node) if inverted else node

    def _comparison(self) -> Node:
        left = self._operand()
        kind, text = self._peek()
        if kind == "name" and text.lower() in COMPARISONS:
            self._at += 1
            return Compare(text.lower(), left, self._operand())
        return left

    def _operand(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ODataError(f"The depth limit of '{MAX_DEPTH}' has been exceeded.")
        node = self._nested()
        self._depth -= 1
        return node

    def _nested(self) -> Node:
        kind, text = self._peek()
        self._at += 1
        if kind == "mark" and text == "(":
            node = self.disjunction()
            self._expect(")")
            return node
        if kind == "name":
            return self._named(text)
        literal = _literal(kind, text)
        if literal is None:
            self._at -= 1
            raise self._error()
        return literal

    def _named(self, text: str) -> Node:
        lowered = text.lower()
        if lowered in ("true", "false"):
            return Literal(lowered == "true")
        if lowered == "null":
            return Literal(None)
        if self._peek() == ("mark", "("):
            return self._call(lowered)
        path = [text]
        while self._takes("mark", "/"):
            kind, name = self._peek()
            if kind != "name":
                raise self._error()
            self._at += 1
            if self._peek() == ("mark", "(") and name.lower() in ("any", "all"):
                return self._quantified("/".join(path), name.lower())
            path.append(name)
        return Field(tuple(path))

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            raise ODataError(f"An unknown function with name '{name}' was found.")
        self._expect("(")
        arguments = [self._operand()]
        while self._takes("mark", ","):
            arguments.append(self._operand())
        self._expect(")")
        if len(arguments) != FUNCTIONS[name]:
            raise ODataError(f"The function '{name}' takes {FUNCTIONS[name]} argument(s).")
        return Call(name, tuple(arguments))

    def _quantified(self, collection: str, kind: str) -> Node:
        self._expect("(")
        if self._takes("mark", ")"):
            return Quantified(collection, kind, "", None)
        name_kind, variable = self._peek()
        if name_kind != "name":
            raise self._error()
        self._at += 1
        self._expect(":")
        term = self.disjunction()
        self._expect(")")
        return Quantified(collection, kind, variable, term)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _takes(self, kind: str, text: str) -> bool:
        found, value = self._peek()
        if found == kind and value.lower() == text:
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._takes("mark", mark):
            raise self._error()

    def _error(self) -> ODataError:
        return ODataError(f"Syntax error at token {self._at} in '{self._text}'.")


def _tokenize(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ODataError(f"Syntax error at position {at} in '{text}'.")
        tokens.append((found.lastgroup, found.group(found.lastgroup)))
        at = found.end()
    return tokens


def _literal(kind: str, text: str) -> Literal | None:
    if kind == "string":
        return Literal(text[1:-1].replace("''", "'"))
    if kind == "guid":
        return Literal(text)
    if kind == "date":
        moment = parse_datetime(text)
        if moment is None:
            raise ODataError(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.")
        return Literal(moment)
    if kind == "number":
        return _number(text)
    return None


def _number(text: str) -> Literal:
    try:
        return Literal(float(text) if set(text) & set(".eE") else int(text))
    except ValueError as exc:
        raise ODataError(f"Unrecognized number literal: {exc}") from None
