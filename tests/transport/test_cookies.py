"""Cookies are stored per client, and sent back by httpx's rules."""

from __future__ import annotations

import copy
from collections.abc import Callable

import httpx
import pytest
from gevent.pool import Pool

from pywats_green.transport import Transport
from pywats_green.transport.cookies import Jar

from .servers import Seen, Server, reply

Connect = Callable[..., Transport]


def ask(transport: Transport, path: str = "/") -> None:
    transport.request("GET", path, None, {}, None, 5.0)


def sent(server: Server) -> list[str | None]:
    """Return the cookies of each request; httpx's order is arbitrary."""
    headers = [seen.headers.get("cookie") for seen in server.seen]
    return [header and "; ".join(sorted(header.split("; "))) for header in headers]


def setting(*cookies: str) -> Callable[[Seen], bytes]:
    """Return a handler that sets cookies only for /set."""

    def answer(seen: Seen) -> bytes:
        if not seen.target.startswith("/set"):
            return reply()
        return reply(200, b"{}", [("Set-Cookie", cookie) for cookie in cookies])

    return answer


@pytest.mark.parametrize(
    "cookies",
    [
        ["sid=1"],
        ["sid=1; Path=/; HttpOnly", "lb=node2; Path=/a"],
        ["sid=1; Path=/elsewhere"],
        ["sid=1; Secure"],
        ["sid=1; Domain=other.example"],
        ["sid=1; Max-Age=0"],
        ["sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
        ['sid="quoted value"'],
        ["nonsense", "=", "a=b=c"],
    ],
)
def test_what_is_sent_back_is_what_httpx_sends_back(cookies: list[str], connect: Connect) -> None:
    paths = ["/before", "/set", "/", "/a/b", "/set?x=1", "/a"]
    with Server(setting(*cookies)) as server:
        with httpx.Client(base_url=server.url) as client:
            for path in paths:
                client.get(path)
        expected = sent(server)
        server.seen.clear()
        transport = connect(server.url)
        for path in paths:
            ask(transport, path)
        assert sent(server) == expected


def test_clients_do_not_share_cookies(connect: Connect) -> None:
    with Server(setting("sid=1")) as server:
        one, other = connect(server.url), connect(server.url)
        ask(one, "/set")
        ask(other)
        ask(one)
    assert sent(server) == [None, None, "sid=1"]


def test_close_forgets_them_as_upstreams_client_does(connect: Connect) -> None:
    with Server(setting("sid=1")) as server:
        transport = connect(server.url)
        ask(transport, "/set")
        transport.close()
        ask(transport)
    assert sent(server) == [None, None]


def test_many_calls_at_once_keep_all_cookies(connect: Connect) -> None:
    def answer(seen: Seen) -> bytes:
        name = seen.target.removeprefix("/")
        return reply(200, b"{}", [("Set-Cookie", f"c{name}={name}")] if name else [])

    with Server(answer) as server:
        transport = connect(server.url)
        Pool(40).map(lambda number: ask(transport, f"/{number}"), range(200))
        server.seen.clear()
        ask(transport)
    (header,) = sent(server)
    assert header is not None
    assert sorted(header.split("; ")) == sorted(f"c{number}={number}" for number in range(200))


@pytest.mark.parametrize("by_requests", [False, True])
def test_a_cookie_without_a_path_does_not_pile_up_by_folder(
    connect: Connect, by_requests: bool
) -> None:
    def answer(seen: Seen) -> bytes:
        cookie = "login=1; Path=/" if seen.target.startswith("/login") else "sid=1"
        return reply(200, b"{}", [("Set-Cookie", cookie)])

    with Server(answer) as server:
        transport = connect(server.url)
        transport.session.params = {"a": "b"} if by_requests else {}
        ask(transport, "/login")
        for number in range(100):
            ask(transport, f"/unit{number}/x")
        server.seen.clear()
        ask(transport, "/unit99/x")
        ask(transport, "/unit0/x")
        jar = transport.session.cookies
        assert sorted(cookie.name for cookie in jar) == ["login"] + ["sid"] * 20
        (paths,) = jar._cookies.values()  # type: ignore[attr-defined]
        assert len(paths) == 21
    assert sent(server) == ["login=1; sid=1", "login=1"]


def test_a_server_that_invents_names_fills_no_memory(connect: Connect) -> None:
    with Server(
        lambda seen: reply(200, b"{}", [("Set-Cookie", f"c{seen.target[1:]}=1")])
    ) as server:
        transport = connect(server.url)
        for number in range(320):
            ask(transport, f"/{number}")
        jar = transport.session.cookies
        assert {cookie.name for cookie in jar} == {f"c{number}" for number in range(20, 320)}
        assert len(jar._sizes) == 300  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["c{}={}", "c{}=1; Path=/{}", "c{}=1; Unknown={}"])
def test_cookies_as_long_as_a_head_fill_no_memory(where: str, connect: Connect) -> None:
    def answer(seen: Seen) -> bytes:
        return reply(200, b"{}", [("Set-Cookie", where.format(seen.target[1:], "x" * 200_000))])

    with Server(answer) as server:
        transport = connect(server.url)
        for number in range(8):
            ask(transport, f"/{number}")
        assert {cookie.name for cookie in transport.session.cookies} == {"c4", "c5", "c6", "c7"}


def test_what_is_gone_takes_no_room() -> None:
    jar = Jar()
    jar.set("kept", "1", domain="a", path="/")
    for number in range(4):
        jar.set(f"c{number}", "x" * 240_000, domain="a", path="/", expires=1)
    jar.clear_expired_cookies()
    jar.set("last", "x" * 240_000, domain="a", path="/")
    assert {cookie.name for cookie in jar} == {"kept", "last"}


def test_what_was_set_last_stays_and_what_is_gone_is_no_matter() -> None:
    jar = Jar()
    for path in range(20):
        jar.set("sid", "1", domain="a", path=f"/{path}")
    jar.set("sid", "2", domain="a", path="/0")
    jar.clear("a", "/1", "sid")
    for path in (20, 21):
        jar.set("sid", "1", domain="a", path=f"/{path}")
    assert {cookie.path for cookie in jar} == {f"/{path}" for path in (0, *range(3, 22))}
    assert len(copy.deepcopy(jar)) == len(jar.copy()) == 20
    jar.clear()
    jar.set("sid", "1", domain="a", path="/")
    assert len(jar) == 1


def test_the_callers_own_cookies_go_in_their_place(connect: Connect) -> None:
    with Server(setting("sid=1")) as server:
        transport = connect(server.url)
        ask(transport, "/set")
        transport.request("GET", "/x", None, {"cookie": "mine=1"}, None, 5.0)
    assert sent(server) == [None, "mine=1"]
