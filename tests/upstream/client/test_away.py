"""A server that is away: calls fail at once as upstream's, or wait for it and probe."""

import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from pywats import pyWATS
from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import HttpClient
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import PyWATSError
from pywats.core.retry import RetryConfig
from throttle.clock import HandClock, run_all
from transport.servers import Seen, Server, reply
from typed import private
from waiting import BOUND, until

from pywats_green import Pool, configure
from pywats_green.transport import connections
from pywats_green.transport.resolver import Resolver
from pywats_green.upstream.client import gates
from pywats_green.upstream.client.gates import throttle_statistics

VERSION = reply(200, b'"26.1"')


@pytest.fixture
def waits() -> Iterator[None]:
    """Calls wait 30 s for a server."""
    configure(wait_for_server=30)
    yield
    configure(wait_for_server=0.0)


@pytest.fixture
def port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def client(port: int) -> Iterator[HttpClient]:
    retry = RetryConfig(enabled=False)
    with HttpClient(f"http://127.0.0.1:{port}", "t", enable_cache=False, retry_config=retry) as api:
        yield api


def _waiting() -> int:
    run_all()
    return throttle_statistics()["waiting"]


def test_by_default_as_upstream_and_the_text_says_what_to_do(port: int) -> None:
    api = pyWATS(base_url=f"http://127.0.0.1:{port}", token="t", enable_cache=False)
    for _ in range(5):
        with pytest.raises(WatsConnectionError):
            api.product.get_product("PN-00001")
    with pytest.raises(CircuitBreakerOpenError) as caught:
        api.product.get_product("PN-00001")
    assert str(caught.value) == caught.value.message
    assert caught.value.message.startswith(
        f"Circuit breaker for http://127.0.0.1:{port} is OPEN - failing fast: 5 calls in a row "
    )
    assert "configure(wait_for_server=60)" in caught.value.message
    assert throttle_statistics()["gates"] == {}


