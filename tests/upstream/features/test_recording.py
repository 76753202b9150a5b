"""What is recorded of calls, in which scope, and what is not."""

import gc
import weakref

import gevent
import pytest
from gevent.event import Event
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.retry import RetryConfig
from pywats.domains.production import Unit
from typed import present
from waiting import turn

from pywats_green import ArgumentTypeError, Pool, batching, events
from pywats_green.profiler import CallerFinder, record_calls
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.profiling import profile_queries

FINDER = CallerFinder("pywats", "pywats.domains.")

SINGLE = "/api/Product/{part_number}"
SERVERS_SINGLE = "GET /api/Product/{partNumber}"
KEYS = [f"PN-{number:05d}" for number in range(12)]


def test_a_call_has_it_all(api: pyWATS, server: WatsServer) -> None:
    with profile_queries() as profile:
        api.report.query_uut_headers(top=2, odata_filter="partNumber eq 'PN-00001'")
    (call,) = profile.calls
    assert (call.method, call.route) == ("GET", "/api/Report/Query/Header")
    assert call.endpoint == "/api/Report/Query/Header"
    assert call.params == {"reportType": "U", "$filter": "partNumber eq 'PN-00001'", "$top": 2}
    assert call.server == server.url
    assert (call.attempts, call.cache, call.is_batched, call.status) == (1, None, False, 200)
    assert call.error is None
    assert 0 <= call.started < call.ended <= profile.seconds
    assert profile.requests == profile.calls
    assert str(call) == (
        "GET /api/Report/Query/Header?reportType=U&$filter=partNumber eq 'PN-00001'&$top=2"
    )


def test_hits_misses_and_those_who_wait(server: WatsServer) -> None:
    server.configure(latency=0.02)
    with (
        pyWATS(base_url=server.url, token=server.token) as api,
        profile_queries() as profile,
    ):
        Pool(3).map(api.product.get_product, ["PN-00001"] * 3)
        api.product.get_product("PN-00001")
    outcomes = sorted((call.cache or "", call.attempts) for call in profile.calls)
    assert outcomes == [("coalesced", 0), ("coalesced", 0), ("hit", 0), ("miss", 1)]
    assert profile.request_count == len(profile.requests) == 1
    (route,) = profile.by_route().values()
    assert (route.calls, route.requests, route.cached, route.failed) == (4, 1, 3, 0)
    assert profile.findings == []


def test_answers_of_a_batch(api: pyWATS, server: WatsServer) -> None:
    before = server.stats()["total"]
    with profile_queries() as profile, batching():
        Pool(12).map(api.product.get_product, KEYS)
    single = profile.by_route()[f"GET {SINGLE}"]
    assert (single.calls, single.batched) == (len(KEYS), len(KEYS) - 1)  # one proved the route
    assert all(call.in_batching for call in profile.calls)
    assert profile.request_count == server.stats()["total"] - before
    assert profile.findings == []


def test_errors_and_statuses(api: pyWATS, server: WatsServer) -> None:
    server.fail(SERVERS_SINGLE, status=500)
    with profile_queries() as profile:
        with pytest.raises(Exception, match="500"):
            api.product.get_product("PN-00001")
        with pytest.raises(Exception, match="404"):
            api.product.get_product("PN-NONE")
        server.fail(SERVERS_SINGLE, mode="reset", times=2)  # a kept connection is no proof
        with pytest.raises(Exception, match="HTTP request failed"):
            api.product.get_product("PN-00001")
    assert [(call.status, call.error) for call in profile.calls] == [
        (500, None),
        (404, None),
        (None, "PyWATSError"),
    ]
    assert profile.by_route()[f"GET {SINGLE}"].failed == 3


def test_a_kill_is_recorded_and_passes(api: pyWATS, server: WatsServer) -> None:
    server.fail(SERVERS_SINGLE, mode="hang")
    with profile_queries() as profile, pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        api.product.get_product("PN-00001")
    (call,) = profile.calls
    assert (call.status, call.error, call.attempts) == (None, "Timeout", 1)
    assert call.elapsed >= 0.04


def test_retries_count_as_requests(server: WatsServer) -> None:
    retry = RetryConfig(max_attempts=3, base_delay=0.0, jitter=False)
    with HttpClient(server.url, server.token, enable_cache=False, retry_config=retry) as http:
        server.fail(SERVERS_SINGLE, status=503, times=2)
        with profile_queries() as profile:
            http.get("/api/Product/PN-00001")
    (call,) = profile.calls
    assert (call.attempts, call.status) == (3, 200)
    assert profile.request_count == 3
    assert len(profile.requests) == 1


