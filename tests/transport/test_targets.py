"""Request targets equal httpx's, byte for byte."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pywats_green.exceptions import TransportConnectError, TransportError
from pywats_green.transport import Transport
from pywats_green.transport.writing import Origin

from .servers import Server

BASES = [
    "http://wats.example",
    "https://wats.example:8443",
    "http://wats.example/some/prefix",
    "http://wats.example/pre fix/ü",
    "http://wats.example/a%20b?x=1",
    "http://[::1]:8080/p",
    "HTTP://WATS.Example:80/P/",
    "http://bücher.example",
    "http://user:pa%20ss@wats.example/p",
]
CLIENTS = {
    base: httpx.Client(base_url=base, transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    for base in BASES
}

characters = st.one_of(
    st.sampled_from("/.%?#&=+ '\"<>|\\^`{}[]~:@!$()*,;-_" + string.ascii_letters + string.digits),
    st.characters(exclude_categories=["Cs"]),
)
segments = st.sampled_from(["..", ".", "//", "%2f", "%zz", "%", "%20", "PN 1", "api", "Ærø 50%"])
paths = st.lists(st.one_of(characters, segments), max_size=12).map("".join)
scalars = st.one_of(
    st.text(max_size=8),
    st.booleans(),
    st.none(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "it's", "a&b=c", "$filter", "100%", "%20", "é", "a+b", "1/2", "#"]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.tuples(scalars))
params = st.one_of(st.none(), st.dictionaries(st.text(max_size=8), values, max_size=4))


def outcome(make: Callable[[], str]) -> tuple[str, ...]:
    try:
        return (make(),)
    except Exception as exc:  # noqa: BLE001  # whatever it is, both must raise it
        return (type(exc).__name__, str(exc))


def by_httpx(base: str, endpoint: str, query: dict[str, Any] | None) -> str:
    request = CLIENTS[base].build_request("GET", endpoint, params=query)
    return request.url.raw_path.decode("ascii")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(BASES), paths, params)
@example("http://wats.example", "/api/Product/Ærø 50%", None)
@example("http://wats.example", "/api/Product/a%2fb", {"x": "%2f"})
@example("http://wats.example", "/api/../x//y/./z", {})
@example("http://wats.example", "/api/Query?processCode=1", None)
@example("http://wats.example", "/api/Query?processCode=1", {})
@example("http://wats.example", "/api/Query?processCode=1", {"a": []})
@example("http://wats.example", "/api/Query", {"a": [True, None, 1.5], "b": False, "c": ""})
@example("http://wats.example", "//elsewhere.example/x", None)
@example("http://wats.example", "/tab\there", None)
def test_targets_and_their_errors_are_those_of_httpx(
    base: str, endpoint: str, query: dict[str, Any] | None
) -> None:
    endpoint = endpoint if endpoint.startswith("/") else f"/{endpoint}"
    expected = outcome(lambda: by_httpx(base, endpoint, query))
    assert outcome(lambda: Origin(base).target(endpoint, query)) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=6), min_size=1
    ).map(lambda parts: "/" + "/".join(parts)),
    params,
)
def test_plain_paths_take_the_short_way_to_the_same_target(
    endpoint: str, query: dict[str, Any] | None
) -> None:
    base = "http://wats.example/some/prefix"
    assert Origin(base).target(endpoint, query) == by_httpx(base, endpoint, query)


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("/" + "a" * 70_000, None),
        ("/api/x", {"filter": "a" * 70_000}),
        ("/api/x", {"filter": "a" * 20_000}),
    ],
)
def test_very_long_targets_end_as_with_httpx(endpoint: str, query: dict[str, Any] | None) -> None:
    base = "http://wats.example"
    expected = outcome(lambda: by_httpx(base, endpoint, query))
    assert outcome(lambda: Origin(base).target(endpoint, query)) == expected


@pytest.mark.parametrize("base", ["wats.example", "wats.example/api", "/only/path", "", "://x"])
def test_a_base_url_without_scheme_says_how_to_write_it(base: str) -> None:
    with pytest.raises(TransportError, match=r"missing an 'http://' .* https://your-wats-server"):
        Origin(base)


@pytest.mark.parametrize("base", ["ftp://wats.example", "wats.example:80", "file:///x"])
def test_another_scheme_is_refused_in_httpxs_words(base: str) -> None:
    with (
        httpx.Client(base_url=base) as client,
        pytest.raises(httpx.UnsupportedProtocol) as expected,
    ):
        client.get("/x")
    with pytest.raises(TransportError) as caught:
        Origin(base)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("base", ["http://", "https:///x", "http://wats.example:99999"])
def test_a_base_url_that_leads_nowhere_is_a_connect_error(base: str) -> None:
    with pytest.raises(TransportConnectError):
        Origin(base)


@pytest.mark.parametrize("base", ["http://[::1", "http://wats.example:no"])
def test_what_is_no_url_is_refused_in_httpxs_words(base: str) -> None:
    expected = outcome(lambda: str(httpx.URL(base)))
    assert expected[0] == "InvalidURL"
    assert outcome(lambda: Origin(base).root) == expected


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("/api/Product/Ærø 50%", None),
        ("/api/Product/a%2fb|c\"d'<>{}^`\\", None),
        ("/api/Product/x", {"$filter": "partNumber eq 'it''s 50%'", "top": [1, 2], "ok": True}),
        ("/api/../Product//x", None),
        ("/api/Product/x?a=b c%2f", None),
        ("/api/Product/x#y", {"a": None}),
    ],
)
def test_the_wire_carries_what_httpx_would_send(
    endpoint: str, query: dict[str, Any] | None, connect: Callable[..., Transport]
) -> None:
    headers = {"Authorization": "Basic token", "Content-Type": "application/json"}
    with Server() as server:
        base = f"{server.url}/wats"
        connect(base).request("PUT", endpoint, query, headers, None, 5.0)
        with httpx.Client(base_url=base) as client:
            client.request("PUT", endpoint, params=query, headers=headers)
    ours, theirs = server.seen
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    names = ("host", "authorization", "content-type", "content-length", "connection")
    assert {name: ours.headers.get(name) for name in names} == {
        name: theirs.headers.get(name) for name in names
    }


def test_user_info_of_the_base_url_replaces_the_token_as_with_httpx(
    connect: Callable[..., Transport],
) -> None:
    with Server() as server:
        transport = connect(server.url.replace("//", "//user:word@"))
        transport.request("GET", "/x", None, {"Authorization": "Basic token"}, None, 5.0)
    assert server.seen[0].headers["authorization"] == "Basic dXNlcjp3b3Jk"
    assert server.seen[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_methods_are_sent_in_upper_case_as_httpx_does(connect: Callable[..., Transport]) -> None:
    with Server() as server:
        connect(server.url).request("get", "/x", None, {}, None, 5.0)
    assert server.seen[0].method == "GET"
