"""Batching through real pywats, real sockets, the embedded server."""

import gc
import logging
import weakref
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent
import pytest
from gevent.event import Event
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import NotFoundError
from pywats.core.throttle import configure_throttling
from typed import all_present, present, private
from waiting import BOUND, turn, until

import pywats_green
from pywats_green import ArgumentTypeError, InvalidArgumentError, Pool, batching, cache_of, events
from pywats_green.batching import current_scope
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import batches
from pywats_green.upstream.tables.batch_forms import ASSET, PRODUCT, UNIT
from upstream.lookups import (
    ENDLESS,
    QUERY,
    SINGLE,
    Counts,
    outcome,
    outcomes,
    part_numbers,
    planted,
)

ASSET_QUERY, ASSET_SINGLE = "GET /api/Asset", "GET /api/Asset/{idOrSerialNumber}"
UNIT_QUERY = "GET /api/Production/Unit/Query"
UNIT_SINGLE = "GET /api/Production/Unit/{serialNumber}/{partNumber}"
WINDOW = 0.05  # in these tests it ends when all current look-ups have started

HEADERS = "GET /api/Report/Query/Header"


def guid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def queries(server: WatsServer) -> list[dict[str, list[str]]]:
    """Return the options of the queries that the server received."""
    split = [urlsplit(request.target) for request in server.requests()]
    return [parse_qs(target.query) for target in split if "filter" in target.query]


# --- what is batched ----------------------------------------------------------------------------


def test_lookups_at_once_are_one_query_once_it_is_proven(api: pyWATS, counts: Counts) -> None:
    keys = part_numbers(18)
    with batching(window=WINDOW):
        first = outcomes(api.product.get_product, keys)
        assert counts.new() == {QUERY: 1, SINGLE: 1}
        second = outcomes(api.product.get_product, keys)
        assert counts.new() == {QUERY: 1}
    assert first == second == outcomes(api.product.get_product, keys)
    assert counts.new() == {SINGLE: 18}


def test_more_than_a_query_holds_goes_in_several(proven: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, part_numbers(60))
    assert counts.new() == {QUERY: 4}


def test_nothing_is_gathered_outside_a_block(api: pyWATS, counts: Counts) -> None:
    outcomes(api.product.get_product, part_numbers(5))
    assert counts.new() == {SINGLE: 5}


def test_a_lone_lookup_is_the_single_call(api: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW):
        assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"
    assert counts.new() == {SINGLE: 1}


def test_duplicates_are_asked_for_once_and_answered_each(proven: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW):
        found = all_present(Pool(10).map(proven.product.get_product, ["PN-00001"] * 10))
    assert counts.new() == {QUERY: 1}
    found[0].revisions.clear()
    found[0].tags.clear()
    assert len(found[1].revisions) == 2
    assert len({id(product) for product in found}) == 10


def test_answers_share_nothing(api: pyWATS) -> None:
    get = pywats_green.get_many
    with batching(window=WINDOW):
        paths = ["/api/Product/PN-00001", "/api/Product/PN-00001", "/api/Product/PN-00002"]
        for _ in range(2):
            first, second, third = get(api, paths)
            first.data["revisions"].append("spoiled")  # type: ignore[union-attr]
            first.headers["x"] = "spoiled"  # type: ignore[union-attr]
            third.headers["y"] = "spoiled"  # type: ignore[union-attr]
            assert len(second.data["revisions"]) == 2  # type: ignore[union-attr]
            assert not {"x", "y"} & second.headers.keys()  # type: ignore[union-attr]


def test_an_answer_is_that_of_the_single_call(api: pyWATS) -> None:
    paths = [f"/api/Product/{name}" for name in part_numbers(4)]
    singles = pywats_green.get_many(api, paths)
    with batching(window=WINDOW):
        pywats_green.get_many(api, paths)
        batched = pywats_green.get_many(api, paths)
    for single, answer in zip(singles, batched, strict=True):
        assert answer.status_code == 200  # type: ignore[union-attr]
        assert answer.data == single.data  # type: ignore[union-attr]
        assert answer.raw == single.raw  # type: ignore[union-attr]
        assert answer.headers["content-type"] == single.headers["content-type"]  # type: ignore[union-attr]
        assert "content-length" not in answer.headers  # type: ignore[union-attr]


def test_letters_of_all_scripts_are_sent_and_parsed_as_the_server_does(
    api: pyWATS, server: WatsServer
) -> None:
    server.put_state("products", [planted("ÄÖ-1", "名前 😀"), planted("ÄÖ-2")])
    paths = ["/api/Product/ÄÖ-1", "/api/Product/ÄÖ-2"]
    singles: list[Any] = pywats_green.get_many(api, paths)
    with batching(window=WINDOW):
        pywats_green.get_many(api, paths)
        batched: list[Any] = pywats_green.get_many(api, paths)
    assert [answer.data for answer in batched] == [answer.data for answer in singles]
    assert [answer.raw for answer in batched] == [answer.raw for answer in singles]


