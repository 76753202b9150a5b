"""What a process does in a fleet, seen from inside."""

import hashlib
import logging
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from gevent.socket import create_connection
from pywats import pyWATS
from pywats.core.throttle import RateLimiter, configure_throttling
from typed import present
from waiting import until

from fleet.conftest import LIMIT
from fleet.engine import Engine, binary
from fleet.stations import Station, join, run_all, seated, states
from pywats_green import configure, settings, stats
from pywats_green.exceptions import AdmissionTimeoutError, SettingsError
from pywats_green.fleet.link import Link, LinkError
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import admission, epochs
from pywats_green.upstream.client import fleet as joining


@pytest.fixture
def joined(warm: Engine) -> Iterator[Engine]:
    configure(fleet=warm.url, admission_timeout=1.0)
    yield warm
    configure(fleet=None, admission_timeout=None)
    joining.local.joined.member.leave()


def _everything(engine: Engine) -> str:
    """All keys and values of a server."""
    link = Link(engine.url)
    read = {
        "hash": ("HGETALL",), "zset": ("ZRANGE", 0, -1), "string": ("GET",),
    }  # fmt: skip
    found = []
    for key in link.ask("KEYS", "*"):
        command, *bounds = read[link.ask("TYPE", key).decode()]
        found.append(f"{key} {link.ask(command, key, *bounds)}")
    return "\n".join(found)


def test_each_server_and_each_token_has_its_own_limit(server: WatsServer, joined: Engine) -> None:
    configure_throttling(3, 600.0)
    with WatsServer() as other:
        places = [
            (server.url, server.token), (server.url, server.second_token), (other.url, other.token),
        ]  # fmt: skip
        for url, token in places:
            api = pyWATS(url, token, enable_cache=False)
            for number in range(3):
                assert api.product.get_product(f"PN-{number:05}")
            with pytest.raises(AdmissionTimeoutError, match="limit of 3 requests"):
                api.product.get_product("PN-00003")
            again = pyWATS(url, token, enable_cache=False)
            with pytest.raises(AdmissionTimeoutError):
                again.product.get_product("PN-00003")
        assert len(stats()["fleet"]) == 3
        kept = _everything(joined)
        for _, token in places:
            assert token not in kept


