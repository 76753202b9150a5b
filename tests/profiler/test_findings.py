"""Findings, advice, and what is not reported."""

import inspect
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import gevent
import pytest
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.domains.product.models import ProductRevision
from typed import all_present, present

import pywats_green
from pywats_green import Pool, batching, get_many
from pywats_green.profiler import Call, Caller, Finding, QueryProfile
from pywats_green.profiler.findings import busy, find
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.profiling import _Adviser, profile_queries

PRODUCT = "/api/Product/{part_number}"
KEYS = [f"PN-{number:05d}" for number in range(40)]
SERIALS = [f"AS-{number:05d}" for number in range(40)]


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


@pytest.fixture
def http(server: WatsServer) -> Iterator[HttpClient]:
    with HttpClient(server.url, server.token, enable_cache=False) as client:
        yield client


def only(profile: QueryProfile) -> Finding:
    (found,) = profile.findings
    return found


# N+1 ---------------------------------------------------------------------------------------------


def test_a_loop_of_look_ups(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS:
            api.product.get_product(key)
    found = only(profile)
    assert profile.n_plus_one == [found]
    assert profile.sequential == profile.duplicates == []
    assert (found.kind, found.method, found.route) == ("n_plus_one", "GET", PRODUCT)
    assert found.caller[:2] == (__file__, line() - 5)
    assert (found.count, found.requests, found.requests_after) == (40, 40, 3)  # 18 in a query
    assert found.share == pytest.approx(8.0)
    assert 0 < found.seconds_after < found.seconds <= profile.seconds
    assert found.seconds == pytest.approx(sum(call.elapsed for call in profile.calls))
    assert found.example == "GET /api/Product/PN-00000"
    assert found.advice == (
        "products = pywats_green.fetch_products(api, part_numbers)\n"
        "# or, an answer for each key:\n"
        "with pywats_green.batching():\n"
        "    found = pywats_green.Pool(50).map(api.product.get_product, part_numbers)"
    )


def test_the_advice_is_right(api: pyWATS) -> None:
    """The advice has the same results, sends as many requests as promised, and has no findings."""
    with profile_queries() as profile:
        expected = [api.product.get_product(key) for key in KEYS]
    advice = only(profile).advice
    names: dict[str, Any] = {"pywats_green": pywats_green, "api": api, "part_numbers": KEYS}
    with profile_queries() as after:
        exec(advice.partition("# or")[2].partition("\n")[2], names)  # noqa: S102
    assert [p.model_dump() for p in names["found"]] == [p.model_dump() for p in expected if p]
    assert after.request_count <= only(profile).requests_after + 2  # the first key is proved
    assert after.findings == []


def test_a_pool_of_look_ups_that_a_query_could_answer(api: pyWATS) -> None:
    with profile_queries() as profile:
        Pool(10).map(api.product.get_product, KEYS)
    found = only(profile)
    assert (found.kind, found.count, found.requests_after) == ("n_plus_one", 40, 3)
    assert found.caller[:2] == (__file__, line() - 3)
    assert "pywats_green.batching()" in found.advice


Loop = Callable[[pyWATS], object]
BATCHED: dict[str, tuple[Loop, str, int]] = {
    "assets": (
        lambda api: [api.asset.get_asset_by_serial(serial) for serial in SERIALS],
        "assets = pywats_green.fetch_assets(api, serial_numbers)",
        3,
    ),
    "units": (
        lambda api: [
            api.production.get_unit(f"SN-{number:05d}", f"PN-{number:05d}") for number in range(20)
        ],
        "units = pywats_green.fetch_units(api, pairs)",
        3,
    ),
    "revisions": (
        lambda api: [api.product.get_revision(key, "A") for key in KEYS],
        "with pywats_green.batching():\n    found = pywats_green.Pool(50).map(lambda pair: api",
        3,
    ),
    "headers": (
        lambda api: [
            api.report.query_uut_headers(
                odata_filter=f"uuid eq {number:08x}-0000-4000-8000-000000000000"
            )
            for number in range(20)
        ],
        "headers = pywats_green.fetch_report_headers(api, ids)",
        2,
    ),
    "paths": (
        lambda api: [_get(api, f"/api/Product/{key}/A") for key in KEYS],
        "with pywats_green.batching():\n    found = pywats_green.get_many(api, paths)",
        3,
    ),
}


def _get(api: pyWATS, path: str) -> object:
    (response,) = get_many(api, [path], concurrency=1)
    return response


@pytest.mark.parametrize("what", BATCHED)
def test_the_other_look_ups(api: pyWATS, what: str) -> None:
    loop, advice, requests = BATCHED[what]
    with profile_queries() as profile:
        loop(api)
    (found,) = profile.n_plus_one
    assert found.advice.startswith(advice)
    assert found.requests_after == requests


def test_a_loop_without_a_query_is_told_of_the_pool(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS[:12]:
            api.product.get_bom(key, "A")
    found = only(profile)
    assert profile.n_plus_one == profile.sequential == [found]
    assert (found.count, found.requests_after) == (12, 12)
    assert found.advice == (
        "pywats_green.Pool(50).map(lambda pair: api.product.get_bom(*pair), pairs)"
    )
    assert found.seconds_after < found.seconds / 4


def test_a_pool_without_a_query_is_left_alone(api: pyWATS) -> None:
    with profile_queries() as profile:
        Pool(5).map(lambda key: api.product.get_bom(key, "A"), KEYS)
        Pool(1).map(lambda key: api.product.get_bom(key, "B"), KEYS)
    assert profile.findings == []


def test_greenlets_of_ones_own_are_left_alone(api: pyWATS, server: WatsServer) -> None:
    server.configure(latency=0.05)

    def get(key: str) -> None:
        api.product.get_bom(key, "A")

    with profile_queries() as profile:
        gevent.joinall([gevent.spawn(copy_context().run, get, key) for key in KEYS[:8]])
    assert len(profile.calls) == 8
    assert profile.findings == []


def test_a_loop_inside_batching_gathers_nothing_and_is_found(api: pyWATS) -> None:
    with profile_queries() as profile, batching(window=0.0):
        for key in KEYS[:6]:
            api.product.get_product(key)
    assert only(profile).kind == "n_plus_one"


def test_what_a_batch_could_not_answer_is_left_alone(api: pyWATS, server: WatsServer) -> None:
    """The server's queries lack data, so each key is looked up singly, inside `batching()`."""
    server.fail("GET /api/Product/Query", status=500, times=None)
    with profile_queries() as profile, batching():
        Pool(20).map(api.product.get_product, KEYS[:20])
    assert profile.by_route()[f"GET {PRODUCT}"].requests >= 20
    assert profile.findings == []


def test_four_are_no_finding(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS[:4]:
            api.product.get_product(key)
        for key in KEYS[4:8]:
            api.product.get_product(key)
    assert profile.findings == []


def test_hits_are_no_finding(server: WatsServer) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        Pool(5).map(api.product.get_product, KEYS)
        with profile_queries() as profile:
            for key in KEYS:
                api.product.get_product(key)
        assert (len(profile.calls), profile.request_count) == (40, 0)
        assert profile.findings == []


def test_the_pages_of_a_list_are_no_finding(api: pyWATS, server: WatsServer) -> None:
    with profile_queries() as profile:
        list(api.scim.iter_users(page_size=1))
    assert len({call.identity for call in profile.calls}) == len(profile.calls)
    assert profile.findings == []


def test_writes_one_by_one(api: pyWATS) -> None:
    products = all_present(api.product.get_product(key) for key in KEYS[:6])
    with profile_queries() as profile:
        for product in products:
            api.product.update_product(product)
    found = only(profile)
    assert (found.kind, found.method, found.count) == ("n_plus_one", "PUT", 6)
    assert found.requests_after == 1
    assert found.advice == "api.product.bulk_save_products(products)"


def test_the_loops_of_upstream_itself(api: pyWATS) -> None:
    revisions = [ProductRevision(part_number=key, revision="Z") for key in KEYS[:6]]
    with profile_queries() as profile:
        api.product.bulk_save_revisions(revisions)
    (found,) = profile.n_plus_one
    assert found.advice == "pywats_green.configure(bulk_writes=True)"
    assert found.caller[:2] == (__file__, line() - 3)


# Duplicates --------------------------------------------------------------------------------------


def test_the_same_asked_again(api: pyWATS) -> None:
    with profile_queries() as profile:
        for _ in range(3):
            api.product.get_product("PN-00001")
        api.product.get_product("PN-00002")
    found = only(profile)
    assert profile.duplicates == [found]
    assert (found.kind, found.count, found.requests_after) == ("duplicate", 3, 1)
    assert found.caller[:2] == (__file__, line() - 5)
    assert "enable_cache=True" in found.advice


def test_from_two_places_both_are_named(api: pyWATS) -> None:
    with profile_queries() as profile:
        api.asset.get_asset_by_serial("AS-00001")
        api.asset.get_asset_by_serial("AS-00001")
    found = only(profile)
    assert [caller.line for caller in found.callers] == [line() - 3, line() - 2]
    assert "pywats_green.cached" in found.advice  # assets are not in the client's cache
    assert "enable_cache" not in found.advice


def test_a_write_in_between_makes_it_another_question(api: pyWATS) -> None:
    with profile_queries() as profile:
        product = present(api.product.get_product("PN-00001"))
        api.product.update_product(product)
        api.product.get_product("PN-00001")
    assert profile.findings == []


def test_asking_again_after_an_error_is_right(api: pyWATS, server: WatsServer) -> None:
    server.fail("GET /api/Product/{partNumber}", status=503, times=1)
    with profile_queries() as profile:
        with pytest.raises(Exception, match="503"):
            api.product.get_product("PN-00001")
        api.product.get_product("PN-00001")
    assert profile.findings == []


def test_other_parameters_are_another_question(api: pyWATS) -> None:
    with profile_queries() as profile:
        api.report.query_uut_headers(top=1)
        api.report.query_uut_headers(top=2)
    assert profile.findings == []


# One after another -------------------------------------------------------------------------------


def test_several_routes_from_one_place(http: HttpClient) -> None:
    paths = [f"/api/Product/{key}" for key in KEYS[:3]]
    paths += [f"/api/Asset/{serial}" for serial in SERIALS[:3]]
    with profile_queries() as profile:
        for path in paths:
            http.get(path)
    found = only(profile)
    assert profile.sequential == [found]
    assert (found.kind, found.count, found.requests_after) == ("sequential", 6, 6)
    assert found.route == f"{PRODUCT}, /api/Asset/{{identifier}}"
    assert found.advice == "pywats_green.get_many(api, paths)"
    with profile_queries() as profile:
        get_many(http, paths)
    assert profile.findings == []


def test_a_method_that_makes_two_requests(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS[:3]:
            api.product.get_groups_for_product(key)
    found = only(profile)
    assert (found.kind, found.count) == ("sequential", 6)
    assert (
        found.advice
        == "pywats_green.Pool(50).map(api.product.get_groups_for_product, part_numbers)"
    )


# By hand -----------------------------------------------------------------------------------------


def made(started: float, elapsed: float = 0.1, **values: Any) -> Call:
    given: dict[str, Any] = {
        "method": "GET", "route": "/api/Product/Vendors", "endpoint": "/api/Product/Vendors",
        "params": {}, "server": "http://a", "caller": Caller("x.py", 1, "f"), "service": None,
        "attempts": 1, "cache": None, "is_batched": False, "status": 200, "error": None,
        "through_pool": False, "in_batching": False,
    }  # fmt: skip
    return Call(**{**given, "started": started, "elapsed": elapsed, **values})


def kinds(*calls: Call) -> list[str]:
    return [found.kind for found in find(list(calls), _Adviser())]


@pytest.mark.parametrize(
    ("begins", "ends", "is_duplicate"),
    [
        (0.2, 0.3, False),  # between them
        (0.0, 0.05, True),  # before both
        (0.05, 0.3, False),  # it ended in between
        (0.05, 9.0, True),  # none of them can have seen its end
        (0.2, 9.0, False),  # it began in between
        (0.6, 0.7, True),  # after both had begun
    ],
)
def test_when_a_write_counts(begins: float, ends: float, is_duplicate: bool) -> None:
    calls = [
        made(0.1),
        made(begins, ends - begins, method="PUT", route="/api/Product", endpoint="/api/Product"),
        made(0.5),
    ]
    calls.sort(key=lambda call: call.started)
    assert kinds(*calls) == (["duplicate"] if is_duplicate else [])


def test_a_write_at_another_server_does_not_count() -> None:
    write = made(0.2, method="PUT", endpoint="/api/Product", server="http://b")
    assert kinds(made(0.0), write, made(0.5)) == ["duplicate"]
    assert kinds(made(0.0), made(0.5, server="http://b")) == []


def test_calls_that_overlap_are_not_one_after_another() -> None:
    apart = [made(number, 0.9, params={"n": number}) for number in range(5)]
    assert kinds(*apart) == ["n_plus_one"]
    touching = [made(number, 1.0, params={"n": number}) for number in range(5)]
    assert kinds(*touching) == ["n_plus_one"]
    assert kinds(made(0, 3.5, params={"n": 0}), *apart[1:]) == []


def test_the_time_under_way() -> None:
    assert busy([]) == 0
    assert busy([made(0, 1), made(0.5, 1), made(3, 1)]) == pytest.approx(2.5)
    assert busy([made(0, 5), made(1, 1)]) == pytest.approx(5)


def test_calls_from_nobody_knows_where_are_not_judged() -> None:
    assert kinds(*[made(n, 0.1, caller=None, params={"n": n % 5}) for n in range(20)]) == []
