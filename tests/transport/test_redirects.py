"""Redirects follow httpx's rules, one by one; httpx is the reference."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest

from pywats_green.exceptions import TransportConnectError, TransportError
from pywats_green.transport import Transport
from pywats_green.transport import transport as transport_module
from pywats_green.transport.redirects import Step, next_step

from .servers import Seen, Server, reply

HEADERS = {
    "Authorization": "Basic token",
    "Content-Type": "application/json",
    "Accept": "application/json",
}
BODY = b'{"a":1}'


def redirect(status: int, location: str) -> Callable[[Seen], bytes]:
    """Return a handler that redirects /start, and answers all other requests."""

    def answer(seen: Seen) -> bytes:
        if seen.target.startswith("/start"):
            return reply(status, b"moved", [("Location", location)])
        return reply(200, seen.target.encode())

    return answer


def by_httpx(url: str, method: str, path: str) -> tuple[Any, ...]:
    body = None if method == "GET" else BODY
    with httpx.Client(base_url=url, headers=HEADERS, follow_redirects=True) as client:
        try:
            response = client.request(method, path, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return ("error", str(exc))
        return (response.status_code, response.content)


def by_green(transport: Transport, method: str, path: str) -> tuple[Any, ...]:
    body = None if method == "GET" else BODY
    try:
        answer = transport.request(method, path, None, HEADERS, body, 5.0)
    except TransportError as exc:
        return ("error", str(exc))
    return (answer.status, answer.content)


def essence(seen: Seen) -> tuple[Any, ...]:
    names = ("host", "authorization", "content-type", "content-length")
    cookies = sorted(seen.headers.get("cookie", "").split("; "))  # their order means nothing
    values = [seen.headers.get(name) for name in names]
    return (seen.method, seen.target, seen.body, cookies, *values)


def compare(
    connect: Callable[..., Transport], server: Server, method: str, path: str, *others: Server
) -> list[Seen]:
    """Make the same call with httpx and green; return what the servers saw of green's."""
    servers = (server, *others)
    expected = by_httpx(server.url, method, path)
    theirs = [[essence(seen) for seen in each.seen] for each in servers]
    for each in servers:
        each.seen.clear()
    assert by_green(connect(server.url), method, path) == expected
    assert [[essence(seen) for seen in each.seen] for each in servers] == theirs
    return [seen for each in servers for seen in each.seen]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_status_and_method_decide_method_and_body(
    status: int, method: str, connect: Callable[..., Transport]
) -> None:
    with Server(redirect(status, "/there")) as server:
        compare(connect, server, method, "/start")


