"""The green client end to end: real pywats, real sockets, the embedded server."""

import asyncio
import gc
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import monkey
from pywats import AsyncWATS, Product, pyWATS
from pywats.core.circuit_breaker import CircuitBreakerOpenError
from pywats.core.client import HttpClient, Response
from pywats.core.config import SyncConfig
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import NotFoundError, PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError
from pywats.core.parallel import parallel_execute
from pywats.core.retry import RetryConfig
from pywats.models import UUTReport
from transport.servers import Server
from typed import all_present, present, private
from waiting import Rendezvous, turn, until

from pywats_green import ArgumentTypeError, NativeThreadError, Pool, get_many, warm
from pywats_green.testing import WatsServer
from pywats_green.upstream.hooks.calls import run_sync

KEYS = [f"PN-{number:05d}" for number in range(100)]


def _client(server: WatsServer, **options: object) -> pyWATS:
    options = {"enable_cache": False, **options}
    return pyWATS(base_url=server.url, token=server.token, **options)  # type: ignore[arg-type]


def _report(api: pyWATS) -> UUTReport:
    return api.report.create_uut_report(
        operator="op",
        part_number="PN-00001",
        revision="A",
        serial_number="SN-1",
        operation_type=100,
    )


# --- one shared client, many greenlets ----------------------------------------------------------


def test_one_client_serves_many_greenlets_at_once() -> None:
    together = Rendezvous(50)
    with Server(together) as server, pyWATS(base_url=server.url, token="t") as api:
        products = Pool(50).map(api.product.get_product, KEYS)
    assert [product.part_number for product in all_present(products)] == KEYS
    assert together.highest == 50


def test_upstreams_parallel_execute_works() -> None:
    together = Rendezvous(10)
    with Server(together) as server, pyWATS(base_url=server.url, token="t") as api:
        results = parallel_execute(KEYS[:20], api.product.get_product, max_workers=10)
    assert [present(result.value).part_number for result in results] == KEYS[:20]
    assert together.highest == 10


def test_an_error_in_upstreams_parallel_execute_is_one_result(api: pyWATS) -> None:
    results = parallel_execute(["none", *KEYS[:3]], api.product.get_product, max_workers=2)
    assert [result.is_success for result in results] == [False, True, True, True]
    assert results[0].error_code == "NOT_FOUND"


def test_the_blocking_http_client_works_in_many_greenlets() -> None:
    together = Rendezvous(50)
    with Server(together) as server, HttpClient(server.url, "t", enable_cache=False) as client:
        answers = Pool(50).map(lambda key: client.get(f"/api/Product/{key}"), KEYS[:50])
        assert [answer.data["partNumber"] for answer in answers] == KEYS[:50]
        assert client._client is None  # upstream's own connections were never opened
    assert together.highest == 50


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.long)])
def test_nothing_grows_over_thousands_of_calls(rounds: int, api: pyWATS) -> None:
    pool = Pool(50)
    call = api.product.get_product
    pool.map(call, KEYS * 2)

    def counted() -> tuple[int, int, int]:
        pool.join()  # lets the hub remove greenlets that have just ended
        turn()
        gc.collect()
        status = Path("/proc/self/status").read_text(encoding="ascii")
        threads = next(line for line in status.splitlines() if line.startswith("Threads:"))
        greenlets = sum(isinstance(thing, gevent.Greenlet) for thing in gc.get_objects())
        return greenlets, len(list(Path("/proc/self/fd").iterdir())), int(threads.split()[1])

    if not Path("/proc/self/status").exists():
        pytest.skip("reads /proc, which this system has not")
    before = counted()
    for _ in range(rounds):
        pool.map(call, KEYS * 10)
    after = counted()
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)


# --- get_many -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pyWATS", "HttpClient"])
def test_get_many_gives_a_response_for_any_answer_in_order(kind: str, server: WatsServer) -> None:
    client = (
        _client(server)
        if kind == "pyWATS"
        else HttpClient(
            server.url, server.token, enable_cache=False, retry_config=RetryConfig(enabled=False)
        )
    )
    server.fail("GET /api/Product/{partNumber}", status=503, times=1)
    answers = get_many(
        client, (f"/api/Product/{key}" for key in [*KEYS[:3], "none"]), concurrency=1
    )
    assert [answer.status_code for answer in answers] == [503, 200, 200, 404]  # type: ignore[union-attr]
    assert all(isinstance(answer, Response) for answer in answers)


@pytest.mark.parametrize("client", [5, None, {}, AsyncWATS(base_url="http://x", token="t")])
def test_get_many_says_what_a_client_is(client: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="client must be a pyWATS or an HttpClient"):
        get_many(client, ["/api/App/Version"])


