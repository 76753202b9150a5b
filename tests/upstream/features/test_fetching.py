"""Batch fetch through real pywats, real sockets, the embedded server."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import gevent
import pytest
from pywats import AsyncWATS, pyWATS
from pywats.core.exceptions import ErrorMode, NotFoundError, ServerError
from pywats.core.throttle import configure_throttling
from pywats.domains.report import ReportType
from waiting import BOUND, until

from pywats_green import (
    ArgumentTypeError,
    InvalidArgumentError,
    fetch_assets,
    fetch_products,
    fetch_report_headers,
    fetch_units,
)
from pywats_green.testing import WatsServer
from upstream.lookups import Counts, greenlets, part_numbers

QUERY = "GET /api/Product/Query"
SINGLE = "GET /api/Product/{partNumber}"
HEADERS = "GET /api/Report/Query/Header"


def guid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def product(part_number: str, name: str = "planted") -> dict[str, Any]:
    return {"partNumber": part_number, "name": name, "state": 1, "revisions": [], "tags": []}


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fetch", "single", "keys", "requests"),
    [
        (
            fetch_products,
            lambda api, key: api.product.get_product(key),
            part_numbers(36),
            {QUERY: 2, SINGLE: 1},
        ),
        (
            fetch_assets,
            lambda api, key: api.asset.get_asset_by_serial(key),
            [f"AS-{number:05d}" for number in range(36)],
            {"GET /api/Asset": 2, "GET /api/Asset/{idOrSerialNumber}": 1},
        ),
        (
            fetch_units,
            lambda api, key: api.production.get_unit(*key),
            [(f"SN-{number:05d}", f"PN-{number:05d}") for number in range(16)],
            {
                "GET /api/Production/Unit/Query": 2,
                "GET /api/Production/Unit/{serialNumber}/{partNumber}": 1,
            },
        ),
        (
            fetch_report_headers,
            lambda api, key: api.report.query_uut_headers(odata_filter=f"uuid eq {key}")[0],
            [guid(0x5, number) for number in (1, 2, 3, 4, 6, 7, 8)],
            {HEADERS: 2},
        ),
    ],
    ids=["products", "assets", "units", "report headers"],
)
def test_gives_what_the_single_calls_give(
    api: pyWATS,
    counts: Counts,
    fetch: Callable[..., dict[Any, Any]],
    single: Callable[[pyWATS, Any], Any],
    keys: list[Any],
    requests: dict[str, int],
) -> None:
    keys = sorted(keys, reverse=True)
    found = fetch(api, keys)
    assert counts.new() == requests
    assert list(found) == keys
    expected = {key: single(api, key) for key in keys}
    assert found == expected
    assert {type(model) for model in found.values()} == {type(expected[keys[0]])}


def test_what_does_not_exist_is_absent_and_the_order_is_kept(api: pyWATS, counts: Counts) -> None:
    keys = ["PN-00003", "missing", "PN-00001", "also missing", "PN-00002"]
    found = fetch_products(api, keys)
    assert list(found) == ["PN-00003", "PN-00001", "PN-00002"]
    assert {key: model.part_number for key, model in found.items()} == {key: key for key in found}
    assert counts.new() == {QUERY: 1, SINGLE: 1 + 2}


@pytest.mark.parametrize("mode", list(ErrorMode))
@pytest.mark.parametrize("status", [404, 204])
def test_in_either_mode_and_with_either_answer_it_is_absent(
    server: WatsServer, mode: ErrorMode, status: int
) -> None:
    server.fail(SINGLE, status, times=None)
    with pyWATS(base_url=server.url, token=server.token, error_mode=mode) as api:
        assert fetch_products(api, ["missing", "gone", "a:b"]) == {}
        assert fetch_products(api, ["missing"]) == {}


def test_duplicates_are_asked_for_once(api: pyWATS, server: WatsServer) -> None:
    found = fetch_assets(api, ["AS-00002", "AS-00001", "AS-00002", "AS-00001"])
    assert list(found) == ["AS-00002", "AS-00001"]
    assert server.stats()["total"] == 2


def test_each_model_is_its_own(api: pyWATS) -> None:
    keys = part_numbers(4)
    found = [fetch_products(api, keys) for _ in range(2)]
    found[0]["PN-00001"].revisions.clear()
    assert len(found[1]["PN-00001"].revisions) == 2


def test_nothing_asked_is_nothing_sent(api: pyWATS, server: WatsServer) -> None:
    for fetch in (fetch_products, fetch_assets, fetch_units, fetch_report_headers):
        assert fetch(api, []) == {}
        assert fetch(api, iter(())) == {}
    assert server.stats()["total"] == 0


def test_what_a_query_cannot_answer_for_sure_is_asked_for_singly(
    api: pyWATS, server: WatsServer
) -> None:
    names = ["O'Brien", "a'' or 'b", "A/B", "100%", "A#B", "é", "e\u0301", "x" * 300]
    server.put_state("products", [product(name) for name in (*names, "A", "Bb", "bB")])
    keys = [*names, "A", "Bb", "bB", "BB", "pn-00001", "PN-00001", *part_numbers(20, start=30)]

    expected: dict[str, Any] = {}
    for key in keys:
        with contextlib.suppress(NotFoundError):
            expected[key] = api.product.get_product(key)
    found = fetch_products(api, keys)
    assert found == expected
    assert len(expected) > len(keys) - 5
    assert list(found) == list(expected)


def test_assets_whose_serial_number_looks_like_an_id(api: pyWATS, counts: Counts) -> None:
    keys = [value for n in range(6) for value in (f"AS-{n:05d}", guid(0xE, n + 10))]
    found = fetch_assets(api, keys)
    assert list(found) == keys
    assert [asset.serial_number for asset in found.values()][1::2] == [
        f"AS-{n + 10:05d}" for n in range(6)
    ]
    assert counts.new() == {"GET /api/Asset": 2, "GET /api/Asset/{idOrSerialNumber}": 2}


def test_report_ids_in_any_spelling(api: pyWATS, counts: Counts) -> None:
    identifier = guid(0x5, 10)
    keys: list[str | UUID] = [identifier.upper(), UUID(identifier), identifier, guid(0x5, 2)]
    found = fetch_report_headers(api, keys)
    assert list(found) == keys
    assert [str(header.uuid) for header in found.values()] == [identifier] * 3 + [guid(0x5, 2)]
    assert counts.new() == {HEADERS: 2}


@pytest.mark.parametrize("repairs", [ReportType.UUR, "uur", "UUR"])
def test_report_headers_of_one_type(api: pyWATS, repairs: Any) -> None:
    keys = [guid(0x5, number) for number in range(12)]
    tests = fetch_report_headers(api, keys)
    repaired = fetch_report_headers(api, keys, report_type=repairs)
    assert len(tests) == 10
    assert len(repaired) == 2
    assert tests.keys() | repaired.keys() == set(keys)


# --- requests -----------------------------------------------------------------------------------


def test_a_thousand_under_the_default_limit(server: WatsServer) -> None:
    configure_throttling()
    keys = [f"AS-{number:05d}" for number in range(1_000)]
    with pyWATS(base_url=server.url, token=server.token) as api:
        assert list(fetch_assets(api, keys)) == keys
    assert server.stats()["total"] <= 80


def test_the_cache_is_asked_first_and_filled(server: WatsServer, counts: Counts) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        first = fetch_products(api, part_numbers(18))
        assert counts.new() == {QUERY: 1, SINGLE: 1}
        assert fetch_products(api, part_numbers(18)) == first
        assert api.product.get_product("PN-00007") == first["PN-00007"]
        assert counts.new() == {}
        fetch_products(api, part_numbers(36))
        assert counts.new() == {QUERY: 1}


@pytest.mark.parametrize("concurrency", [1, 4, 20])
def test_no_more_requests_at_once_than_told(
    api: pyWATS, server: WatsServer, concurrency: int
) -> None:
    server.configure(latency=0.005)
    keys = [f"{'PN' if number % 2 else 'XX'}-{number:05d}" for number in range(100)]
    assert len(fetch_products(api, keys, concurrency=concurrency)) == 50
    assert server.stats()["highest_concurrency"] <= concurrency


def test_a_server_that_refuses_queries(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    server.fail(QUERY, 400, times=None)
    for _ in range(4):
        assert list(fetch_products(api, part_numbers(18))) == part_numbers(18)
    counts.new()
    assert list(fetch_products(api, part_numbers(18))) == part_numbers(18)
    assert counts.new() == {SINGLE: 18}


@pytest.mark.parametrize(
    "settings", [{"lightweight": True}, {"ignore_filter": True}, {"max_top": 3}]
)
def test_a_server_whose_queries_are_no_use(
    api: pyWATS, server: WatsServer, settings: dict[str, Any]
) -> None:
    expected = {key: api.product.get_product(key) for key in part_numbers(40)}
    server.configure(**settings)
    for _ in range(3):
        assert fetch_products(api, part_numbers(40)) == expected


# --- errors and kills ---------------------------------------------------------------------------


def test_the_first_error_ends_it_and_says_what_the_single_call_says(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail(SINGLE, 500, times=None)
    server.fail(QUERY, 500, times=None)
    with pytest.raises(ServerError) as caught:
        fetch_products(api, part_numbers(500), concurrency=20)
    assert caught.value.response.status_code == 500  # type: ignore[attr-defined]
    with pytest.raises(ServerError) as single:
        api.product.get_product("PN-00000")
    assert str(caught.value).replace("PN-00000", "") == str(single.value).replace("PN-00000", "")
    assert sum(counts.new().values()) < 100


def test_one_failing_among_many(api: pyWATS, server: WatsServer) -> None:
    server.fail(SINGLE, 503)
    with pytest.raises(ServerError):
        fetch_products(api, [*part_numbers(40), "missing", "gone"])
    assert list(fetch_products(api, [*part_numbers(40), "missing"])) == part_numbers(40)


def test_an_error_does_not_wait_for_what_still_runs(api: pyWATS, server: WatsServer) -> None:
    fetch_products(api, part_numbers(2))
    server.fail(SINGLE, mode="hang")
    server.fail(SINGLE, 500)
    with pytest.raises(ServerError), gevent.Timeout(BOUND):
        fetch_products(api, ["missing", "gone"])


def test_a_blank_key_is_upstreams_error(api: pyWATS) -> None:
    with pytest.raises(ValueError, match="part_number is required"):
        fetch_products(api, ["PN-00001", " "])


@pytest.mark.parametrize(
    ("fetch", "keys"),
    [
        (fetch_products, "PN-00001"),
        (fetch_products, b"PN-00001"),
        (fetch_products, [5]),
        (fetch_products, [None]),
        (fetch_products, [("SN", "PN")]),
        (fetch_assets, "AS-00001"),
        (fetch_assets, [["AS-00001"]]),
        (fetch_units, "SN"),
        (fetch_units, ["ab"]),
        (fetch_units, ("SN", "PN")),
        (fetch_units, [("SN", "PN", "A")]),
        (fetch_units, [("SN", 5)]),
        (fetch_units, [5]),
        (fetch_report_headers, guid(0x5, 1)),
        (fetch_report_headers, [None]),
        (fetch_report_headers, None),
        (fetch_products, 5),
    ],
)
def test_keys_of_wrong_types(
    api: pyWATS, server: WatsServer, fetch: Callable[..., Any], keys: Any
) -> None:
    with pytest.raises(ArgumentTypeError, match=r"must (be a list|contain) .*, not "):
        fetch(api, keys)
    assert server.stats()["total"] == 0


@pytest.mark.parametrize("key", ["no id", "1 or 1 eq 1"])
def test_ids_that_are_none(api: pyWATS, server: WatsServer, key: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must contain GUIDs"):
        fetch_report_headers(api, [key])
    assert server.stats()["total"] == 0


def test_other_arguments_out_of_range(api: pyWATS, server: WatsServer) -> None:
    for concurrency in (0, -1):
        with pytest.raises(InvalidArgumentError):
            fetch_products(api, ["PN-00001"], concurrency=concurrency)
    for wrong in (2.5, "5", True):
        with pytest.raises(ArgumentTypeError):
            fetch_products(api, ["PN-00001"], concurrency=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="report_type"):
        fetch_report_headers(api, [guid(0x5, 1)], report_type="repair")
    with pytest.raises(ArgumentTypeError, match="api must be a pyWATS, not AsyncWATS"):
        fetch_products(AsyncWATS(base_url=server.url, token=server.token), ["x"])  # type: ignore[arg-type]
    assert server.stats()["total"] == 0


def test_async_wats_beside_it_is_untouched(api: pyWATS, server: WatsServer) -> None:
    async def get() -> Any:
        async with AsyncWATS(base_url=server.url, token=server.token) as client:
            return await client.product.get_product("PN-00001")

    assert asyncio.run(get()) == fetch_products(api, ["PN-00001"])["PN-00001"]


def test_whoever_is_killed_leaves_nothing_running(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail(QUERY, mode="hang", times=None)
    server.fail(SINGLE, mode="hang", times=None)
    before = greenlets()
    fetching = gevent.spawn(fetch_products, api, [*part_numbers(400), "#"], concurrency=40)
    until(lambda: counts.new().get(QUERY))
    fetching.kill()
    until(lambda: greenlets() <= before)  # earlier tests' may end meanwhile
    server.clear_faults()
    assert list(fetch_products(api, part_numbers(60))) == part_numbers(60)


def test_a_timeout_of_the_caller_ends_it(api: pyWATS, server: WatsServer) -> None:
    server.fail(QUERY, mode="hang", times=None)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        fetch_products(api, part_numbers(60))
    server.clear_faults()
    assert list(fetch_products(api, part_numbers(60))) == part_numbers(60)


def test_the_deadline_of_each_call_counts(server: WatsServer) -> None:
    server.fail(QUERY, mode="hang", times=None)
    server.fail(SINGLE, mode="hang", times=None)
    with (
        pyWATS(base_url=server.url, token=server.token, timeout=0.2) as api,
        pytest.raises(TimeoutError, match="timed out after 0.2s"),
    ):
        fetch_products(api, part_numbers(10))


def test_when_disabled_it_asks_one_by_one(run_python: Any, server: WatsServer) -> None:
    finished = run_python(
        "import sys, pywats_green\n"
        "from pywats_green import fetch_products, fetch_units\n"
        "from pywats import pyWATS\n"
        "assert not pywats_green.is_active()\n"
        "api = pyWATS(base_url=sys.argv[1], token=sys.argv[2])\n"
        "print(list(fetch_products(api, ['PN-00002', '', 'PN-00001'][::2] + ['missing'])))\n"
        "print(list(fetch_units(api, [('SN-00001', 'PN-00001')])))\n",
        server.url,
        server.token,
        env={"PYWATS_GREEN_DISABLE": "1"},
        warnings="default",
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "['PN-00002', 'PN-00001']",
        "[('SN-00001', 'PN-00001')]",
    ]
    assert set(server.stats()["requests"].values()) == {3, 1}
    assert server.stats()["highest_concurrency"] == 1
