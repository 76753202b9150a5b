"""Through a real client: against the embedded server, and where time matters against none."""

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.lock import Semaphore
from pywats import AsyncWATS, RetryConfig, pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import PyWATSError
from pywats.core.throttle import configure_throttling
from throttle.clock import HandClock, run_all
from transport.servers import Seen, Server, reply
from typed import all_present, present, private
from waiting import BOUND, until

from pywats_green import Pool, batching, configure
from pywats_green.testing import WatsServer
from pywats_green.transport import Answer
from pywats_green.upstream.client import exchange
from pywats_green.upstream.client.gates import throttle_statistics

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
    """Let one call of a client be answered with 429 and Retry-After, for which it does not wait."""
    server.fail(PRODUCT, status=429, retry_after=seconds)
    with pytest.raises(PyWATSError, match="429"):
        api.product.get_product("PN-00000")


def _waiting() -> int:
    run_all()
    return throttle_statistics()["waiting"]


def _ended(jobs: list["gevent.Greenlet[..., Any]"]) -> int:
    return sum(job.dead for job in jobs)


def test_clients_share_a_limiter_and_are_served_in_order(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    limiter = configure_throttling(10, 3.0)
    apis = [client(), client()]
    jobs = [
        gevent.spawn(apis[number % 2].product.get_product, f"PN-{number:05}")
        for number in range(40)
    ]
    for through in (10, 20, 30, 40):
        until(lambda through=through: _ended(jobs) == through)
        # A quick answer comes while the clock is being turned: its slot counts from that moment.
        by_hand.turn(2.0)
        assert _asked(server) == through
        assert _waiting() == 40 - through
        by_hand.turn(1.1)
    gevent.joinall(jobs, raise_error=True)
    numbers = [int(request.target[-5:]) for request in server.requests()]
    for block in range(4):  # those of one block get their slots together
        assert sorted(numbers[block * 10 :][:10]) == list(range(block * 10, block * 10 + 10))
    assert limiter.stats["total_requests"] == 40
    assert limiter.stats["throttle_count"] == 30
    assert limiter.stats["total_wait_time_seconds"] == pytest.approx(10 * (3 + 6 + 9), abs=10)


def test_configure_throttling_means_the_clients_made_after_it(
    client: Callable[..., pyWATS], by_hand: HandClock
) -> None:
    before = client()
    limiter = configure_throttling(max_requests=3, window_seconds=60.0)
    after = client()
    for _ in range(6):
        before.product.get_product("PN-00001")
    assert limiter.stats["total_requests"] == 0
    for _ in range(3):
        after.product.get_product("PN-00001")
    fourth = gevent.spawn(after.product.get_product, "PN-00001")
    until(lambda: _waiting() == 1)
    by_hand.turn(60.1)
    assert fourth.get(timeout=BOUND)
    assert limiter.stats["total_requests"] == 4
    assert limiter.stats["throttle_count"] == 1


def test_asyncwats_takes_slots_of_the_same_limiter(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    limiter = configure_throttling(5, 60.0)

    async def four() -> None:
        async with AsyncWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
            for _ in range(4):
                await api.product.get_product("PN-00001")

    asyncio.run(four())
    api = client()
    api.product.get_product("PN-00001")
    assert limiter.current_usage == 5
    sixth = gevent.spawn(api.product.get_product, "PN-00001")
    until(lambda: _waiting() == 1)
    by_hand.turn(60.1)
    assert sixth.get(timeout=BOUND)
    assert limiter.stats["throttle_count"] == 1


def test_a_time_limit_stands_still_while_a_call_waits_for_the_limit(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    limiter = configure_throttling(1, 60.0)
    api = client(timeout=0.5)
    api.product.get_product("PN-00001")
    configure_throttling(enabled=False)
    free = client(timeout=0.5)
    held = gevent.spawn(api.product.get_product, "PN-00002")
    until(lambda: _waiting() == 1)
    server.fail(PRODUCT, mode="hang")
    with pytest.raises(TimeoutError) as caught:
        free.product.get_product("PN-00003")  # its limit began later, and has struck
    assert str(caught.value) == "Operation timed out after 0.5s"
    assert not held.dead
    by_hand.turn(60.1)
    assert present(held.get(timeout=BOUND)).part_number == "PN-00002"
    assert limiter.stats["total_requests"] == 2


@pytest.mark.parametrize("timeout", [None, 20.0])
def test_a_batch_beyond_the_limit_is_slow_and_not_broken(
    timeout: float | None,
    client: Callable[..., pyWATS],
    server: WatsServer,
    deadlines_by_hand: HandClock,
) -> None:
    configure_throttling()  # upstream's default: 500 in a minute
    api = client()
    numbers = [f"PN-{number % 100:05}" for number in range(650)]
    with Pool(50) as pool:
        batch = gevent.spawn(pool.map_results, api.product.get_product, numbers, timeout=timeout)
        until(lambda: _asked(server) == 500)
        until(lambda: _waiting() == 50)
        for _ in range(62):
            deadlines_by_hand.turn(1.0)
        results = batch.get(timeout=BOUND)
    assert [result for result in results if not result.is_success] == []
    assert throttle_statistics()["wait_seconds"] > 50 * 60


def test_look_ups_of_a_batch_stand_still_while_their_query_waits_and_its_proof(
    client: Callable[..., pyWATS], server: WatsServer, deadlines_by_hand: HandClock
) -> None:
    configure_throttling(1, 60.0)
    api = client()
    api.product.get_product("PN-00001")
    numbers = [f"PN-{number:05}" for number in range(10, 15)]

    def look_up() -> list[Any]:
        with Pool(5) as pool, batching():
            return pool.map_results(api.product.get_product, numbers, timeout=20.0)

    batch = gevent.spawn(look_up)
    until(lambda: _waiting() == 1)  # the query
    deadlines_by_hand.turn(60.5)
    until(lambda: _waiting() == 1)  # the single call that proves it
    assert not batch.dead
    deadlines_by_hand.turn(60.5)
    results = batch.get(timeout=BOUND)
    assert [result.value.part_number for result in results] == numbers


def test_a_time_limit_that_strikes_after_a_wait_says_what_it_did_not_count(
    client: Callable[..., pyWATS], server: WatsServer, deadlines_by_hand: HandClock
) -> None:
    configure_throttling(1, 60.0)
    api = client()
    api.product.get_product("PN-00001")
    server.fail(PRODUCT, mode="hang", times=2)
    with Pool(2) as pool:
        limited = functools.partial(pool.map_results, timeout=20.0)
        batch = gevent.spawn(limited, api.product.get_product, ["PN-1"])
        until(lambda: _waiting() == 1)
        deadlines_by_hand.turn(61)
        until(lambda: _asked(server) == 2)
        deadlines_by_hand.turn(21)
        (result,) = batch.get(timeout=BOUND)
    assert result.error_code == "TIMEOUT"
    assert result.message == (
        "Operation timed out after 20.0s, beside 60.0 s of waiting to be sent"
    )


def test_a_failure_names_the_limiter_where_a_call_was_not_admitted_in_time(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    configure_throttling(2, 60.0)
    api = client()
    configure(admission_timeout=5)
    try:
        with Pool(3) as pool:
            numbers = [f"PN-{number:05}" for number in range(3)]
            batch = gevent.spawn(pool.map_results, api.product.get_product, numbers)
            until(lambda: _asked(server) == 2)
            until(lambda: _waiting() == 1)
            by_hand.turn(5)
            results = batch.get(timeout=BOUND)
    finally:
        configure(admission_timeout=None)
    assert [result.is_success for result in results] == [True, True, False]
    assert results[2].error_code == "TIMEOUT"
    assert "the limit of 2 requests in 60 s is used up" in results[2].message
    assert (
        private(api)._http_client._circuit_breaker._failure_count == 0
    )  # it says nothing of the server


def test_one_429_holds_every_client_of_the_server_and_no_other_server(
    client: Callable[..., pyWATS],
    server: WatsServer,
    other_server: WatsServer,
    by_hand: HandClock,
) -> None:
    api, second, elsewhere = client(), client(), client(other_server)
    plain = HttpClient(server.url, server.token)
    for each in (api, second, elsewhere):
        each.product.get_product("PN-00001")
    _refuse(api, server, 4)
    before = _asked(server) + _asked(server, VERSION)
    held: list[gevent.Greenlet[..., Any]] = [
        gevent.spawn(api.product.get_product, "PN-00001"),
        gevent.spawn(second.product.get_product, "PN-00002"),
        gevent.spawn(plain.get, "/api/App/Version"),
    ]
    until(lambda: _waiting() == 3)
    elsewhere.product.get_product("PN-00001")
    assert list(throttle_statistics()["gates"]) == [server.url]
    by_hand.turn(3.9)
    assert _waiting() == 3
    by_hand.turn(0.1)
    assert len(gevent.joinall(held, timeout=BOUND, raise_error=True)) == 3
    assert _asked(server) + _asked(server, VERSION) == before + 3
    plain.close()


def test_a_429_without_retry_after_holds_all_for_a_growing_pause(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    api = client()
    server.fail(PRODUCT, status=429, times=3)
    pauses: list[float] = []
    for number in range(3):
        call = gevent.spawn(api.product.get_product, "PN-00001")
        if number:
            until(lambda: _waiting() == 1)
            by_hand.turn(pauses[-1])
        with pytest.raises(PyWATSError, match="429"):
            call.get(timeout=BOUND)
        pauses.append(throttle_statistics()["gates"][server.url]["opens_in"])
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2 <= pauses[2] <= 4
    last = gevent.spawn(api.product.get_product, "PN-00001")
    until(lambda: _waiting() == 1)
    by_hand.turn(pauses[-1])
    assert last.get(timeout=BOUND)
    assert throttle_statistics()["refused"] == 3


def test_a_retry_waits_in_the_hold_and_not_twice(
    client: Callable[..., pyWATS],
    server: WatsServer,
    by_hand: HandClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(exchange, "gevent", SimpleNamespace(sleep=slept.append))
    api = client(retry_config=RetryConfig(max_attempts=3, base_delay=20.0, jitter=False))
    server.fail(PRODUCT, status=429, times=2, retry_after=3)
    with caplog.at_level(logging.INFO, "pywats"):
        call = gevent.spawn(api.product.get_product, "PN-00001")
        for refused in (1, 2):
            until(lambda: _waiting() == 1)
            assert _asked(server) == refused
            by_hand.turn(3)
        assert call.get(timeout=BOUND) is not None
    assert slept == []
    assert _asked(server) == 3
    assert throttle_statistics()["waits"] == 2
    told = [record.getMessage() for record in caplog.records if "Gate of" in record.getMessage()]
    assert [text.split(": ")[1].split()[0] for text in told] == ["closes;", "a", "a", "reopens"]
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
    status: int,
    asked: str,
    waited: float,
    by_hand: HandClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(exchange, "gevent", SimpleNamespace(sleep=slept.append))
    headers = [("Retry-After", asked), ("Date", "Thu, 01 Jan 1970 00:01:40 GMT")]
    answers = iter([reply(status, headers=headers), reply(200, b'"26.1"')])
    retry = RetryConfig(max_attempts=2, base_delay=0.25, max_delay=30.0, jitter=False)
    with Server(lambda _: next(answers)) as server:
        api = pyWATS(base_url=server.url, token="t", enable_cache=False, retry_config=retry)
        call = gevent.spawn(api.analytics.get_version)
        until(lambda: call.dead or _waiting() == 1)
        held = [state["opens_in"] for state in throttle_statistics()["gates"].values()]
        by_hand.turn(300)
        assert call.get(timeout=BOUND) == "26.1"
        api.close()
    if waited == 0.25:  # not legible: our own back-off, and for a 429 the growing pause of a gate
        assert slept == [0.25]
        assert all(0.5 <= seconds <= 1 for seconds in held)
        assert len(held) == (status == 429)
    else:
        assert slept == ([] if waited else [0.0])
        assert held == pytest.approx([waited] if waited else [])


def test_after_a_hold_few_are_in_flight_and_then_more(
    by_hand: HandClock,
) -> None:
    answers = Semaphore(0)

    def answer(seen: Seen) -> bytes:
        if seen.target == "/refused":
            return reply(429, headers=[("Retry-After", "2")])
        answers.acquire()
        return reply()

    once = RetryConfig(enabled=False)
    with (
        Server(answer) as server,
        HttpClient(server.url, "t", enable_cache=False, retry_config=once) as api,
    ):
        assert api.get("/refused").status_code == 429
        jobs = [gevent.spawn(api.get, f"/{number}") for number in range(30)]
        until(lambda: _waiting() == 30)
        by_hand.turn(2)
        inside = []
        for _ in range(5):
            until(lambda: len(server.seen) - 1 + _waiting() == 30)  # whoever was let in has asked
            inside.append(len(server.seen) - 1 - _ended(jobs))
            ended = _ended(jobs) + inside[-1]
            for _ in range(inside[-1]):
                answers.release()
            until(lambda ended=ended: _ended(jobs) == ended)
        assert inside == [1, 2, 4, 8, 15]
        assert server.seen[1].target == "/0"
        gevent.joinall(jobs, raise_error=True)
        answers.release()
        api.get("/at once")


def test_calls_that_die_in_a_hold_or_after_it_leave_room_for_the_others(
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    api = client()
    _refuse(api, server, 3)
    killed = [gevent.spawn(api.product.get_product, "PN-00001") for _ in range(5)]
    until(lambda: _waiting() == 5)
    gevent.killall(killed)
    server.fail(PRODUCT, mode="hang")
    hanging = gevent.spawn(api.product.get_product, "PN-00001")
    others = [gevent.spawn(api.product.get_product, "PN-00002") for _ in range(4)]
    until(lambda: _waiting() == 5)
    before = _asked(server)
    by_hand.turn(3)
    until(lambda: _asked(server) == before + 1)
    assert _waiting() == 4
    assert not any(other.dead for other in others)  # the probe hangs
    hanging.kill()
    gevent.joinall(others, timeout=BOUND, raise_error=True)
    assert all(other.successful() for other in others)


def test_of_those_in_flight_when_a_server_begins_to_refuse_one_attempt_counts(
    by_hand: HandClock,
) -> None:
    """With two attempts each: three are refused together, then two, and none in vain."""

    def answer(_: Seen) -> bytes:
        number = len(server.seen)
        together = 3 if number <= 3 else 6
        if number == 4 or number > 6:
            return reply()
        until(lambda: len(server.seen) >= together)
        return reply(429, headers=[("Retry-After", "1")])

    twice = RetryConfig(max_attempts=2, jitter=False)
    with (
        Server(answer) as server,
        HttpClient(server.url, "t", enable_cache=False, retry_config=twice) as api,
    ):
        jobs = [gevent.spawn(api.get, f"/{number}") for number in range(3)]
        until(lambda: _waiting() == 3)
        by_hand.turn(1)
        until(lambda: len(server.seen) == 6 and _waiting() == 2)
        by_hand.turn(1)
        gevent.joinall(jobs, timeout=BOUND, raise_error=True)
        assert [present(job.value).status_code for job in jobs] == [200] * 3
        assert len(server.seen) == 8


@pytest.mark.parametrize("status", [429, 503])
def test_what_asks_for_time_holds_all_calls_to_its_server(
    status: int, client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    api, second = client(), client()
    server.fail(PRODUCT, status=status, retry_after=7)
    with pytest.raises(PyWATSError):
        api.product.get_product("PN-00001")
    held = gevent.spawn(second.product.get_product, "PN-00001")
    until(lambda: _waiting() == 1)
    (state,) = throttle_statistics()["gates"].values()
    assert state["cause"] == f"HTTP {status}, Retry-After 7 s"
    by_hand.turn(6.9)
    assert not held.dead
    by_hand.turn(0.1)
    assert held.get(timeout=BOUND)


def test_500_greenlets_meet_a_limit_that_is_not_named(
    by_hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 requests in 10 s, 429 without Retry-After for more; retries are on.

    What is in flight when the first refusal comes is refused: here, 4,000 requests are sent in a
    second, and an answer takes 5 ms.
    """

    def sleep(seconds: float) -> None:
        if seconds > 0:
            over = Event()
            by_hand.start_timer(seconds, over.set)
            over.wait()

    counted: list[float] = []
    answers: Counter[int] = Counter()

    def request(*_: Any) -> Answer:
        sleep(0.0025)
        now = by_hand()
        is_refused = sum(now - at < 10 for at in counted[-100:]) == 100
        if not is_refused:
            counted.append(now)
        status = 429 if is_refused else 200
        answers[status] += 1
        sleep(0.0025)
        return Answer(status, {}, b"{}")

    monkeypatch.setattr(exchange, "gevent", SimpleNamespace(sleep=sleep))
    with HttpClient("http://127.0.0.1:1", "t", enable_cache=False) as api:
        monkeypatch.setattr(exchange.exchange_of(api).transport, "request", request)

        def read(number: int) -> int:
            sleep(number / 4000)
            return api.get(f"/{number}").status_code

        started = by_hand.now
        jobs = [gevent.spawn(read, number) for number in range(500)]
        while not all(job.dead for job in jobs):
            by_hand.turn(1)
            # The server itself takes 40 s; the pauses between probes are random.
            assert by_hand.now - started < 200
    assert [job.value for job in jobs] == [200] * 500
    assert answers[200] == 500
    assert answers[429] < 0.1 * answers.total()


def test_a_server_with_a_limit_of_its_own_is_not_hammered(
    client: Callable[..., pyWATS], server: WatsServer
) -> None:
    api = client(retry_config=RetryConfig(max_attempts=9, base_delay=0.01))
    server.configure(rate_limit=(30, 1.0))
    numbers = [f"PN-{number:05}" for number in range(70)]
    with Pool(40) as pool:
        products = pool.map(api.product.get_product, numbers)
    server.configure(rate_limit=None)
    assert [product.part_number for product in all_present(products)] == numbers
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
    client: Callable[..., pyWATS], server: WatsServer, by_hand: HandClock
) -> None:
    limiter = configure_throttling(2, 3600)
    api = client(timeout=0.2)
    server.fail(PRODUCT, mode="hang", times=2)
    killed = gevent.spawn(client().product.get_product, "PN-00001")
    with pytest.raises(TimeoutError):
        api.product.get_product("PN-00001")
    now = by_hand()
    by_hand.turn(5)
    killed.kill()
    assert list(limiter._timestamps) == [now, now + 5]
