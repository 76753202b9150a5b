"""Names are resolved once per origin, by a single look-up, in at most one native thread."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool

from pywats_green import configure
from pywats_green.exceptions import TransportConnectError, TransportTimeoutError
from pywats_green.testing import WatsServer
from pywats_green.transport import Transport, connections
from pywats_green.transport.resolver import Address, Resolver

from .servers import Server, full_listener

Connect = Callable[..., Transport]
TTL = 60.0
STATUS = Path("/proc/self/status")


def address(host: str = "127.0.0.1", port: int = 1) -> tuple[Any, ...]:
    """Return an entry as from `socket.getaddrinfo`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockaddr = (host, port, 0, 0) if ":" in host else (host, port)
    return (family, socket.SOCK_STREAM, 6, "", sockaddr)


class Names:
    """Replaces `socket.getaddrinfo`; returns when told to."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answers = list(answers)
        self.may_answer = Event()
        self.may_answer.set()

    def __call__(self, host: str, port: int, *_: object) -> Any:
        self.asked.append((host, port))
        self.may_answer.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_50_first_calls_ask_once() -> None:
    names = Names([address("10.0.0.1")])
    names.may_answer.clear()
    resolver = Resolver(names)
    asking = [gevent.spawn(resolver.resolve, "wats.example", 80, TTL) for _ in range(50)]
    gevent.idle()
    names.may_answer.set()
    expected = [Address(socket.AF_INET, ("10.0.0.1", 1))]
    assert [each.get() for each in asking] == [expected] * 50
    assert names.asked == [("wats.example", 80)]
    assert resolver._asking == {}


def test_each_origin_is_asked_for_by_itself() -> None:
    names = Names([address()])
    resolver = Resolver(names)
    for host, port in (("a.example", 80), ("a.example", 443), ("b.example", 80)) * 2:
        resolver.resolve(host, port, TTL)
    assert names.asked == [("a.example", 80), ("a.example", 443), ("b.example", 80)]


def test_an_answer_is_asked_for_again_when_its_life_is_over() -> None:
    now = [1_000.0]
    names = Names([address("10.0.0.1")], [address("10.0.0.2")])
    resolver = Resolver(names, lambda: now[0])
    hosts = []
    for now[0] in (1_000.0, 1_059.9, 1_060.0, 1_119.0):
        hosts.append(resolver.resolve("wats.example", 80, TTL)[0].sockaddr[0])
    assert hosts == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"]
    assert len(names.asked) == 2


def test_a_life_of_0_asks_every_time() -> None:
    names = Names([address()])
    resolver = Resolver(names)
    for _ in range(3):
        resolver.resolve("wats.example", 80, 0.0)
    assert len(names.asked) == 3


@pytest.mark.parametrize("literal", ["127.0.0.1", "10.1.2.3", "::1", "2001:db8::1"])
def test_an_ip_literal_asks_nobody(literal: str) -> None:
    names = Names([address()])
    (found,) = Resolver(names).resolve(literal, 80, TTL)
    assert found.sockaddr[:2] == (literal, 80)
    assert names.asked == []


def test_all_who_wait_for_a_failing_lookup_fail_with_it_at_once() -> None:
    names = Names(socket.gaierror(socket.EAI_NONAME, "unknown"))
    names.may_answer.clear()
    resolver = Resolver(names)
    asking = [gevent.spawn(resolve_error, resolver) for _ in range(50)]
    gevent.idle()
    names.may_answer.set()
    errors = [each.get() for each in asking]
    assert {str(error) for error in errors} == {f"[Errno {socket.EAI_NONAME}] unknown"}
    assert len({id(error) for error in errors}) == 50  # else their tracebacks would mix
    assert len(names.asked) == 1
    resolve_error(resolver)
    assert len(names.asked) == 2, "a failure was kept"


def resolve_error(resolver: Resolver) -> socket.gaierror:
    with pytest.raises(socket.gaierror) as caught:
        resolver.resolve("wats.example", 80, TTL)
    return caught.value


def test_a_killed_asker_holds_up_no_other() -> None:
    names = Names([address()])
    names.may_answer.clear()
    resolver = Resolver(names)
    asking = [gevent.spawn(resolver.resolve, "wats.example", 80, TTL) for _ in range(5)]
    gevent.idle()
    asking[0].kill()
    names.may_answer.set()
    assert [len(each.get()) for each in asking[1:]] == [1] * 4
    assert len(names.asked) == 1


def test_who_runs_out_of_time_leaves_the_others_waiting() -> None:
    names = Names([address()])
    names.may_answer.clear()
    resolver = Resolver(names)
    patient = gevent.spawn(resolver.resolve, "wats.example", 80, TTL)
    with pytest.raises(TimeoutError, match="timed out"):
        resolver.resolve("wats.example", 80, TTL, timeout=0.01)
    names.may_answer.set()
    assert len(patient.get()) == 1


def test_a_name_that_cannot_be_one_is_a_connect_error(connect: Connect) -> None:
    with pytest.raises(TransportConnectError, match="Name or service not known"):
        connect(f"http://{'a' * 64}.example").request("GET", "/x", None, {}, None, 5.0)


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    """Let all names resolve to given addresses."""

    def arrange(*answers: Any) -> Names:
        names = Names(*answers)
        monkeypatch.setattr(connections, "resolver", Resolver(names))
        return names

    return arrange


def call(transport: Transport, timeout: float | None = 5.0) -> int:
    return transport.request("GET", "/x", None, {}, None, timeout).status


def test_calls_at_once_to_one_name_ask_once(
    connect: Connect, resolve_to: Callable[..., Names], server: WatsServer
) -> None:
    port = int(server.url.rpartition(":")[2])
    names = resolve_to([address(port=port)])
    names.may_answer.clear()
    transport = connect(f"http://wats.example:{port}")
    headers = {"Authorization": f"Basic {server.token}"}
    asking = [
        gevent.spawn(transport.request, "GET", "/api/Product/x", None, headers, None, 5.0)
        for _ in range(50)
    ]
    gevent.idle()
    names.may_answer.set()
    assert {each.get().status for each in asking} == {404}
    assert names.asked == [("wats.example", port)]


def test_the_second_address_is_tried_when_the_first_refuses_and_then_preferred(
    connect: Connect, resolve_to: Callable[..., Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    connect_to = connections.GreenConnection._connect_to

    def watch(self: Any, address: Address, timeout: float | None) -> Any:
        tried.append(address.sockaddr)
        return connect_to(self, address, timeout)

    monkeypatch.setattr(connections.GreenConnection, "_connect_to", watch)
    configure(keepalive_expiry=0.0)
    with Server() as gone:
        pass
    with Server() as server:
        names = resolve_to([address(port=gone.port), address(port=server.port)])
        transport = connect(f"http://wats.example:{server.port}")
        assert [call(transport) for _ in range(3)] == [200] * 3
    ports = [sockaddr[1] for sockaddr in tried]
    assert ports == [gone.port, server.port, server.port, server.port]
    assert len(names.asked) == 1


def test_the_second_address_gets_its_share_of_the_time(
    connect: Connect, resolve_to: Callable[..., Names]
) -> None:
    with full_listener() as silent, Server() as server:
        resolve_to([address(port=silent), address(port=server.port)])
        assert call(connect("http://wats.example"), timeout=0.4) == 200


def test_all_addresses_together_have_the_time_of_one_phase(
    connect: Connect, resolve_to: Callable[..., Names]
) -> None:
    with full_listener() as silent:
        resolve_to([address(port=silent)] * 3)
        started = time.monotonic()
        with pytest.raises(TransportTimeoutError):
            call(connect("http://wats.example"), timeout=0.4)
        assert time.monotonic() - started < 1.1  # each for itself would take 1.2


def test_it_is_asked_again_after_no_address_answered(
    connect: Connect, resolve_to: Callable[..., Names]
) -> None:
    with Server() as gone:
        pass
    with Server() as server:
        names = resolve_to([address(port=gone.port)], [address(port=server.port)])
        transport = connect("http://wats.example")
        with pytest.raises(TransportConnectError, match="refused"):
            call(transport)
        assert call(transport) == 200
        assert len(names.asked) == 2


@pytest.mark.skipif(not STATUS.exists(), reason="counts native threads in /proc")
@pytest.mark.parametrize(("host", "growth"), [("127.0.0.1", 0), ("localhost", 1)])
def test_a_burst_starts_no_native_threads(
    host: str, growth: int, run_python: Callable[..., Any], server: WatsServer
) -> None:
    source = f"""
import pywats_green
from pathlib import Path
from gevent.pool import Pool
from pywats_green.transport import Transport
def threads():
    return int(Path("/proc/self/status").read_text().split("Threads:")[1].split()[0])
before = threads()
transport = Transport({server.url.replace("127.0.0.1", host)!r})
def ask(_):
    return transport.request("GET", "/api/Product/x", None, {{}}, None, 10.0).status
assert set(Pool(200).map(ask, range(200))) == {{401}}
transport.close()
print(threads() - before)
"""
    finished = run_python(source)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) <= growth


def test_a_burst_of_calls_over_ipv6(connect: Connect) -> None:
    try:
        server = Server(host="::1")
    except OSError:
        pytest.skip("no IPv6 on this loopback")
    with server:
        transport = connect(f"http://[::1]:{server.port}")
        assert set(Pool(10).map(lambda _: call(transport), range(20))) == {200}
        assert server.seen[0].headers["host"] == f"[::1]:{server.port}"