@pytest.mark.parametrize("paths", ["/api/App/Version", 5, None])
def test_get_many_says_what_paths_are(server: WatsServer, paths: Any) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        with pytest.raises(ArgumentTypeError, match="paths must be a list"):
            get_many(api, paths)
        with pytest.raises(ArgumentTypeError, match="part_numbers must be a list"):
            warm(api, paths)
    with pytest.raises(ArgumentTypeError, match="api must be a pyWATS, not NoneType"):
        warm(None, ["PN-1"])  # type: ignore[arg-type]


def test_get_many_puts_the_exception_in_the_place_where_get_raised(server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="close", times=1)
    first, second = get_many(
        _client(server), [f"/api/Product/{key}" for key in KEYS[:2]], concurrency=1
    )
    assert isinstance(first, PyWATSError)
    assert isinstance(second, Response)


# --- upstream's corners -------------------------------------------------------------------------


def test_scim_iter_users_is_a_plain_iterator(api: pyWATS, server: WatsServer) -> None:
    users = list(api.scim.iter_users(page_size=2, max_users=5))
    assert len(users) == len({user.id for user in users}) > 2
    assert server.stats()["requests"]["GET /api/SCIM/v2/Users"] > 1


def test_iter_users_left_early_and_failing(api: pyWATS, server: WatsServer) -> None:
    users = api.scim.iter_users(page_size=2)
    next(users)
    private(users).close()
    assert api.scim.iter_users.__name__ == "iter_users"
    server.fail("GET /api/SCIM/v2/Users", status=403, times=1)
    with pytest.raises(PyWATSError) as caught:
        next(api.scim.iter_users())
    assert caught.value.response.status_code == 403  # type: ignore[attr-defined]


def test_process_cache_works_without_an_event_loop(api: pyWATS, server: WatsServer) -> None:
    names = {process.name for process in api.process.get_processes()}
    assert names
    assert {process.name for process in api.process.get_processes()} == names
    assert sum(server.stats()["requests"].values()) == 1
    assert api.process.cache_stats.hits > 0
    api.process.refresh()
    assert sum(server.stats()["requests"].values()) == 2


def test_process_look_ups_in_many_greenlets(api: pyWATS, server: WatsServer) -> None:
    server.configure(latency=0.02)
    found = Pool(20).map(lambda _: api.process.get_test_operations(), range(20))
    assert all(found)


def test_box_build_with_its_context_manager(api: pyWATS) -> None:
    with api.product.get_box_build_template("PN-00001", "A") as template:
        assert template.add_subunit("PN-00002", "A", quantity=2) is template
    again = api.product.get_box_build_template("PN-00001", "A")
    assert any(sub.child_part_number == "PN-00002" for sub in again.subunits)


def test_a_report_travels_there_and_back(api: pyWATS, server: WatsServer) -> None:
    report = _report(api)
    report_id = api.report.submit_report(report)
    assert server.reports() == {str(report.id): 1}
    assert str(report.id) in str(report_id)


