"""Bodies are decoded as by `json.loads` and the email package, whichever parser is used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from email.message import Message
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pywats_green.upstream.client.answers import _charset, parse

numbers = st.one_of(
    st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.floats(-1e3, 1e3)
)
texts = st.text() | st.text(st.characters(), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)
written = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    values,
    st.booleans(),
    st.sampled_from([None, 1]),
)
MARKS = [
    "NaN", "-Infinity", "1e400", "-0", "-0.0", "0.1e-7", "\\ud800", "\\ud83d\\ude00", "\\u0000",
    "\x00", "\x7f", "\t", "\ufeff", "\u2028", ",", ":", "{", "}", "[", "]", '"', "\\", "/", " ",
    "\n", "\xa0", "1", "0", "-", "+", ".", "e", "true", "null", "a", "\ud800",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return mutated JSON text, in an encoding that json supports, or in none."""
    text = draw(written)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        mark = draw(st.sampled_from(MARKS))
        text = text[:start] + mark + text[start + draw(st.integers(0, 2)) :]
    usual = st.just("utf-8")
    encoding = draw(usual | st.sampled_from(["utf-8-sig", "utf-16", "utf-32-le", "latin-1"]))
    return text.encode(
        encoding,
        draw(st.sampled_from(["surrogatepass", "replace"])) if encoding != "latin-1" else "replace",
    )


def by_json(content: bytes) -> Any:
    """Decode like upstream: JSON, else text, else None."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace") or None


def same(ours: Any, theirs: Any) -> bool:
    """Compare, including types, signs of zero and the order of keys."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        signs = math.copysign(1.0, ours) == math.copysign(1.0, theirs)
        return signs and (ours == theirs or (math.isnan(ours) and math.isnan(theirs)))
    return bool(ours == theirs)


@settings(max_examples=100, deadline=None)
@given(written)
def test_values_are_those_of_json(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    assert same(parse(content, "application/json"), by_json(content))


@settings(max_examples=200, deadline=None)
@given(mutated())
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b'{"a": 1, "b": 2, "a": 3}')
@example(b"1e400")
@example(b"-1e400")
@example(b"-0")
@example(b'"\\ud800"')
@example(b"9" * 4_300)
@example(b"9" * 4_301)
@example(b"0." + b"1" * 5_000)
@example(b"[" * 300 + b"]" * 300)
@example("å".encode("utf-16"))
@example(b'"\xed\xa0\x80"')
def test_damage_is_judged_as_by_json(content: bytes) -> None:
    assert same(parse(content, None), by_json(content))


@pytest.mark.long
@pytest.mark.timeout(1_200)
@settings(max_examples=30_000, deadline=None)
@given(mutated())
def test_damage_is_judged_as_by_json_for_long(content: bytes) -> None:
    assert same(parse(content, None), by_json(content))


TYPES = [
    None, "", "text/plain", "text/plain; charset=latin-1", "text/plain;charset=UTF-8",
    'text/plain; charset="latin-1"', "text/plain; charset='latin-1'", "charset=latin-1",
    "text/plain; charset=latin-1; x=y", "text/plain; x=y; charset=latin-1",
    "text/plain; charset*=us-ascii'en'latin-1", "text/plain; charset =latin-1",
    "text/plain; charset= latin-1", "text/plain; charset=", "text/plain; xcharset=latin-1",
    "text/plain; CHARSET=Latin-1 ", 'text/plain; a="; charset=utf-16"', "text/plain; charset=no",
    "; charset=latin-1", "text/plain;; charset=latin-1", "text/plain; charset=lätin",
    "text/plain; charset*0=lat; charset*1=in-1", "text/plain, text/html; charset=latin-1",
]  # fmt: skip
pieces = st.sampled_from(["text/plain", ";", " ", "charset", "=", "utf-8", '"', "'", "*", "x", ","])


def by_email(content_type: str | None) -> str | None:
    message = Message()
    message["content-type"] = content_type or ""
    return message.get_content_charset()


@pytest.mark.parametrize("content_type", TYPES)
def test_the_charset_is_the_one_that_email_finds(content_type: str | None) -> None:
    assert _charset(content_type) == by_email(content_type)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join))
def test_any_charset_is_the_one_that_email_finds(content_type: str) -> None:
    assert _charset(content_type) == by_email(content_type)


CHARSETS = [
    "utf-8", "latin-1", "utf-16", "utf-7", "utf_8_sig", "cp037", "unicode_escape", "punycode", "no",
    "idna", "undefined", "hex", "rot13", "base64", "zlib", "uu", "quopri",
]  # fmt: skip


def outcome(make: Callable[[], object]) -> object:
    try:
        return make()
    except Exception as exc:  # noqa: BLE001  # the same one as httpx's
        return type(exc)


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("content", [b"plain", b"h\xe9llo \\x41 +AGE-", b"\xff\xfea\0b", b"\xc3"])
def test_text_is_decoded_or_refused_as_by_httpx(content: bytes, charset: str) -> None:
    headers = {"content-type": f"text/plain; charset={charset}"}
    response = httpx.Response(200, headers=headers, content=content)
    ours = outcome(lambda: parse(content, headers["content-type"]))
    assert ours == outcome(lambda: response.text or None)


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b"\xe5", "text/plain; charset=latin-1", "å"),
        (b"\xe5", "text/plain", "\ufffd"),
        (b"\xe5", "text/plain; charset=unknown", "\ufffd"),
        (b"plain", None, "plain"),
        (b"\xff\xfe", "text/plain; charset=utf-16", None),
    ],
)
def test_what_is_no_json_is_text(content: bytes, content_type: str, expected: str) -> None:
    assert parse(content, content_type) == expected
