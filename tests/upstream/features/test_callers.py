"""Where a call comes from: exact files and lines, through services, Pools and helpers."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context

import gevent
import pytest
from pywats import pyWATS
from pywats import pywats as pywats_module
from pywats.core.client import HttpClient
from typed import private

from pywats_green import Pool, cached, get_many, warm
from pywats_green.profiler import QueryProfile
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.profiling import profile_queries

KEYS = [f"PN-{number:05d}" for number in range(6)]


def line() -> int:
    """Return the caller's line number."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


@pytest.fixture
def http(server: WatsServer) -> Iterator[HttpClient]:
    with HttpClient(server.url, server.token, enable_cache=False) as client:
        yield client


def places(profile: QueryProfile) -> set[tuple[str, int]]:
    assert all(call.caller is not None for call in profile.calls)
    return {(call.caller.file, call.caller.line) for call in profile.calls if call.caller}


def helper(api: pyWATS, key: str) -> object:
    return api.product.get_product(key)


HELPERS_LINE = line() - 3


def test_a_loop_a_comprehension_and_a_helper(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS:
            api.product.get_product(key)
    assert places(profile) == {(__file__, line() - 1)}
    with profile_queries() as profile:
        [api.product.get_product(key) for key in KEYS]
    assert places(profile) == {(__file__, line() - 1)}
    with profile_queries() as profile:
        for key in KEYS:
            helper(api, key)
    assert places(profile) == {(__file__, HELPERS_LINE)}
    assert profile.calls[0].caller == (__file__, HELPERS_LINE, "helper")
    assert str(profile.calls[0].caller) == f"{__file__}:{HELPERS_LINE}"


def test_a_call_over_several_lines(api: pyWATS) -> None:
    with profile_queries() as profile:
        api.product.get_revision(
            "PN-00001",
            "A",
        )
    assert places(profile) == {(__file__, line() - 4)}


def test_a_plain_client(http: HttpClient) -> None:
    with profile_queries() as profile:
        http.get("/api/Product/PN-00001")
        http.post("/api/Product/Groups", {})
        http.delete("/api/Product/PN-NONE")
    assert [call.caller[1] for call in profile.calls if call.caller] == [
        line() - 4,
        line() - 4,
        line() - 4,
    ]
    assert [call.method for call in profile.calls] == ["GET", "POST", "DELETE"]


def test_a_plain_client_on_a_short_stack(http: HttpClient) -> None:
    with profile_queries() as profile:
        target = copy_context().run
        thread = threading.Thread(target=target, args=(http.get, "/api/Product/PN-00001"))
        thread.start()
        thread.join()
    (call,) = profile.calls
    assert call.caller is None  # only threading's lines are there
    assert "None" not in profile.report()


WAYS: dict[str, Callable[[Pool, pyWATS], object]] = {
    "map": lambda pool, api: pool.map(api.product.get_product, KEYS),
    "imap": lambda pool, api: list(pool.imap(api.product.get_product, KEYS)),
    "imap_unordered": lambda pool, api: set(pool.imap_unordered(_Composed(api), KEYS)),
    "map_results": lambda pool, api: pool.map_results(api.product.get_product, KEYS),
    "get_many": lambda _, api: get_many(api, [f"/api/Product/{key}" for key in KEYS]),
    "spawn": lambda pool, api: [pool.spawn(api.product.get_product, k).get() for k in KEYS],
    "apply": lambda pool, api: [pool.apply(api.product.get_product, (k,)) for k in KEYS],
}


class _Composed:
    """Has a line of its own."""

    def __init__(self, api: pyWATS) -> None:
        self._api = api

    def __call__(self, key: str) -> int:
        return id(self._api.product.get_product(key))


_COMPOSED_LINE = inspect.getsourcelines(_Composed.__call__)[1] + 1


@pytest.mark.parametrize("way", WAYS)
def test_through_a_pool_it_is_the_line_of_the_pool_call(api: pyWATS, way: str) -> None:
    with profile_queries() as profile:
        WAYS[way](Pool(3), api)
    assert len(profile.calls) == len(KEYS)
    expected = WAYS[way].__code__.co_firstlineno
    if way == "imap_unordered":
        expected = _COMPOSED_LINE
    assert places(profile) == {(__file__, expected)}
    assert all(call.through_pool for call in profile.calls)


def test_through_a_pool_a_line_of_its_own_comes_first(api: pyWATS) -> None:
    with profile_queries() as profile:
        Pool(3).map(
            lambda key: api.product.get_product(key),  # noqa: PLW0108
            KEYS,
        )
        Pool(3).map(lambda key: helper(api, key), KEYS)
    assert places(profile) == {(__file__, line() - 4), (__file__, HELPERS_LINE)}


def test_a_pool_in_a_pool(api: pyWATS) -> None:
    def inner(keys: list[str]) -> None:
        Pool(2).map(api.product.get_product, keys)

    with profile_queries() as profile:
        Pool(2).map(inner, [KEYS[:3], KEYS[3:]])
    assert places(profile) == {(__file__, line() - 4)}


def test_warm_and_a_cached_function(api: pyWATS) -> None:
    @cached(ttl=60)
    def look_up(key: str) -> object:
        return api.product.get_product(key)

    with profile_queries() as profile:
        warm(api, KEYS)
    assert places(profile) == {(__file__, line() - 1)}
    with profile_queries() as profile:
        look_up("PN-00001")
    assert places(profile) == {(__file__, line() - 7)}


def test_upstreams_own_retry_and_run_sync(server: WatsServer) -> None:
    with pyWATS(base_url=server.url, token=server.token, retry_enabled=True) as api:
        with profile_queries() as profile:
            api.product.get_product("PN-00001")
        assert places(profile) == {(__file__, line() - 1)}
        with profile_queries() as profile:
            private(pywats_module)._run_sync(private(api.product)._async.get_product("PN-00002"))
        assert places(profile) == {(__file__, line() - 1)}
        assert profile.calls[0].service == "api.product.get_product"


def test_a_hook_that_calls_while_another_call_runs(api: pyWATS) -> None:
    """Two calls on one stack, each with its own line."""
    from pywats_green import session_of

    def hook(*_: object, **__: object) -> None:
        session.hooks["response"].clear()
        api.asset.get_asset_by_serial("AS-00001")

    session = session_of(api)
    session.hooks["response"].append(hook)
    with profile_queries() as profile:
        api.product.get_product("PN-00001")
    lines = {call.service: call.caller.line for call in profile.calls if call.caller}
    assert lines == {
        "api.product.get_product": line() - 3,
        "api.asset.get_asset_by_serial": line() - 9,
    }


def test_services_by_their_names(api: pyWATS) -> None:
    with profile_queries() as profile:
        api.product.get_product("PN-00001")
        api.process.get_processes()
        api.report.query_uut_headers(top=1)
        get_many(api, ["/api/Product/PN-00002"])
    assert [call.service for call in profile.calls] == [
        "api.product.get_product",
        "api.process.get_processes",
        "api.report.query_uut_headers",
        None,
    ]


def test_a_plain_greenlet_is_not_recorded(api: pyWATS) -> None:
    with profile_queries() as profile:
        gevent.spawn(api.product.get_product, "PN-00001").join()
    assert profile.calls == []
