"""The OData parser and its comparisons, without a server."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pywats.shared.odata import escape_string, format_value

from pywats_green.testing.app.odata.evaluate import candidates, compile_filter
from pywats_green.testing.app.odata.syntax import (
    COMPARISONS,
    Field,
    Literal,
    Node,
    ODataError,
    Operation,
    Quantified,
    parse,
)
from pywats_green.testing.app.table import Table

ROWS: list[dict[str, Any]] = [
    {"name": "Alpha", "count": 1, "ok": True, "when": "2024-01-01T10:00:00Z", "code": "100"},
    {"name": "beta", "count": 2, "ok": False, "when": "2024-06-01T10:00:00.5Z", "code": "200"},
    {"name": "O'Neil", "count": 3, "ok": True, "when": None, "code": None},
    {
        "name": "with (parens) and or",
        "count": -4,
        "ok": True,
        "when": "2025-01-01",
        "code": "300",
        "parts": [{"pn": "X"}, {"pn": "Y"}],
    },
]


def names(text: str) -> list[str]:
    fields = {"name", "count", "ok", "when", "code", "parts"}
    lowered = {field.lower(): field for field in fields}
    matches = compile_filter(parse(text), lambda name: lowered.get(name.lower()))
    return [row["name"][:5] for row in ROWS if matches(row)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name eq 'ALPHA'", ["Alpha"]),
        ("NAME eq 'alpha'", ["Alpha"]),
        ("'alpha' eq name", ["Alpha"]),
        ("name ne 'alpha'", ["beta", "O'Nei", "with "]),
        ("name eq 'O''neil'", ["O'Nei"]),
        ("name eq 'with (parens) and or'", ["with "]),
        ("count gt 1", ["beta", "O'Nei"]),
        ("count ge 2 and count le 2", ["beta"]),
        ("count lt -3.5", ["with "]),
        ("ok eq true and not (count eq 1)", ["O'Nei", "with "]),
        ("ok eq false or name eq 'alpha' and count eq 1", ["Alpha", "beta"]),
        ("(ok eq false or name eq 'alpha') and count eq 1", ["Alpha"]),
        ("when eq null", ["O'Nei"]),
        ("when ne null", ["Alpha", "beta", "with "]),
        ("when gt 2024-06-01T10:00:00Z", ["beta", "with "]),
        ("when eq 2024-01-01T11:00:00+01:00", ["Alpha"]),
        ("when lt 2024-02-01", ["Alpha"]),
        ("code eq 100", ["Alpha"]),
        ("code eq '100'", ["Alpha"]),
        ("contains(name, 'ET')", ["beta"]),
        ("startswith(name, 'al') or endswith(name,'NEIL')", ["Alpha", "O'Nei"]),
        ("tolower(name) eq 'beta'", ["beta"]),
        ("contains(code, '1')", ["Alpha"]),
        ("parts/any(p: p/pn eq 'x')", ["with "]),
        ("parts/any()", ["with "]),
        ("parts/any(p: p/pn eq 'x' and p/pn eq 'y')", []),
        ("parts/all(p: p/PN ne 'z') and count lt 0", ["with "]),
        ("false", []),
        ("not false and count eq 1", ["Alpha"]),
        ("name eq 0000000a-0000-4000-8000-000000000001", []),
    ],
)
def test_filters_select_rows(text: str, found: list[str]) -> None:
    assert names(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name eq",
        "name eq 'open",
        "eq 'x'",
        "(name eq 'x'",
        "name eq 'x')",
        "name eq 'x' and",
        "name = 'x'",
        "name in ('a','b')",
        "contains(name)",
        "length(name) eq 3",
        "when gt 2024-13-01",
        "parts/any(p p/pn eq 'x')",
        "name eq 'a' 'b'",
        "nothing eq 1",
        "nothing/any()",
        "(" * 60 + "true" + ")" * 60,
        "tolower(" * 60 + "name" + ")" * 60,
    ],
)
def test_what_is_not_odata_is_refused(text: str) -> None:
    with pytest.raises(ODataError):
        names(text)


def test_incompatible_types_are_refused() -> None:
    with pytest.raises(ODataError, match="incompatible"):
        names("parts gt 3")


@pytest.mark.parametrize(
    ("pattern", "most"),
    [("name eq 'K{}'", 19), ("(name eq 'K{0}' and code eq 'C{0}')", 9)],
)
def test_the_node_limit_is_that_of_an_odata_server(pattern: str, most: int) -> None:
    clauses = [pattern.format(number) for number in range(most + 1)]
    parse(" or ".join(clauses[:most]))
    with pytest.raises(ODataError, match="node count limit of '100'"):
        parse(" or ".join(clauses))


unhurried = settings(deadline=None, database=None)
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
fields = st.text(string.ascii_letters, min_size=2, max_size=8).filter(
    lambda name: (
        name.lower()
        not in {"and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "true", "false", "null"}
    )
)
literals = st.one_of(
    texts.map(Literal),
    st.integers(-(10**12), 10**12).map(Literal),
    st.booleans().map(Literal),
    st.none().map(Literal),
)
terms: st.SearchStrategy[Node] = st.one_of(
    st.builds(
        lambda name, field, literal: Operation(name, (Field((field,)), literal)),
        st.sampled_from(sorted(COMPARISONS)),
        fields,
        literals,
    ),
    st.builds(
        lambda name, field, text: Operation(name, (Field((field,)), Literal(text))),
        st.sampled_from(["contains", "startswith", "endswith"]),
        fields,
        texts,
    ),
)


def is_not(node: Node) -> bool:
    return isinstance(node, Operation) and node.name == "not"


nodes = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(
            lambda term: Operation("not", (term,)), inner.filter(lambda node: not is_not(node))
        ),
        st.builds(
            lambda name, terms: Operation(name, tuple(terms)),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        ),
        st.builds(lambda name, term: Quantified(name, "any", "v", term), fields, inner),
    ),
    max_leaves=5,
)


def render(node: Node) -> str:
    if isinstance(node, Literal):
        return format_value(node.value)
    if isinstance(node, Field):
        return node.path[0]
    if isinstance(node, Quantified):
        assert node.term is not None
        return f"{node.collection}/{node.kind}({node.variable}: {render(node.term)})"
    terms = [render(term) for term in node.terms]
    if node.name in ("and", "or"):
        return f" {node.name} ".join(f"({term})" for term in terms)
    if node.name in COMPARISONS:
        return f"{terms[0]} {node.name} {terms[1]}"
    return f"{node.name} ({', '.join(terms)})"


@unhurried
@given(nodes)
def test_what_is_rendered_is_parsed_back(node: Node) -> None:
    assert parse(render(node)) == node


@unhurried
@given(st.text(max_size=60) | st.text("()'= aeqornd1,/:", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except ODataError:
        return


@unhurried
@given(st.lists(texts, min_size=1, max_size=8), texts)
def test_upstreams_escaping_finds_exactly_the_key(keys: list[str], other: str) -> None:
    table = Table("key")
    for key in keys:
        table.add({"key": key})
    wanted = keys[0]
    node = parse(f"key eq '{escape_string(wanted)}' or key eq '{escape_string(other)}'")
    rows = candidates(node, table, table.field_name)
    assert rows is not None
    matches = compile_filter(node, table.field_name)
    by_index = [row["key"] for row in rows if matches(row)]
    by_scan = [row["key"] for row in table if matches(row)]
    assert by_index == by_scan
    assert wanted in by_index
    folded = {text.lower().rstrip(" ") for text in (wanted, other)}
    assert all(key.lower().rstrip(" ") in folded for key in by_index)