def test_correlation_ids_reach_the_log_records(
    api: pyWATS, server: WatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    from pywats.core.logging import CorrelationFilter

    caplog.handler.addFilter(CorrelationFilter())
    server.fail("GET /api/Product/{partNumber}", status=500, times=1)
    with caplog.at_level(logging.DEBUG, "pywats"), pytest.raises(PyWATSError):
        api.product.get_product("PN-00001")
    ids = {getattr(record, "correlation_id", None) for record in caplog.records}
    assert len(ids) == 1
    assert len(present(next(iter(ids))).strip("[] ")) == 8


def test_retries_wait_and_honour_retry_after(server: WatsServer) -> None:
    retry = RetryConfig(max_attempts=3, base_delay=30.0, jitter=False)
    api = _client(server, retry_config=retry)
    server.fail("GET /api/Product/{partNumber}", status=429, times=2, retry_after=0)
    assert api.product.get_product("PN-00001") is not None
    assert server.stats()["requests"]["GET /api/Product/{partNumber}"] == 3
    assert retry.stats["total_retries"] == 2


def test_an_error_carries_the_answer_that_caused_it(api: pyWATS, server: WatsServer) -> None:
    """Upstream's error for a refused report is a ValueError without the status."""
    report = _report(api)
    server.fail("POST /api/Report/WSJF", status=409, times=1)
    with pytest.raises(ValueError, match="409") as caught:
        api.report.submit_report(report)
    assert caught.value.response.status_code == 409  # type: ignore[attr-defined]
    server.fail("GET /api/Product/{partNumber}", mode="reset", times=2)
    with pytest.raises(PyWATSError) as caught_later:
        api.product.get_product("PN-00001")
    assert not hasattr(caught_later.value, "response")


def test_an_error_carries_no_answer_to_an_earlier_request(api: pyWATS, server: WatsServer) -> None:
    async def ask_then_write() -> None:
        assert not (await private(api)._http_client.get("/api/Product/none")).is_success
        await private(api)._http_client.post("/api/Report/WSJF", data={})

    server.fail("POST /api/Report/WSJF", mode="reset", times=1)
    with pytest.raises(PyWATSError) as caught:
        run_sync(ask_then_write())
    assert not hasattr(caught.value, "response")


# --- deadlines and kills ------------------------------------------------------------------------


def test_the_deadline_is_total_with_upstreams_text(server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="hang")
    api = _client(server, timeout=0.05)
    with pytest.raises(TimeoutError) as caught:
        api.product.get_product("PN-00001")
    assert type(caught.value) is TimeoutError
    assert str(caught.value) == "Operation timed out after 0.05s"
    if sys.version_info >= (3, 11):
        assert private(caught.value).__notes__ == [f"GET /api/Product/PN-00001 at {server.url}"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
def test_a_time_limit_of_a_request_names_the_server(server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="hang", times=None)
    client = HttpClient(base_url=server.url, token=server.token, timeout=0.05)
    with client, pytest.raises(WatsTimeoutError) as caught:
        client.get("/api/Product/PN-00001")
    assert private(caught.value).__notes__ == [f"GET /api/Product/PN-00001 at {server.url}"]


def test_the_deadline_counts_retry_waits(server: WatsServer) -> None:
    retry = RetryConfig(max_attempts=9, base_delay=3600.0, max_delay=3600.0, jitter=False)
    api = _client(server, retry_config=retry, sync_config=SyncConfig(timeout=0.1))
    server.fail("GET /api/Product/{partNumber}", status=503, times=9)
    with pytest.raises(TimeoutError):
        api.product.get_product("PN-00001")


@pytest.mark.parametrize("how", ["killed", "timed out"])
def test_a_killed_call_counts_for_the_breaker_neither_way(how: str, server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="hang", times=None)
    api = _client(server, timeout=0.02 if how == "timed out" else 60.0)
    breaker = private(api)._http_client._circuit_breaker
    breaker._failure_count = 3
    for asked in range(1, 6):
        call = gevent.spawn(_swallow, api.product.get_product, "PN-00001")
        if how == "killed":
            until(lambda asked=asked: server.stats()["total"] == asked)
            call.kill()
        call.join()
    assert breaker._failure_count == 3
    assert breaker.is_closed


def _swallow(func, *args):
    try:
        return func(*args)
    except TimeoutError as exc:
        return exc


def test_the_breaker_opens_after_five_refused_connections_as_upstream() -> None:
    api = pyWATS(base_url="http://127.0.0.1:9", token="t", enable_cache=False)
    for _ in range(5):
        with pytest.raises(WatsConnectionError):
            api.product.get_product("PN-00001")
    with pytest.raises(CircuitBreakerOpenError):
        api.product.get_product("PN-00001")


# --- AsyncWATS beside it ------------------------------------------------------------------------


def test_asyncwats_goes_on_working_while_greenlets_run(api: pyWATS, server: WatsServer) -> None:
    async def gather() -> list[object]:
        async with AsyncWATS(base_url=server.url, token=server.token, enable_cache=False) as client:
            calls = [client.product.get_product(key) for key in KEYS[:10]]
            return [p.part_number for p in all_present(await asyncio.gather(*calls))]

    loop = gevent.spawn(asyncio.run, gather())
    pool = Pool(20)
    green = pool.map(api.product.get_product, KEYS[:40])
    assert loop.get(timeout=60) == KEYS[:10]
    assert [product.part_number for product in all_present(green)] == KEYS[:40]


def test_asyncwats_process_cache_still_starts_its_task(server: WatsServer) -> None:
    async def look_up() -> bool:
        async with AsyncWATS(base_url=server.url, token=server.token) as client:
            await client.process.get_processes()
            cache = client.process._cache
            started = cache._cleanup_task is not None
            await cache.stop_cleanup()
            return started

    assert asyncio.run(look_up())


# --- bad input ----------------------------------------------------------------------------------


def test_a_base_url_without_scheme_says_what_to_write() -> None:
    api = pyWATS(base_url="wats.example.com", token="t")
    with pytest.raises(PyWATSError, match="missing an 'http://' or 'https://' protocol.*https://"):
        api.product.get_product("PN-00001")
    assert api.test_connection() is False


@pytest.mark.parametrize("broken", ["secret\n", "sec\r\nret", "sec\nret"])
def test_a_token_with_a_line_break_is_refused_without_showing_it(
    broken: str, server: WatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    api = pyWATS(base_url=server.url, token=broken)
    with caplog.at_level(logging.DEBUG), pytest.raises(PyWATSError) as caught:
        api.product.get_product("PN-00001")
    assert "the token contains a line break: strip it" in str(caught.value)
    assert "sec" not in str(caught.value) + repr(caught.value) + caplog.text
    assert server.requests() == []


def test_a_client_in_a_foreign_native_thread_is_refused_clearly(api: pyWATS) -> None:
    api.product.get_product("PN-00001")
    with pytest.raises(NativeThreadError, match="create one client for each native thread"):
        gevent.get_hub().threadpool.apply(api.product.get_product, ("PN-00002",))
    assert private(api)._http_client._circuit_breaker._failure_count == 0
    assert present(api.product.get_product("PN-00002")).part_number == "PN-00002"


def test_a_native_thread_with_a_client_of_its_own_works(server: WatsServer) -> None:
    native_start = monkey.get_original("_thread", "start_new_thread")
    found: list[object] = []
    done = gevent.get_hub().loop.async_()

    def work() -> None:
        try:
            with _client(server) as own:
                found.extend(
                    Pool(5).map(lambda key: present(own.product.get_product(key)).name, KEYS[:10])
                )
        finally:
            gevent.get_hub().destroy()
            done.send()

    waiter = gevent.event.Event()
    done.start(waiter.set)
    native_start(work, ())
    assert waiter.wait(60)
    done.close()
    assert len(found) == 10


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("reset", "HTTP request failed"),
        ("close", "HTTP request failed: Server disconnected without sending a response."),
        (
            "cut",
            "HTTP request failed: peer closed connection without sending complete message body",
        ),
    ],
)
def test_a_broken_answer_is_one_clear_error_and_the_client_stays_usable(
    mode: str, text: str, api: pyWATS, server: WatsServer
) -> None:
    server.fail("GET /api/Product/{partNumber}", mode=mode, times=1)
    with pytest.raises(PyWATSError, match=text):
        api.product.get_product("PN-00001")
    assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"


def test_a_server_that_answers_html_is_an_error_as_upstream(
    api: pyWATS, server: WatsServer
) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="html", times=1)
    with pytest.raises(Exception, match=r"(?s).") as caught:
        api.product.get_product("PN-00001")
    assert not isinstance(caught.value, NotFoundError)
    assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"