def test_half_a_character_is_an_escape(api: pyWATS) -> None:
    source = batches._Source(private(api)._http_client, PRODUCT, None)  # type: ignore[arg-type]
    answer = source.answer(batches._Found({"name": "\ud83d"}, {}))
    assert answer.raw == b'{"name":"\\ud83d"}'
    assert answer.data == {"name": "\ud83d"}


@pytest.mark.parametrize(
    ("get", "keys", "query", "single", "requests"),
    [
        (
            lambda api, key: api.asset.get_asset_by_serial(key),
            [f"AS-{n:05d}" for n in range(18)],
            *(ASSET_QUERY, ASSET_SINGLE, 1),
        ),
        (
            lambda api, key: api.asset.get_asset(asset_id=key),
            [guid(0xE, n) for n in range(16)],
            *(ASSET_QUERY, ASSET_SINGLE, 2),
        ),
        (
            lambda api, key: api.production.get_unit(*key),
            [(f"SN-{n:05d}", f"PN-{n:05d}") for n in range(16)],
            *(UNIT_QUERY, UNIT_SINGLE, 2),
        ),
    ],
    ids=["asset by serial number", "asset by id", "unit"],
)
def test_other_lookups_that_travel_together(
    api: pyWATS, counts: Counts, get: Any, keys: list[Any], query: str, single: str, requests: int
) -> None:
    with batching(window=WINDOW):
        first = outcomes(lambda key: get(api, key), keys)
        assert counts.new() == {query: requests, single: 1}
        second = outcomes(lambda key: get(api, key), keys)
        assert counts.new() == {query: requests}
    assert first == second == outcomes(lambda key: get(api, key), keys)


def test_assets_by_serial_number_and_by_id_at_once(api: pyWATS, counts: Counts) -> None:
    keys = [f"AS-{n:05d}" for n in range(4)] + [guid(0xE, n) for n in range(4)]
    with batching(window=WINDOW):
        for _ in range(2):
            found = Pool(8).map(lambda key: api.asset.get_asset(serial_number=key), keys)
    assert [asset.serial_number for asset in all_present(found)] == [
        f"AS-{n % 4:05d}" for n in range(8)
    ]
    assert counts.new() == {ASSET_QUERY: 4, ASSET_SINGLE: 2}