@pytest.mark.parametrize(
    "location",
    [
        "there",
        "/there",
        "../there",
        "/there?x=1&y=%2f",
        "?q=1",
        "",
        "/there#fragment",
        "#fragment",
        "/a b/ü",
        "/%zz%2f",
        "//127.0.0.1:{port}/there",
        "http://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/there",
        "HTTP://127.0.0.1:{port}/there",
        "http://user:word@127.0.0.1:{port}/there",
        "http://localhost:{port}/there",
        "http://[broken",
        "http://127.0.0.1:port/",
        "http://exa mple/",
        "http://",
        "ftp://127.0.0.1/there",
        "mailto:someone@example.com",
        "javascript:alert(1)",
    ],
)
def test_location_is_read_as_httpx_reads_it(
    location: str, connect: Callable[..., Transport]
) -> None:
    with Server() as server:
        server.answer = redirect(302, location.format(port=server.port))
        # An endless loop where the location leads back to the start is part of the comparison.
        compare(connect, server, "GET", "/start/here?a=1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_goes_to_no_other_origin(status: int, connect: Callable[..., Transport]) -> None:
    with Server() as other, Server(redirect(status, f"{other.url}/there")) as server:
        seen = compare(connect, server, "POST", "/start", other)
    assert [each.headers.get("authorization") for each in seen] == ["Basic token", None]


def test_the_token_stays_on_the_same_origin(connect: Callable[..., Transport]) -> None:
    with Server(redirect(307, "/there")) as server:
        seen = compare(connect, server, "POST", "/start")
    assert [each.headers.get("authorization") for each in seen] == ["Basic token", "Basic token"]
    assert [each.body for each in seen] == [BODY, BODY]


@pytest.mark.parametrize(
    ("here", "there", "may_keep"),
    [
        ("http://wats.example", "https://wats.example", True),
        ("http://wats.example", "https://wats.example:443", True),
        ("http://wats.example", "https://wats.example:8443", False),
        ("http://wats.example:8080", "https://wats.example", False),
        ("https://wats.example", "http://wats.example", False),
        ("http://wats.example", "http://wats.example:80", True),
        ("http://wats.example", "https://evil.example", False),
    ],
)
def test_the_token_may_move_from_http_to_https_of_the_same_host(
    here: str, there: str, may_keep: bool
) -> None:
    step = Step("GET", here, "/start", {"authorization": "Basic token"}, None)
    following = next_step(step, 302, {"location": f"{there}/there"})
    assert following is not None
    assert ("authorization" in following.headers) == may_keep


def test_twenty_redirects_are_followed(connect: Callable[..., Transport]) -> None:
    with Server(lambda seen: count_down(seen, 20)) as server:
        assert len(compare(connect, server, "GET", "/start")) == 21


def test_the_twenty_first_is_refused(connect: Callable[..., Transport]) -> None:
    with Server(lambda seen: count_down(seen, 21)) as server:
        assert len(compare(connect, server, "GET", "/start")) == 21
        with pytest.raises(TransportError, match=r"^Exceeded maximum allowed redirects\.$"):
            connect(server.url).request("GET", "/start", None, {}, None, 5.0)


def count_down(seen: Seen, length: int) -> bytes:
    done = int(seen.target.rpartition("?")[2]) if "?" in seen.target else 0
    if done == length:
        return reply(200)
    return reply(302, b"", [("Location", f"/step?{done + 1}")])


def test_a_cookie_set_by_the_redirect_is_sent_on_the_next_step(
    connect: Callable[..., Transport],
) -> None:
    def answer(seen: Seen) -> bytes:
        if seen.target == "/start":
            headers = [("Location", "/there"), ("Set-Cookie", "sid=1"), ("Set-Cookie", "b=2")]
            return reply(302, b"", headers)
        return reply()

    with Server(answer) as server:
        seen = compare(connect, server, "GET", "/start")
    assert [each.headers.get("cookie") for each in seen] == [None, "sid=1; b=2"]


def test_a_cookie_header_of_the_caller_is_not_sent_on(connect: Callable[..., Transport]) -> None:
    with Server(redirect(302, "/there")) as server:
        connect(server.url).request("GET", "/start", None, {"Cookie": "mine=1"}, None, 5.0)
    assert [seen.headers.get("cookie") for seen in server.seen] == ["mine=1", None]


def test_a_redirect_out_of_reach_is_a_connect_error(connect: Callable[..., Transport]) -> None:
    with Server() as gone:
        pass
    with Server(redirect(302, f"{gone.url}/there")) as server:
        compare(connect, server, "GET", "/start")


def test_what_was_said_of_a_body_or_a_host_goes_with_it() -> None:
    given = {"Content-Length": "1", "transfer-encoding": "chunked", "Host": "one", "X-A": "1"}
    step = Step("POST", "http://one.example", "/start", given, [b"a"])
    there = {"location": "http://other.example/there"}
    followed, again = next_step(step, 303, there), next_step(step, 307, {"location": "/there"})
    assert followed is not None
    assert again is not None
    assert (followed.method, followed.body, followed.headers) == ("GET", None, {"X-A": "1"})
    assert (again.body, again.headers) == ([b"a"], given)


def test_redirects_to_ever_new_origins_pile_nothing_up(
    connect: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "MOST_ORIGINS", 5)
    ports = count(1)

    def answer(seen: Seen) -> bytes:
        return redirect(302, f"http://127.0.0.1:{next(ports)}/")(seen)

    with Server(answer) as server:
        transport = connect(server.url)
        for _ in range(20):
            with pytest.raises(TransportConnectError):
                transport.request("GET", "/start", None, {}, None, 5.0)
            assert len(transport._pools) <= 5
        assert len(server.seen) == 20