def test_a_server_that_never_answers_ends_at_the_deadline(server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", mode="hang", times=1)
    api = _client(server, timeout=1.0)
    with pytest.raises(TimeoutError):
        api.product.get_product("PN-00001")
    assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"


def test_a_post_is_never_sent_twice(server: WatsServer) -> None:
    api = _client(server, retry_config=RetryConfig(base_delay=0.01, jitter=False))
    server.fail("POST /api/Report/WSJF", mode="close", times=1)
    report = _report(api)
    with pytest.raises(PyWATSError):
        api.report.submit_report(report)
    assert [request.method for request in server.requests()] == ["POST"]


def test_a_write_can_be_read_back(api: pyWATS) -> None:
    product = present(api.product.get_product("PN-00001"))
    product.description = "Größe µ"
    assert isinstance(api.product.update_product(product), Product)
    assert present(api.product.get_product("PN-00001")).description == "Größe µ"


def test_close_and_go_on(api: pyWATS, server: WatsServer) -> None:
    api.product.get_product("PN-00001")
    api.close()
    assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"
    assert server.stats()["connections_opened"] == 2


def test_threads_are_greenlets_and_share_a_client() -> None:
    together = Rendezvous(20)
    found: list[str] = []
    with Server(together) as server, pyWATS(base_url=server.url, token="t") as api:

        def work(key: str) -> None:
            found.append(present(api.product.get_product(key)).part_number)

        threads = [threading.Thread(target=work, args=(key,)) for key in KEYS[:20]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == KEYS[:20]
    assert together.highest == 20


def test_a_password_in_the_base_url_is_in_no_error_log_or_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown: list[str] = []
    caplog.set_level(logging.DEBUG)
    with Server() as server:
        url = server.url.replace("http://", "http://me:hunter2@")
        with HttpClient(url, "t", enable_cache=False) as http:
            with http.capture_traces() as traces:
                http.get("/x")
            shown.append(repr(traces))
    with pyWATS(base_url=url, token="t", enable_cache=False) as api:
        shown.append(repr(api))
        for _ in range(6):
            with pytest.raises((PyWATSError, CircuitBreakerOpenError)) as caught:
                api.analytics.get_version()
            shown += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
        assert isinstance(caught.value, CircuitBreakerOpenError)
        private(api)._http_client._circuit_breaker._last_failure_time = 0.0  # long ago
        with pytest.raises(WatsConnectionError):
            api.analytics.get_version()
    shown.append(caplog.text)
    assert "Attempting recovery" in caplog.text
    assert [text for text in shown if "hunter2" in text] == []