def test_an_id_that_is_another_assets_serial_number_goes_singly(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    twin = {**server.get_state("assets")[0], "serialNumber": guid(0xE, 1), "assetId": guid(0xE, -1)}
    server.put_state("assets", [twin])
    keys = [guid(0xE, n) for n in range(1, 4)]
    plain = outcomes(lambda key: api.asset.get_asset(asset_id=key), keys)
    counts.new()
    with batching(window=WINDOW):
        for _ in range(2):
            assert outcomes(lambda key: api.asset.get_asset(asset_id=key), keys) == plain
    assert counts.new() == {ASSET_QUERY: 2, ASSET_SINGLE: 3}


def test_product_revisions(api: pyWATS, counts: Counts) -> None:
    paths = [f"/api/Product/PN-{n:05d}/{name}" for n in range(5) for name in "ABC"]
    plain = [answer.data for answer in pywats_green.get_many(api, paths)]  # type: ignore[union-attr]
    counts.new()
    with batching(window=WINDOW):
        for _ in range(2):
            answers = pywats_green.get_many(api, paths)
            assert [answer.data for answer in answers] == plain  # type: ignore[union-attr]
    assert counts.new() == {QUERY: 2, "GET /api/Product/{partNumber}/{revision}": 1 + 5 + 5}


@pytest.mark.parametrize("spelling", ["uuid eq {}", "uuid eq '{}'", "id eq {}"])
def test_report_headers_by_id(api: pyWATS, counts: Counts, spelling: str) -> None:
    def get(number: int) -> Any:
        headers = api.report.query_uut_headers(odata_filter=spelling.format(guid(0x5, number)))
        return [header.model_dump() for header in headers]

    plain = outcomes(get, range(12))  # two of them are repairs: an empty list
    counts.new()
    assert plain.count([]) == 2
    with batching(window=WINDOW):
        for _ in range(2):
            assert outcomes(get, range(12)) == plain
    assert counts.new() == {HEADERS: 2 + 1 + 2 + 2}


def test_header_queries_of_other_shapes_go_as_they_are(api: pyWATS, server: WatsServer) -> None:
    def get(number: int) -> Any:
        return api.report.query_uut_headers(odata_filter=f"serialNumber eq 'SN-{number:05d}'")

    with batching(window=WINDOW):
        found = Pool(5).map(get, range(5))
    assert [len(headers) for headers in found] == [len(get(number)) for number in range(5)]
    assert {options["$filter"][0] for options in queries(server)} == {
        f"serialNumber eq 'SN-{number:05d}'" for number in range(5)
    }


def test_the_blocking_client_too(server: WatsServer, counts: Counts) -> None:
    client = HttpClient(server.url, server.token, enable_cache=False)
    keys = [*part_numbers(10), "missing"]
    plain = [client.get(f"/api/Product/{key}").data for key in keys]
    counts.new()
    with batching(window=WINDOW):
        for _ in range(2):
            answers = Pool(20).map(lambda key: client.get(f"/api/Product/{key}"), keys)
            assert [answer.data for answer in answers] == plain
    assert answers[-1].status_code == 404
    assert counts.new() == {QUERY: 2, SINGLE: 1 + 1 + 1}
    client.close()


def test_calls_with_headers_of_their_own_go_singly(server: WatsServer, counts: Counts) -> None:
    client = HttpClient(server.url, server.token, enable_cache=False)
    with batching(window=WINDOW):
        Pool(4).map(
            lambda key: client.get(f"/api/Product/{key}", headers={"X-Station": key}),
            part_numbers(4),
        )
    assert counts.new() == {SINGLE: 4}
    client.close()


def test_writes_and_other_reads_are_untouched(api: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW):
        Pool(4).map(lambda n: api.product.create_product(f"new-{n}"), range(4))
        Pool(4).map(lambda n: api.product.get_groups(), range(4))
    assert counts.new() == {"PUT /api/Product": 4, "GET /api/Product/Groups": 4}


# --- how a query is written ---------------------------------------------------------------------


def test_top_is_sent_and_values_are_escaped(api: pyWATS, server: WatsServer) -> None:
    server.put_state("products", [planted("O'Brien' or partNumber ne '"), planted("x and y")])
    with batching(window=WINDOW):
        found = outcomes(api.product.get_product, ["O'Brien' or partNumber ne '", "x and y"])
    assert [product["part_number"] for product in found] == [
        "O'Brien' or partNumber ne '",
        "x and y",
    ]
    (query,) = queries(server)
    assert query["$filter"] == [
        "partNumber eq 'O''Brien'' or partNumber ne ''' or partNumber eq 'x and y'"
    ]
    assert int(query["$top"][0]) >= 2


@pytest.mark.parametrize("letter", ["x", "'", "ø", "漢", "😀"])
def test_no_url_is_over_2000_characters(api: pyWATS, server: WatsServer, letter: str) -> None:
    names = [f"{number:03d}{letter * (number % 100)}" for number in range(100)]
    server.put_state("products", [planted(name) for name in names])
    plain = outcomes(api.product.get_product, names)
    server.clear_requests()
    with batching(window=WINDOW, max_batch=1000):
        for _ in range(2):
            assert outcomes(api.product.get_product, names) == plain
    lengths = [len(server.url + request.target) for request in server.requests()]
    assert 1_700 < max(lengths) <= 2_000
    assert "404" not in server.stats()["statuses"]


def test_a_key_too_long_for_any_query_goes_singly(proven: pyWATS, server: WatsServer) -> None:
    names = ["漢" * 300, "字" * 300, "x" * 300]
    server.put_state("products", [planted(name) for name in names])
    with batching(window=WINDOW):
        found = Pool(3).map(proven.product.get_product, names)
    assert [product.part_number for product in all_present(found)] == names
    assert all(len(server.url + r.target) <= 3_000 for r in server.requests())


# --- the size of a query ------------------------------------------------------------------------


def test_max_batch_is_an_upper_bound(proven: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW, max_batch=5):
        outcomes(proven.product.get_product, part_numbers(20))
    assert counts.new() == {QUERY: 4}
    with batching(window=WINDOW, max_batch=1):
        outcomes(proven.product.get_product, part_numbers(20))
    assert counts.new() == {SINGLE: 20}


def test_a_refused_query_halves_what_is_sent_and_that_is_remembered(
    proven: pyWATS, server: WatsServer, counts: Counts
) -> None:
    learned = batches.learned_of(private(proven)._http_client, PRODUCT)
    assert learned.limit == 18
    server.fail(QUERY, 400)
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, part_numbers(18))
    assert counts.new() == {QUERY: 1, SINGLE: 18}
    assert learned.limit == 9
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, part_numbers(18))
    assert counts.new() == {QUERY: 2}
    assert batches.learned_of(private(proven)._http_client, ASSET).limit == 18
    assert batches.learned_of(private(proven)._http_client, UNIT).limit == 8


