"""Tokens and passwords in URLs never appear in anything that may be logged."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable

import pytest

from pywats_green.exceptions import TransportError
from pywats_green.transport import Transport
from pywats_green.transport.redirects import Step

from .servers import Server, reply, reset

Connect = Callable[..., Transport]
TOKEN = "c2VjcmV0LXRva2Vu"
HEADERS = {"Authorization": f"Basic {TOKEN}"}
PASSWORD = "pass-word"


def texts_of(error: BaseException) -> str:
    """Return repr, str and traceback of an error and its causes."""
    seen: list[str] = []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is not None:
            seen += [repr(each), str(each), *map(repr, each.args)]
            todo += [each.__cause__, each.__context__]
    return "\n".join([*seen, *traceback.format_exception(error)])


def check(caplog: pytest.LogCaptureFixture, *texts: str) -> None:
    logged = [f"{record.getMessage()} {record.args!r}" for record in caplog.records]
    for text in [*texts, *logged, caplog.text]:
        assert TOKEN not in text
        assert PASSWORD not in text


def reset_at_once(sock: socket.socket) -> None:
    sock.recv(10_000)
    reset(sock)


HANDLERS: dict[str, Callable[[socket.socket], object]] = {
    "plain": lambda sock: sock.sendall(reply(200, b"{}", [("Connection", "close")])),
    "reset": reset_at_once,
    "closed": lambda sock: sock.recv(10_000),
    "cut": lambda sock: sock.sendall(reply()[:-1]),
    "no HTTP": lambda sock: sock.sendall(b"hello\r\n"),
    "redirect": lambda sock: sock.sendall(reply(302, b"", [("Location", "ftp://x")])),
}


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_calls_and_their_errors(
    name: str, scheme: str, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(handle=HANDLERS[name]) as server:
        url = server.url.replace("http://", f"{scheme}://user:{PASSWORD}@")
        transport = connect(url)
        shown = repr(transport)
        try:
            transport.request("GET", "/x", None, HEADERS, None, 5.0)
        except TransportError as exc:
            shown += texts_of(exc)
        check(caplog, shown, repr(transport), repr(transport._pools), str(transport._pools))


@pytest.mark.parametrize("url", ["http://user:{}@127.0.0.1:1", "http://user:{}@[", "user:{}@x"])
def test_urls_that_lead_nowhere(
    url: str, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = connect(url.format(PASSWORD))
    with pytest.raises(Exception) as caught:  # noqa: PT011  # some are httpx's
        transport.request("GET", "/x", None, HEADERS, None, 5.0)
    check(caplog, texts_of(caught.value), repr(transport))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("port", ["1", "port"])
def test_proxies_that_lead_nowhere(
    scheme: str,
    port: str,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:{PASSWORD}@127.0.0.1:{port}")
    transport = connect(f"{scheme}://wats.example")
    with pytest.raises(TransportError) as caught:
        transport.request("GET", "/x", None, HEADERS, None, 5.0)
    check(caplog, texts_of(caught.value), repr(transport))


@pytest.mark.parametrize("mark", ["\n", "\r", "\u2028", "\u20ac"])
def test_a_token_that_cannot_be_sent(
    mark: str, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Server() as server:
        headers = {"Authorization": f"Basic {TOKEN}{mark}x"}
        with pytest.raises(TransportError, match="characters illegal in HTTP") as caught:
            connect(server.url).request("GET", "/x", None, headers, None, 5.0)
        assert server.seen == []
    check(caplog, texts_of(caught.value))


def test_a_step_shows_no_headers() -> None:
    assert TOKEN not in repr(Step("GET", "http://x", "/", HEADERS, None))