def test_writes(api: pyWATS) -> None:
    unit = Unit(serial_number="SN-NEW", part_number="PN-00001", revision="A")
    with profile_queries() as profile:
        product = present(api.product.get_product("PN-00001"))
        api.product.update_product(product)
        api.product.get_product_tags  # noqa: B018  # looked at, not called
        api.production.create_units([unit])
        api.asset.delete_asset(serial_number="AS-00011")
    methods = [call.method for call in profile.calls]
    assert methods == ["GET", "PUT", "PUT", "DELETE"]
    assert all(call.attempts == 1 and call.status for call in profile.calls)


def test_params_are_those_of_the_time_of_the_call(server: WatsServer) -> None:
    params = {"$top": 1, "$skip": None}
    with (
        HttpClient(server.url, server.token, enable_cache=False) as http,
        profile_queries() as profile,
    ):
        http.get("api/Product/Query", params=params)
        params["$top"] = 2
        http.get("/api/Product/Query", params=params)
    assert [call.params for call in profile.calls] == [{"$top": 1}, {"$top": 2}]
    assert {call.endpoint for call in profile.calls} == {"/api/Product/Query"}


def test_only_the_block_and_only_while_it_runs(api: pyWATS) -> None:
    api.product.get_product("PN-00001")
    with profile_queries() as profile:
        assert profile.calls == []
        api.product.get_product("PN-00002")
        assert len(profile.calls) == 1  # it can be used during the block
        api.product.get_product("PN-00003")
    api.product.get_product("PN-00004")
    assert [call.endpoint[-1] for call in profile.calls] == ["2", "3"]
    assert events.listeners == ()


def test_what_ends_after_the_block_is_not_recorded(api: pyWATS) -> None:
    gate = Event()

    def late() -> None:
        gate.wait()
        api.product.get_product("PN-00001")

    with profile_queries() as profile:
        greenlet = Pool(1).spawn(late)
        turn()
    gate.set()
    greenlet.get()
    assert profile.calls == []


def test_a_listener_that_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(ArgumentTypeError, match="callable with a RequestEvent, not 5"):
        events.subscribe(5)  # type: ignore[arg-type]
    assert events.listeners == ()


def test_nested_blocks_both_record(api: pyWATS) -> None:
    with profile_queries() as outer:
        api.product.get_product("PN-00001")
        with profile_queries() as inner:
            Pool(2).map(api.product.get_product, KEYS[:2])
        api.product.get_product("PN-00002")
    assert (len(outer.calls), len(inner.calls)) == (4, 2)
    assert events.listeners == ()


def test_blocks_side_by_side_do_not_mix(api: pyWATS) -> None:
    def profiled(key: str) -> list[str]:
        with profile_queries() as profile:
            for _ in range(3):
                api.product.get_product(key)
        return [call.endpoint for call in profile.calls]

    found = Pool(3).map(profiled, KEYS[:3])
    assert found == [[f"/api/Product/{key}"] * 3 for key in KEYS[:3]]
    assert events.listeners == ()


def test_an_error_in_the_block_ends_the_recording(api: pyWATS) -> None:
    with pytest.raises(ZeroDivisionError), profile_queries() as profile:
        api.product.get_product("PN-00001")
        raise ZeroDivisionError
    assert len(profile.calls) == 1
    assert events.listeners == ()


def test_another_listener_that_fails_hurts_nobody(
    api: pyWATS, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: events.RequestEvent) -> None:
        raise ZeroDivisionError

    cancel = events.subscribe(broken)
    try:
        with profile_queries() as profile:
            assert api.product.get_product("PN-00001") is not None
    finally:
        cancel()
    assert len(profile.calls) == 1
    assert "a listener failed" in caplog.text


def test_a_profile_holds_no_frames(api: pyWATS) -> None:
    class Load:
        pass

    def fails() -> "weakref.ref[Load]":
        load = Load()
        with pytest.raises(Exception, match="404"):
            api.product.get_product("PN-NONE")
        return weakref.ref(load)

    with profile_queries() as profile:
        held = fails()
    gc.collect()
    assert held() is None
    assert len(profile.calls) == 1


def test_the_room_is_bounded(api: pyWATS) -> None:
    with record_calls(FINDER, lambda: None, most=3) as recorded:
        for key in KEYS[:5]:
            api.product.get_product(key)
    assert (len(recorded.rows), recorded.dropped, recorded.sent) == (3, 2, 5)
