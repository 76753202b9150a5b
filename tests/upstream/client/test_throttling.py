"""Through a real client, against the embedded server."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from pywats import AsyncWATS, RetryConfig, pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import PyWATSError
from pywats.core.throttle import configure_throttling
from throttle.clock import run_all
from transport.servers import Server, reply

from pywats_green import Pool
from pywats_green.testing import WatsServer
from pywats_green.throttle import Gates
from pywats_green.upstream.client import exchange
from pywats_green.upstream.client.admission import throttle_statistics

PRODUCT = "GET /api/Product/{partNumber}"
VERSION = "GET /api/App/Version"


@pytest.fixture(scope="module")
def other_server() -> Iterator[WatsServer]:
    with WatsServer() as server:
        yield server


@pytest.fixture
def client(server: WatsServer) -> Iterator[Callable[..., pyWATS]]:
    """Make clients of the server that cache nothing."""
    clients = []

    def make(at: WatsServer = server, **arguments: Any) -> pyWATS:
        api = pyWATS(base_url=at.url, token=at.token, enable_cache=False, **arguments)
        clients.append(api)
        return api

    yield make
    for api in clients:
        api.close()


def _asked(server: WatsServer, route: str = PRODUCT) -> int:
    return server.stats()["requests"].get(route, 0)


def _refuse(api: pyWATS, server: WatsServer, seconds: float) -> None:
    """Let one call of a client be answered with 429 and Retry-After."""
    server.fail(PRODUCT, status=429, retry_after=seconds)
    started = time.monotonic()
    with pytest.raises(PyWATSError, match="429"):
        api.product.get_product("PN-00000")
    assert time.monotonic() - started < seconds / 2  # its own answer does not wait


def test_clients_share_a_limiter_and_are_served_in_order(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    limiter = configure_throttling(10, 0.3)
    apis = [client(), client()]
    jobs = [
        gevent.spawn(apis[number % 2].product.get_product, f"PN-{number:05}")
        for number in range(40)
    ]
    started = time.monotonic()
    gevent.joinall(jobs, raise_error=True)
    assert time.monotonic() - started > 0.9
    numbers = [int(request.target[-5:]) for request in server.requests()]
    for block in range(4):  # those of one block get their slots together
        assert sorted(numbers[block * 10 :][:10]) == list(range(block * 10, block * 10 + 10))
    assert limiter.stats["total_requests"] == 40
    assert limiter.stats["throttle_count"] == 30
    assert limiter.stats["total_wait_time_seconds"] > 10 * (0.3 + 0.6 + 0.9) * 0.9


def test_configure_throttling_means_the_clients_made_after_it(
    client: Callable[..., pyWATS],
) -> None:
    before = client()
    limiter = configure_throttling(max_requests=3, window_seconds=0.2)
    after = client()
    for _ in range(6):
        before.product.get_product("PN-00001")
    assert limiter.stats["total_requests"] == 0
    started = time.monotonic()
    for _ in range(4):
        after.product.get_product("PN-00001")
    assert time.monotonic() - started > 0.19
    assert limiter.stats["total_requests"] == 4
    assert limiter.stats["throttle_count"] == 1


def test_asyncwats_takes_slots_of_the_same_limiter(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    limiter = configure_throttling(5, 0.3)

    async def four() -> None:
        async with AsyncWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
            for _ in range(4):
                await api.product.get_product("PN-00001")

    asyncio.run(four())
    api = client()
    api.product.get_product("PN-00001")
    assert limiter.current_usage == 5
    api.product.get_product("PN-00001")
    assert limiter.stats["throttle_count"] == 1


def test_a_call_that_dies_at_the_limit_takes_no_slot_and_says_upstreams_words(
    client: Callable[..., pyWATS],
) -> None:
    limiter = configure_throttling(1, 0.4)
    api, patient = client(timeout=0.1), client()
    api.product.get_product("PN-00001")
    hasty = gevent.spawn(api.product.get_product, "PN-00002")
    late = gevent.spawn(patient.product.get_product, "PN-00003")
    with pytest.raises(TimeoutError, match=r"^Operation timed out after 0\.1s$"):
        hasty.get()
    late.get(timeout=1)
    assert limiter.stats["total_requests"] == 2


def test_one_429_holds_every_client_of_the_server_and_no_other_server(
    client: Callable[..., pyWATS], server: WatsServer, other_server: WatsServer
) -> None:
    api, second, elsewhere = client(), client(), client(other_server)
    plain = HttpClient(server.url, server.token)
    for each in (api, second, elsewhere):
        each.product.get_product("PN-00001")
    _refuse(api, server, 0.4)
    began = time.monotonic()
    before = _asked(server) + _asked(server, VERSION)
    held = [
        gevent.spawn(api.product.get_product, "PN-00001"),
        gevent.spawn(second.product.get_product, "PN-00002"),
        gevent.spawn(plain.get, "/api/App/Version"),
    ]
    run_all()
    elsewhere.product.get_product("PN-00001")
    assert time.monotonic() - began < 0.2
    assert throttle_statistics()["waiting"] == 3
    assert list(throttle_statistics()["gates"]) == [server.url]
    gevent.joinall(held, timeout=5, raise_error=True)
    assert 0.35 < time.monotonic() - began < 0.8
    assert _asked(server) + _asked(server, VERSION) == before + 3
    plain.close()


def test_a_429_without_retry_after_holds_nobody(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    api = client()
    server.fail(PRODUCT, status=429)
    with pytest.raises(PyWATSError):
        api.product.get_product("PN-00001")
    assert throttle_statistics()["refused"] == 1
    assert throttle_statistics()["gates"] == {}
    api.product.get_product("PN-00001")
    assert throttle_statistics()["waits"] == 0


def test_a_retry_waits_in_the_hold_and_not_twice(
    client: Callable[..., pyWATS], server: WatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    api = client(retry_config=RetryConfig(max_attempts=3, base_delay=20.0, jitter=False))
    server.fail(PRODUCT, status=429, times=2, retry_after=0.3)
    started = time.monotonic()
    with caplog.at_level(logging.INFO, "pywats"):
        assert api.product.get_product("PN-00001") is not None
    assert 0.6 <= time.monotonic() - started < 0.9
    assert _asked(server) == 3
    assert throttle_statistics()["waits"] == 2
    assert sum("asks to be left alone" in record.getMessage() for record in caplog.records) == 2
    assert server.token not in caplog.text


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("0", 0.0),
        ("-5", 0.0),
        ("45", 45.0),  # beyond `max_delay`, which bounds our own back-off alone
        ("86400", 300.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 300.0),
        *((illegible, 0.25) for illegible in ("nan", "inf", "-inf", "1e400", "1_0", "soon", "")),
    ],
)
def test_what_a_retry_waits_for(
    status: int, asked: str, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(exchange, "gevent", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(Gates, "admit", lambda self, *_: slept.extend(self.seconds_left().values()))
    headers = [("Retry-After", asked), ("Date", "Thu, 01 Jan 1970 00:01:40 GMT")]
    answers = iter([reply(status, headers=headers), reply(200, b'"26.1"')])
    retry = RetryConfig(max_attempts=2, base_delay=0.25, max_delay=30.0, jitter=False)
    with Server(lambda _: next(answers)) as server:
        api = pyWATS(base_url=server.url, token="t", enable_cache=False, retry_config=retry)
        assert api.analytics.get_version() == "26.1"
        api.close()
    assert slept == pytest.approx([waited], abs=1.0 if waited > 1 else 0.0)


def test_after_a_hold_few_are_in_flight_and_then_more(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    api = client()
    _refuse(api, server, 0.2)
    server.clear_requests()
    server.configure(latency=0.4)
    with Pool(30) as pool:
        jobs = [pool.spawn(api.product.get_product, f"PN-{n:05}") for n in range(30)]
        seen = []
        gevent.sleep(0.4)  # in the middle of the first round of answers
        for _ in range(3):
            seen.append(len(server.requests()))
            gevent.sleep(0.4)
    assert all(job.successful() for job in jobs)
    assert seen[0] == 2
    assert 2 < seen[1] <= 6
    assert seen[1] < seen[2] <= 14
    order = [int(request.target[-5:]) for request in server.requests()]
    assert order[:2] == [0, 1]
    api.product.get_product("PN-00001")
    server.configure(latency=0.0)
    assert throttle_statistics()["waiting"] == 0


def test_calls_that_die_in_a_hold_or_after_it_leave_room_for_the_others(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    api, hasty = client(), client(timeout=0.1)
    _refuse(api, server, 0.3)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^Operation timed out after 0\.1s$"):
        hasty.product.get_product("PN-00001")
    killed = [gevent.spawn(api.product.get_product, "PN-00001") for _ in range(5)]
    run_all()
    assert throttle_statistics()["waiting"] == 5
    gevent.killall(killed)
    server.fail(PRODUCT, mode="hang", times=2)
    hanging = [gevent.spawn(api.product.get_product, "PN-00001") for _ in range(2)]
    others = [gevent.spawn(api.product.get_product, "PN-00002") for _ in range(4)]
    gevent.sleep(0.4 - (time.monotonic() - began))
    assert not any(other.dead for other in others)  # two are inside, and hang
    gevent.killall(hanging)
    gevent.joinall(others, timeout=5, raise_error=True)
    assert all(other.successful() for other in others)


def test_a_server_with_a_limit_of_its_own_is_not_hammered(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    api = client(retry_config=RetryConfig(max_attempts=9, base_delay=0.01))
    server.configure(rate_limit=(30, 1.0))
    numbers = [f"PN-{number:05}" for number in range(70)]
    with Pool(40) as pool:
        products = pool.map(api.product.get_product, numbers)
    server.configure(rate_limit=None)
    assert [product.part_number for product in products] == numbers
    # At most those that were in flight when the first refusal came, and few at each reopening.
    # Each of them on its own would be refused again at each of its attempts, hundreds of times.
    assert throttle_statistics()["refused"] < 80


def test_a_server_with_the_same_limit_refuses_nothing_though_latency_varies(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    limit = (20, 0.3)
    limiter = configure_throttling(*limit)
    api = client()
    server.configure(rate_limit=limit, latency=0.02, jitter=0.1)
    server.fail(PRODUCT, status=503, times=3)
    with Pool(40) as pool:
        results = pool.map_results(api.product.get_product, [f"PN-{n:05}" for n in range(100)])
    server.configure(rate_limit=None, latency=0.0, jitter=0.0)
    assert sum(result.is_success for result in results) == 97
    assert throttle_statistics()["refused"] == 0
    assert limiter.stats["total_requests"] == 100


def test_a_killed_call_and_one_that_failed_have_their_slots_for_a_window_from_then(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    limiter = configure_throttling(2, 3600)
    api = client(timeout=0.2)
    server.fail(PRODUCT, mode="hang", times=2)
    killed = gevent.spawn(client().product.get_product, "PN-00001")
    with pytest.raises(TimeoutError):
        api.product.get_product("PN-00001")
    before = time.monotonic()
    killed.kill()
    failed_at, killed_at = limiter._timestamps
    assert failed_at <= before <= killed_at <= time.monotonic()