def test_queries_refused_at_the_same_time_halve_it_once(proven: pyWATS, server: WatsServer) -> None:
    server.fail(QUERY, 400, times=4)
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, part_numbers(72))
    assert batches.learned_of(private(proven)._http_client, PRODUCT).limit == 9


def test_a_server_that_refuses_all_queries_is_left_alone(
    api: pyWATS, server: WatsServer, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(QUERY, 400, times=None)
    with batching(window=WINDOW):
        for _ in range(6):
            outcomes(api.product.get_product, part_numbers(18))
    assert counts.new()[QUERY] < 12
    with batching(window=WINDOW):
        outcomes(api.product.get_product, part_numbers(18))
    assert counts.new() == {SINGLE: 18}
    assert [record.levelname for record in caplog.records if "batch" in record.name] == ["WARNING"]


# --- what the query does not answer -------------------------------------------------------------


def test_what_is_missing_is_asked_for_singly(proven: pyWATS, counts: Counts) -> None:
    keys = ["PN-00001", "nothing", "PN-00002", "nowhere"]
    plain = outcomes(proven.product.get_product, keys)
    counts.new()
    with batching(window=WINDOW):
        assert outcomes(proven.product.get_product, keys) == plain
        with pytest.raises(NotFoundError):
            proven.product.get_product("nothing")
    assert plain[1][0] == "NotFoundError"
    assert counts.new() == {QUERY: 1, SINGLE: 2 + 1}


@pytest.mark.parametrize("mode", ["status", "reset", "close", "cut", "html"])
def test_a_failed_query_falls_back_to_single_calls_once(
    proven: pyWATS, server: WatsServer, counts: Counts, mode: str
) -> None:
    sent = 2 if mode in ("reset", "close") else 1  # a read on a kept connection is sent once more
    server.fail(QUERY, 500, mode=mode, times=sent)
    with batching(window=WINDOW):
        found = Pool(18).map(proven.product.get_product, part_numbers(18))
        assert [product.part_number for product in all_present(found)] == part_numbers(18)
        assert counts.new() == {QUERY: sent, SINGLE: 18}
        outcomes(proven.product.get_product, part_numbers(18))
        assert counts.new() == {QUERY: 1}


def test_failed_queries_do_not_open_the_circuit_breaker(proven: pyWATS, server: WatsServer) -> None:
    server.fail(QUERY, mode="reset", times=None)
    with batching(window=WINDOW):
        found = Pool(200).map(proven.product.get_product, part_numbers(200))
    assert len(found) == 200


def test_a_query_that_succeeds_counts_for_the_circuit_breaker(proven: pyWATS) -> None:
    breaker = private(proven)._http_client._circuit_breaker
    for _ in range(4):
        breaker._on_failure()
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, part_numbers(4))
    breaker._on_failure()
    assert breaker.is_closed


def test_an_open_circuit_breaker_is_not_gone_round(proven: pyWATS, counts: Counts) -> None:
    breaker = private(proven)._http_client._circuit_breaker
    for _ in range(5):
        breaker._on_failure()
    plain = outcomes(proven.product.get_product, part_numbers(4))
    with batching(window=WINDOW):
        assert outcomes(proven.product.get_product, part_numbers(4)) == plain
    assert plain[0][0] == "CircuitBreakerOpenError"
    assert counts.new() == {}


def test_the_exact_spelling_wins(proven: pyWATS, server: WatsServer, counts: Counts) -> None:
    server.put_state("products", [planted("abc", "lower"), planted("ABC", "upper")])
    server.put_state("products", [planted("Xyz", "mixed")])
    keys = ["abc", "ABC", "xyz", "aBc"]
    plain = outcomes(proven.product.get_product, keys)
    counts.new()
    with batching(window=WINDOW):
        assert outcomes(proven.product.get_product, keys) == plain
    assert [product["name"] for product in plain[:3]] == ["lower", "upper", "mixed"]
    assert counts.new() == {QUERY: 1, SINGLE: 2}