def test_an_outage_of_6_seconds_costs_no_read_and_little_more_than_itself(
    waits: None, by_hand: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(seen: Seen) -> bytes | None:
        return reply() if len(first.seen) <= 200 else None  # and closes

    def read(number: int) -> int:
        return api.get(f"/{number}").status_code

    first = Server(answer)
    with Pool(50) as pool, caplog.at_level(logging.INFO, "pywats.core.throttle"):
        with first:
            api = HttpClient(first.url, "t", enable_cache=False)
            batch = gevent.spawn(pool.map_results, read, range(750))
            until(lambda: len(first.seen) >= 201)
        until(lambda: _waiting() == 50)
        by_hand.turn(6)
        assert _waiting() == 50
        assert not batch.dead
        with Server(port=first.port) as second:
            for _ in range(5):
                by_hand.turn(1)
            results = batch.get(timeout=BOUND)
            assert {seen.target for seen in second.seen} == {
                f"/{number}" for number in range(750)
            } - {seen.target for seen in first.seen[:200]}
        api.close()
    assert [result for result in results if not result.is_success] == []
    told = [record.getMessage() for record in caplog.records]
    assert sum("closes; the next probe" in text for text in told) == 1
    assert sum("reopens after" in text for text in told) == 1
    assert throttle_statistics()["gates"] == {}


def test_the_breaker_is_neither_asked_nor_fed(waits: None, by_hand: HandClock, port: int) -> None:
    api = pyWATS(base_url=f"http://127.0.0.1:{port}", token="t", enable_cache=False)
    jobs = [gevent.spawn(api.analytics.get_version) for _ in range(20)]
    until(lambda: _waiting() == 20)
    by_hand.turn(10)
    with Server(lambda _: VERSION, port=port):
        by_hand.turn(5)
        gevent.joinall(jobs, timeout=BOUND, raise_error=True)
        assert [job.value for job in jobs] == ["26.1"] * 20
        assert private(api)._http_client._circuit_breaker._failure_count == 0
        api.close()


def test_when_the_time_is_over_the_error_says_for_how_long_and_why(
    waits: None, by_hand: HandClock, client: HttpClient
) -> None:
    jobs = [gevent.spawn(client.get, f"/{number}") for number in range(3)]
    until(lambda: _waiting() == 3)
    by_hand.turn(29.9)
    assert not any(job.dead for job in jobs)
    late = gevent.spawn(client.get, "/late")
    run_all()
    by_hand.turn(0.1)
    until(lambda: all(job.dead for job in jobs))
    assert not late.dead  # it has waited for a moment only
    for job in jobs:
        assert isinstance(job.exception, WatsConnectionError)
        text = str(job.exception)
        assert text.startswith("Failed to connect to http://127.0.0.1:")
        assert " for 30.0 s (wait_for_server=30): no connection: [Errno " in text
    late.kill()


def test_one_call_after_another_waits_too(
    waits: None, by_hand: HandClock, client: HttpClient, port: int
) -> None:
    call = gevent.spawn(client.get, "/one")
    until(lambda: _waiting() == 1)
    by_hand.turn(20)
    with Server(port=port) as server:
        by_hand.turn(5)
        assert call.get(timeout=BOUND).status_code == 200
        assert client.get("/two").status_code == 200
        assert [seen.target for seen in server.seen] == ["/one", "/two"]
        client.close()


def test_a_write_that_could_not_connect_waits_and_is_sent_once(
    waits: None, by_hand: HandClock, client: HttpClient, port: int
) -> None:
    call = gevent.spawn(client.post, "/api/Product", {"a": 1})
    until(lambda: _waiting() == 1)
    by_hand.turn(3)
    with Server(port=port) as server:
        by_hand.turn(5)
        assert call.get(timeout=BOUND).status_code == 200
        assert len(server.seen) == 1
        client.close()


@pytest.mark.parametrize("call", ["post", "put", "delete", "a get that writes"])
def test_a_write_that_broke_after_bytes_is_never_sent_again(
    call: str, waits: None, by_hand: HandClock
) -> None:
    retry = RetryConfig(enabled=False)
    with (
        Server(lambda _: None) as server,
        HttpClient(server.url, "t", enable_cache=False, retry_config=retry) as api,
    ):
        calls: dict[str, Callable[[], Any]] = {
            "post": lambda: api.post("/api/Product", {"a": 1}),
            "put": lambda: api.put("/api/Product", {"a": 1}),
            "delete": lambda: api.delete("/api/Asset"),
            "a get that writes": lambda: api.get("/api/Software/PackagesByTag", {"a": 1}),
        }
        if call == "a get that writes":
            from pywats_green.upstream.tables.writes import WRITES

            path = next(path for method, path, _ in WRITES if method == "GET")
            calls[call] = lambda: api.get(path)
        with pytest.raises(PyWATSError, match="disconnected"):
            calls[call]()
        assert len(server.seen) == 1


def test_what_is_no_outage_fails_at_once(
    waits: None, by_hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(connections, "resolver", Resolver(look_up))  # a real one may take long
    retry = RetryConfig(enabled=False)
    with Server(lambda _: b"SSH-2.0-OpenSSH\r\n\r\n") as server:
        for url in (server.url, server.url.replace("http:", "https:"), "http://no.such.invalid"):
            with (
                HttpClient(url, "t", enable_cache=False, retry_config=retry) as api,
                pytest.raises(PyWATSError),
            ):
                api.get("/x")
    assert throttle_statistics()["closings"] == 0


def test_one_servers_outage_stops_no_other(
    waits: None, by_hand: HandClock, client: HttpClient
) -> None:
    held = gevent.spawn(client.get, "/held")
    until(lambda: _waiting() == 1)
    with Server() as server, HttpClient(server.url, "t", enable_cache=False) as other:
        assert other.get("/x").status_code == 200
    assert not held.dead
    held.kill()
    assert throttle_statistics()["waiting"] == 0


def test_it_waits_from_when_the_server_was_found_away(
    waits: None, by_hand: HandClock, client: HttpClient, port: int
) -> None:
    """Its gate was closed for something else before."""
    gates.of_this_thread().close(
        f"http://127.0.0.1:{port}", "HTTP 503", None, seconds=28, longest=30, is_limit=False
    )
    jobs = [gevent.spawn(client.get, f"/{number}") for number in range(3)]
    until(lambda: _waiting() == 3)
    by_hand.turn(28)
    until(lambda: "no connection" in str(throttle_statistics()["gates"]))
    by_hand.turn(29.9)
    assert not any(job.dead for job in jobs)
    by_hand.turn(10)  # those who probed have found it later themselves
    until(lambda: all(job.dead for job in jobs))
    for job in jobs:
        assert " s (wait_for_server=30): no connection: " in str(job.exception)