def test_a_second_client_of_a_token_costs_no_second_fingerprint(
    server: WatsServer, joined: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def counted(*args: Any) -> bytes:
        rounds.append(args)
        return pbkdf2(*args)

    pbkdf2 = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    for _ in range(2):
        api = pyWATS(server.url, server.token, enable_cache=False)
        assert api.product.get_product("PN-00000")
    assert len(rounds) <= 1


def test_a_process_leaves_and_comes_back(server: WatsServer, joined: Engine) -> None:
    configure_throttling(3, 600.0)
    api = pyWATS(server.url, server.token, enable_cache=False)
    assert api.product.get_product("PN-00000")
    before = joining.local.joined
    configure(fleet=None)
    before.member.poke()
    until(lambda: before.member.has_left, "it to leave")
    configure(fleet=joined.url)
    assert api.product.get_product("PN-00001")
    assert joining.local.joined is not before
    (state,) = stats()["fleet"]
    assert (state["used"], state["trouble"]) == (2, None)


def test_a_limit_that_was_set_anew_is_no_second_member(server: WatsServer, joined: Engine) -> None:
    def client() -> pyWATS:
        return pyWATS(server.url, server.token, enable_cache=False)

    configure_throttling(10, 0.5)
    before = client()
    assert before.product.get_product("PN-00000")
    configure_throttling(20, 0.5)
    assert client().product.get_product("PN-00001")

    def is_alone() -> bool:
        states = stats()["fleet"]
        return [(state["limit"], state["peers"], state["share"]) for state in states] == [
            (20, 1, 20)
        ]

    until(is_alone, "the former account to leave")
    assert before.product.get_product("PN-00002")  # it joins again
    assert [state["limit"] for state in stats()["fleet"]] == [10, 20]
    until(is_alone, "it to leave again")


def test_a_killed_waiter_holds_nothing(joined: Engine) -> None:
    limiter = RateLimiter(2, 600.0)
    client: Any = types.SimpleNamespace(
        _rate_limiter=limiter, base_url="http://127.0.0.1:1", _headers={"Authorization": "x"}
    )
    killed = [gevent.spawn(admission.admit, client) for _ in range(2)]
    gevent.sleep(0)  # they stand in line, and slots are asked for
    gevent.killall(killed)
    calls = [gevent.spawn(admission.admit, client) for _ in range(2)]
    gevent.joinall(calls, raise_error=True)
    assert [present(each.value).window is not None for each in calls] == [True, True]


def test_a_password_shows_nowhere(
    server: WatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if binary() is None:
        pytest.skip("no valkey-server or redis-server")
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-pass"
    engine = Engine(tmp_path, None, "--requirepass", secret).start()
    try:
        url = f"redis://:{secret}@127.0.0.1:{engine.port}"
        configure_throttling(3, 600.0)
        configure(fleet=url)
        api = pyWATS(server.url, server.token, enable_cache=False)
        assert api.product.get_product("PN-00000")
        (state,) = stats()["fleet"]
        assert state["trouble"] is None
        shown = [repr(settings()), repr(stats()), str(joining.local.joined.member.link)]
        link = Link(f"redis://:{secret}-wrong@127.0.0.1:{engine.port}")
        with pytest.raises(LinkError) as refused:
            link.ask("PING")
        assert refused.value.__cause__ is refused.value.__context__ is None
        engine.kill()
        until(lambda: stats()["fleet"][0]["trouble"] is not None, "the trouble to be seen")
        shown += [str(refused.value), repr(stats()), caplog.text]
        assert not [text for text in shown if secret in text]
    finally:
        configure(fleet=None)
        engine.kill()


@pytest.mark.parametrize("url", ["http://:s3cr3t@host", "s3cr3t", 6379])
def test_a_wrong_url_is_refused_without_being_shown(url: Any) -> None:
    with pytest.raises(SettingsError, match="starts with redis://, rediss://") as refused:
        configure(fleet=url)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t@host:port", "redis://:s3cr3t/-@host", "redis://:s3cr3t@host:99999",
        "redis://:s3cr3t@[::1",
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="fleet is no valid URL") as refused:
        configure(fleet=url)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None


def test_what_others_write_is_read_anew(
    server: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    settings = {"fleet_invalidation": True}
    join(fleet, server, warm.url, LIMIT, settings=settings, caches=True)
    reader, writer, _ = seated(fleet)
    before = reader.tell("name", part="PN-00001").answer()["name"]
    writer.tell("write", part="PN-00001", name=f"{before}, changed").answer()
    until(lambda: reader.tell("name", part="PN-00001").answer()["name"] != before, "the new name")


def test_by_default_what_others_write_is_not_heard(server: WatsServer, joined: Engine) -> None:
    api = pyWATS(server.url, server.token)
    assert api.product.get_product("PN-00001")
    here = joining.local.joined
    place = joining.server_of(server.url), "product"
    message = {"from": "ff", "kind": "wrote", "server": place[0], "families": ["product"]}
    before = epochs.epochs.get(place, 0)
    here._hear(message)
    assert epochs.epochs.get(place, 0) == before
    configure(fleet_invalidation=True)
    try:
        here._hear(message)
    finally:
        configure(fleet_invalidation=False)
    assert epochs.epochs[place] > before


def test_a_slow_server_is_waited_for(
    server: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    server.configure(rate_limit=LIMIT)

    def forward(source: Any, target: Any, delay: float) -> None:
        while data := source.recv(65536):
            gevent.sleep(delay)
            target.sendall(data)

    def handle(client: Any, _: object) -> None:
        behind = create_connection(("127.0.0.1", warm.port))
        there = gevent.spawn(forward, client, behind, 0.0)
        try:
            forward(behind, client, 0.3)
        except OSError:
            pass
        finally:
            there.kill()
            behind.close()

    slow = StreamServer(("127.0.0.1", 0), handle)
    slow.start()
    try:
        join(fleet, server, f"redis://127.0.0.1:{slow.server_port}", LIMIT)
        answers = run_all(fleet, calls=30)
        assert [answer["done"] for answer in answers] == [30] * 3
        assert not [state for state in states(fleet) if state["trouble"]]
    finally:
        slow.stop()
    assert "429" not in server.stats()["statuses"]


_PROGRAM = """
import sys
import pywats_green
assert "redis" not in sys.modules
import gevent, os
from pywats import pyWATS
pywats_green.configure(fleet=sys.argv[1])
api = pyWATS(sys.argv[2], sys.argv[3], enable_cache=False)
assert api.product.get_product("PN-00000")
gevent.wait()  # for what keeps the program from ending: nothing
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        fresh = pyWATS(sys.argv[2], sys.argv[3], enable_cache=False)
        assert fresh.product.get_product("PN-00001")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert api.product.get_product("PN-00002")
    assert pywats_green.stats()["fleet"][0]["trouble"] is None
print("ended")
"""


def test_a_program_ends_and_forks(
    server: WatsServer, warm: Engine, run_python: Callable[..., Any]
) -> None:
    done = run_python(_PROGRAM, warm.url, server.url, server.token, warnings="default")
    assert done.stdout == "ended\n", done.stderr
    link = Link(warm.url)
    (key,) = link.ask("KEYS", "pywats-green:*:state")
    members = link.ask("ZCARD", key.replace(b":state", b":members"))
    assert members <= 1  # the program has left; its fork ended without a word