def test_a_query_that_answers_little_is_not_asked_again(
    proven: pyWATS, server: WatsServer, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    server.configure(ignore_filter=True)
    keys = part_numbers(18, start=100)
    for expected in ({QUERY: 1, SINGLE: 18}, {QUERY: 1, SINGLE: 18}, {SINGLE: 18}):
        with batching(window=WINDOW):
            found = Pool(18).map(proven.product.get_product, keys)
        assert [product.part_number for product in all_present(found)] == keys
        assert counts.new() == expected
    (record,) = [record for record in caplog.records if record.name == "pywats_green.batching"]
    assert "/api/Product/{partNumber}" in record.getMessage()


def test_a_server_that_caps_top(proven: pyWATS, server: WatsServer, counts: Counts) -> None:
    server.configure(max_top=12)
    with batching(window=WINDOW):
        found = Pool(18).map(proven.product.get_product, part_numbers(18))
    assert [product.part_number for product in all_present(found)] == part_numbers(18)
    assert counts.new() == {QUERY: 1, SINGLE: 6}


def test_keys_that_do_not_exist_say_nothing_against_a_query(proven: pyWATS, counts: Counts) -> None:
    for _ in range(3):
        with batching(window=WINDOW):
            outcomes(proven.product.get_product, [f"no-{number}" for number in range(5)])
        assert counts.new() == {QUERY: 1, SINGLE: 5}


# --- proof --------------------------------------------------------------------------------------


def test_a_lightweight_query_is_never_handed_out(
    api: pyWATS, server: WatsServer, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    plain = outcomes(api.product.get_product, part_numbers(18))
    counts.new()
    server.configure(lightweight=True)
    with batching(window=WINDOW):
        assert outcomes(api.product.get_product, part_numbers(18)) == plain
        assert counts.new() == {QUERY: 1, SINGLE: 18}
        assert outcomes(api.product.get_product, part_numbers(18)) == plain
    with batching(window=WINDOW):
        assert outcomes(api.product.get_product, part_numbers(18)) == plain
    assert counts.new() == {SINGLE: 36}
    (record,) = [record for record in caplog.records if record.name == "pywats_green.batching"]
    assert record.levelno == logging.WARNING
    assert server.token not in record.getMessage()


def test_nor_does_it_enter_the_cache(server: WatsServer) -> None:
    server.configure(lightweight=True)
    with pyWATS(base_url=server.url, token=server.token) as api:
        with batching(window=WINDOW):
            Pool(20).map(api.product.get_product, part_numbers(20))
        assert all(
            len(present(api.product.get_product(key)).revisions) == 2 for key in part_numbers(20)
        )


def test_a_bare_product_proves_nothing(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    server.configure(lightweight=True)
    bare = [planted(f"bare-{number}") for number in range(3)]
    for product in bare:
        product.update(description=None, xmlData=None, revisions=[], tags=[])
    server.put_state("products", bare)
    with batching(window=WINDOW):
        outcomes(api.product.get_product, [product["partNumber"] for product in bare])
        assert counts.new() == {QUERY: 1, SINGLE: 3}
        found = Pool(5).map(api.product.get_product, part_numbers(5))
    assert all(len(product.revisions) == 2 for product in all_present(found))


def test_a_proof_that_cannot_be_made_is_tried_again(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    with batching(window=WINDOW):
        outcomes(api.product.get_product, ["no-1", "no-2"])
        assert counts.new() == {QUERY: 1, SINGLE: 2}
        server.fail(SINGLE, 500)
        results = outcomes(api.product.get_product, part_numbers(3))
        assert counts.new() == {QUERY: 1, SINGLE: 3}
        assert sum(result[0] == "ServerError" for result in results if type(result) is tuple) == 1
        outcomes(api.product.get_product, part_numbers(3))
        assert counts.new() == {QUERY: 1, SINGLE: 1}
        outcomes(api.product.get_product, part_numbers(3))
        assert counts.new() == {QUERY: 1}


def test_numbers_and_booleans_are_different_json(api: pyWATS, server: WatsServer) -> None:
    from pywats.core.client import Response

    source = batches._Source(
        private(api)._http_client, PRODUCT, lambda endpoint, params: Response(status_code=200)
    )
    single = Response(status_code=200, data={"revisions": [1], "state": 1})
    assert source.compare(single, batches._Found({"state": 1, "revisions": [1]}, {})) is True
    assert source.compare(single, batches._Found({"state": True, "revisions": [1]}, {})) is False


def test_each_client_needs_its_own_proof(
    proven: pyWATS, server: WatsServer, counts: Counts
) -> None:
    with (
        pyWATS(base_url=server.url, token=server.second_token, enable_cache=False) as other,
        batching(window=WINDOW),
    ):
        Pool(4).map(other.product.get_product, part_numbers(4))
    assert counts.new() == {QUERY: 1, SINGLE: 1}


def test_clients_do_not_mix(proven: pyWATS, server: WatsServer) -> None:
    server.clear_requests()
    with (
        pyWATS(base_url=server.url, token=server.second_token, enable_cache=False) as other,
        batching(window=WINDOW),
    ):
        clients = [proven, other] * 5
        Pool(10).map(lambda n: clients[n].product.get_product(f"PN-{n:05d}"), range(10))
    asked = [
        (dict(request.headers)["Authorization"], parse_qs(urlsplit(request.target).query))
        for request in server.requests()
        if "Query" in request.target
    ]
    assert len(asked) == 2
    for token, options in asked:
        parity = 0 if token == f"Basic {server.token}" else 1
        numbers = [int(clause[-6:-1]) for clause in options["$filter"][0].split(" or ")]
        assert numbers == list(range(parity, 10, 2))


# --- cache, limiter -----------------------------------------------------------------------------


def test_with_the_cache_batches_fill_it_and_hits_stay_out(
    server: WatsServer, counts: Counts
) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        with batching(window=WINDOW):
            first = outcomes(api.product.get_product, part_numbers(36))
            assert counts.new() == {QUERY: 2, SINGLE: 1}
            second = outcomes(api.product.get_product, part_numbers(36))
        assert first == second == outcomes(api.product.get_product, part_numbers(36))
        assert counts.new() == {}
        assert present(cache_of(api)).get_stats()["hits"] == 72


def test_a_query_takes_one_slot_of_the_limiter(server: WatsServer) -> None:
    configure_throttling(max_requests=500, window_seconds=60)
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        with batching(window=WINDOW):
            outcomes(api.product.get_product, part_numbers(36))
        assert private(api)._http_client._rate_limiter.stats["total_requests"] == 3


def test_a_thousand_lookups_under_the_default_limit(server: WatsServer) -> None:
    configure_throttling(max_requests=500, window_seconds=60)
    with pyWATS(base_url=server.url, token=server.token) as api, batching():
        found = Pool(200).map(api.product.get_product, part_numbers(1000))
    assert [product.part_number for product in all_present(found)] == part_numbers(1000)
    assert server.stats()["total"] <= 80


# --- the window, blocks -------------------------------------------------------------------------


def test_a_window_of_zero_takes_what_is_ready(proven: pyWATS, counts: Counts) -> None:
    with batching(window=0):
        outcomes(proven.product.get_product, part_numbers(7))
    assert counts.new() == {QUERY: 1}


def test_a_full_query_does_not_wait_for_the_window(proven: pyWATS, counts: Counts) -> None:
    with batching(window=ENDLESS, max_batch=4):
        outcomes(proven.product.get_product, part_numbers(8))
    assert counts.new() == {QUERY: 2}


def test_the_end_of_the_block_sends_what_waits(proven: pyWATS, counts: Counts) -> None:
    pool = Pool(3)
    with batching(window=ENDLESS):
        calls = [pool.spawn(proven.product.get_product, key) for key in part_numbers(3)]
        turn()
    gevent.joinall(calls, timeout=BOUND, raise_error=True)
    assert counts.new() == {QUERY: 1}
    assert [present(call.value).part_number for call in calls] == part_numbers(3)


def test_greenlets_that_outlive_the_block_call_singly(proven: pyWATS, counts: Counts) -> None:
    pool, go = Pool(3), gevent.event.Event()
    with batching(window=WINDOW):
        calls = [
            pool.spawn(lambda key: go.wait() and proven.product.get_product(key), key)
            for key in part_numbers(3)
        ]
    go.set()
    gevent.joinall(calls, raise_error=True)
    assert counts.new() == {SINGLE: 3}


def test_nested_blocks_count_inside(proven: pyWATS, counts: Counts) -> None:
    with batching(window=WINDOW, max_batch=2):
        with batching(window=WINDOW, max_batch=4):
            outcomes(proven.product.get_product, part_numbers(8))
            assert counts.new() == {QUERY: 2}
        outcomes(proven.product.get_product, part_numbers(8))
        assert counts.new() == {QUERY: 4}
    assert current_scope() is None


def test_an_error_in_the_block_comes_out_and_ends_it() -> None:
    with pytest.raises(KeyError), batching(window=WINDOW):
        raise KeyError
    assert current_scope() is None


@pytest.mark.parametrize(
    "options",
    [
        {"window": -1},
        {"window": float("nan")},
        {"window": float("inf")},
        {"max_batch": 0},
    ],
)
def test_arguments_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError), batching(**options):
        pytest.fail("entered")


@pytest.mark.parametrize(
    "options",
    [{"window": "1"}, {"window": None}, {"window": True}]
    + [{"max_batch": given} for given in (2.5, True, "5")],
)
def test_arguments_of_wrong_types(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError), batching(**options):
        pytest.fail("entered")


# --- kills and deadlines ------------------------------------------------------------------------


def test_a_killed_waiter_withdraws_its_key(proven: pyWATS, server: WatsServer) -> None:
    server.clear_requests()
    pool = Pool(3)
    with batching(window=0.05):
        calls = [pool.spawn(proven.product.get_product, key) for key in part_numbers(3)]
        turn()
        calls[1].kill()
        gevent.joinall([calls[0], calls[2]], raise_error=True)
    (query,) = queries(server)
    assert query["$filter"] == ["partNumber eq 'PN-00000' or partNumber eq 'PN-00002'"]


def test_a_killed_waiter_does_not_take_the_query_along(
    proven: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.configure(latency=0.2)
    asked = server.stats()["total"]
    pool = Pool(3)
    with batching(window=0):
        calls = [pool.spawn(proven.product.get_product, key) for key in part_numbers(3)]
        until(lambda: server.stats()["total"] > asked)
        calls[0].kill()
        gevent.joinall(calls[1:], raise_error=True)
    assert [present(call.value).part_number for call in calls[1:]] == part_numbers(2, start=1)
    assert counts.new() == {QUERY: 1}


def test_a_query_that_nobody_waits_for_ends(
    proven: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail(QUERY, mode="hang")
    pool = Pool(3)
    with batching(window=0):
        calls = [pool.spawn(proven.product.get_product, key) for key in part_numbers(3)]
        until(lambda: counts.new().get(QUERY))
        assert _greenlets() != []
        gevent.killall(calls)
    until(lambda: _greenlets() == [])


def test_the_deadline_of_each_waiter_counts(proven: pyWATS, server: WatsServer) -> None:
    server.fail(QUERY, mode="hang")
    pool = Pool(4)
    with batching(window=WINDOW):
        results = pool.map_results(proven.product.get_product, part_numbers(4), timeout=0.1)
    assert [result.error_code for result in results] == ["TIMEOUT"] * 4
    until(lambda: _greenlets() == [])


def test_a_query_that_hangs_leaves_time_for_the_single_calls(server: WatsServer) -> None:
    server.fail(QUERY, mode="hang", times=None)
    with (
        pyWATS(base_url=server.url, token=server.token, enable_cache=False, timeout=2.0) as api,
        batching(window=WINDOW),
    ):
        products = Pool(4).map(api.product.get_product, part_numbers(4))
    assert [product.part_number for product in all_present(products)] == part_numbers(4)


def test_the_deadline_of_the_client_counts(server: WatsServer) -> None:
    server.fail(QUERY, mode="hang", times=None)
    server.fail(SINGLE, mode="hang", times=None)
    with (
        pyWATS(base_url=server.url, token=server.token, enable_cache=False, timeout=0.3) as api,
        batching(window=WINDOW),
    ):
        results = outcomes(api.product.get_product, part_numbers(4))
    assert {kind for kind, _ in results} == {"TimeoutError"}
    until(lambda: _greenlets() == [])


def test_a_prover_that_is_killed_leaves_nobody_waiting(
    api: pyWATS, server: WatsServer, counts: Counts
) -> None:
    server.fail(SINGLE, mode="hang")
    pool = Pool(3)
    with batching(window=0):
        calls = [pool.spawn(api.product.get_product, key) for key in part_numbers(3)]
        until(lambda: counts.new().get(SINGLE))
        calls[0].kill()
        gevent.joinall(calls, timeout=BOUND)
        assert [present(call.value).part_number for call in calls[1:]] == part_numbers(2, start=1)
        outcomes(api.product.get_product, part_numbers(3))
    assert batches.learned_of(private(api)._http_client, PRODUCT).is_proven


def test_nothing_is_left_running(proven: pyWATS) -> None:
    with batching(window=0.05):
        for _ in range(3):
            outcomes(proven.product.get_product, [*part_numbers(18), "nothing"])
    until(lambda: _greenlets() == [])


def _greenlets() -> list[Any]:
    """Return batching's running greenlets."""
    gc.collect()
    return [
        item
        for item in gc.get_objects()
        if isinstance(item, gevent.Greenlet)
        and not item.dead
        and "batching" in getattr(getattr(item, "_run", None), "__module__", "")
    ]


def test_a_block_does_not_keep_clients_alive(server: WatsServer) -> None:
    with batching(window=WINDOW):
        with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as client:
            outcomes(client.product.get_product, part_numbers(4))
        held = weakref.ref(private(client)._http_client)
        del client
        until(lambda: gc.collect() is not None and held() is None)


def test_a_block_that_ends_in_another_context() -> None:
    def fixture() -> Iterator[None]:
        with batching():
            yield

    block = fixture()
    context = copy_context()
    context.run(next, block)
    assert context.run(current_scope) is not None
    assert next(block, "ended") == "ended"
    assert context.run(current_scope) is None


# --- native threads -----------------------------------------------------------------------------


def test_a_client_of_another_native_thread_is_refused_as_ever(proven: pyWATS) -> None:
    def foreign() -> Any:
        return outcome(lambda: proven.product.get_product("PN-00001"))

    pool = Pool(4)
    with batching(window=ENDLESS):
        calls = [pool.spawn(proven.product.get_product, key) for key in part_numbers(4)]
        turn()
        thread = gevent.get_hub().threadpool.spawn(copy_context().run, foreign)
        assert present(thread.get(timeout=BOUND))[0] == "NativeThreadError"
    gevent.joinall(calls, timeout=BOUND, raise_error=True)


def test_a_block_does_not_reach_into_another_native_thread(server: WatsServer) -> None:
    begun, native = gevent.get_hub().loop.async_(), Event()
    begun.start(native.set)

    def own() -> Any:
        with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as client:
            pool = Pool(4)
            calls = [pool.spawn(client.product.get_product, key) for key in part_numbers(4)]
            turn()
            begun.send()
            gevent.joinall(calls)
            return [outcome(call.get) for call in calls]

    with batching(window=ENDLESS):
        thread = gevent.get_hub().threadpool.spawn(copy_context().run, own)
        assert native.wait(BOUND)
    begun.close()
    assert [
        product["part_number"] for product in present(thread.get(timeout=BOUND))
    ] == part_numbers(4)


# --- what listeners see ------------------------------------------------------------------------


def test_listeners_see_one_request_and_who_was_answered_by_it(proven: pyWATS) -> None:
    seen: list[events.RequestEvent] = []
    cancel = events.subscribe(seen.append)
    with batching(window=WINDOW):
        outcomes(proven.product.get_product, [*part_numbers(3), "nothing"])
    cancel()
    assert sorted((e.endpoint, e.attempts, e.is_batched, e.status) for e in seen) == [
        *((f"/api/Product/{key}", 0, True, 200) for key in part_numbers(3)),
        ("/api/Product/Query", 1, False, 200),
        ("/api/Product/nothing", 1, False, 404),
    ]
    (query,) = (event for event in seen if event.endpoint.endswith("Query"))
    assert query.method == "GET"
    assert query.params is not None
    assert query.params["$top"] == 8
    assert query.route == "/api/Product/Query"


def test_listeners_see_the_proof_and_a_query_that_failed(api: pyWATS, server: WatsServer) -> None:
    def seen() -> list[Any]:
        noted: list[events.RequestEvent] = []
        cancel = events.subscribe(noted.append)
        with batching(window=WINDOW):
            outcomes(api.product.get_product, part_numbers(3))
        cancel()
        kinds = ((e.endpoint.endswith("Query"), e.attempts, e.is_batched, e.status) for e in noted)
        return sorted(kinds, key=str)

    server.fail(QUERY, 503)
    single, batched = (False, 1, False, 200), (False, 0, True, 200)
    assert seen() == [single, single, single, (True, 1, False, 503)]
    assert seen() == [batched, batched, single, (True, 1, False, 200)]
    server.fail(QUERY, mode="reset", times=2)  # a read on a kept connection is sent once more
    assert seen() == [single, single, single, (True, 2, False, None)]


# --- where it is not ----------------------------------------------------------------------------


def test_when_disabled_it_passes_calls_through(run_python: Any) -> None:
    finished = run_python(
        "import sys\n"
        "from pywats_green import batching\n"
        "with batching(window=0, max_batch=3): pass\n"
        "assert 'pywats' not in sys.modules\n",
        env={"PYWATS_GREEN_DISABLE": "1"},
    )
    assert finished.returncode == 0, finished.stderr


def test_special_part_numbers(api: pyWATS, server: WatsServer, counts: Counts) -> None:
    names = [
        *("O'Brien", "a'' or 'b", "A/B", "A\\B", "100%", "A%20B", "A B", "A+B", "A#B", "A?B=1"),
        *("or", "and", "x or partNumber eq 'y", "ÆØÅ", "漢字", "😀", "é", "e\u0301", ".", ".."),
        *(
            "A.",
            ".A",
            " A",
            "A ",
            "Query",
            "query",
            "Groups",
            "BOM",
            "A&B",
            "A:B",
            "A|B",
            "x" * 300,
        ),
        *(
            "\t",
            "a\nb",
            "\x7f",
            "{0}",
            "%s",
            "null",
            "1",
            "\ud800",
            "A;B",
            '"',
            "A,B",
            "(A)",
            "$top",
        ),
    ]
    everything = [*names, "A", "B", "A%", "AB"]
    server.put_state("products", [planted(name) for name in everything if name != "\ud800"])
    plain = outcomes(api.product.get_product, [*everything, "PN-00001", ""])
    counts.new()
    with batching(window=WINDOW):
        for _ in range(2):
            assert outcomes(api.product.get_product, [*everything, "PN-00001", ""]) == plain
    assert counts.new()[QUERY] > 0
    assert outcome(lambda: api.product.get_product("")) == plain[-1]
