"""Whatever is looked up, and however queries fail, the outcome is the same as without batching."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pywats import pyWATS

from pywats_green import batching
from pywats_green.testing import WatsServer
from upstream.lookups import outcomes, planted

QUERY_ROUTES = ("GET /api/Product/Query", "GET /api/Asset", "GET /api/Production/Unit/Query")
SINGLE_ROUTES = (
    "GET /api/Product/{partNumber}",
    "GET /api/Asset/{idOrSerialNumber}",
    "GET /api/Production/Unit/{serialNumber}/{partNumber}",
)

PLANTED = ("O'Brien", "a or b", "x' or 'y", "100%", "é", "e\u0301", "漢字", "A", "a", "Bb", "A B")

texts = st.one_of(
    st.sampled_from(PLANTED),
    st.text(st.characters(exclude_categories=[]), max_size=6),
    st.text("aAbB '\"%/#?&+.\\:ø", max_size=5),
    st.sampled_from(["Query", "or", "A/B", "A#B", "..", "x" * 300, "ab" * 150]),
)
numbers = st.integers(0, 60)
look_ups = st.one_of(
    st.tuples(st.just("product"), numbers.map("PN-{:05d}".format)),
    st.tuples(st.just("product"), numbers.map("pn-{:05d}".format)),
    st.tuples(st.just("product"), texts),
    st.tuples(st.just("asset"), numbers.map("AS-{:05d}".format)),
    st.tuples(st.just("asset"), numbers.map("0000000e-0000-4000-8000-{:012x}".format)),
    st.tuples(st.just("asset"), texts),
    st.tuples(st.just("unit"), numbers.map("SN-{0:05d}|PN-{0:05d}".format)),
    st.tuples(st.just("unit"), st.tuples(texts, texts).map("|".join)),
)
faults = st.lists(
    st.tuples(
        st.sampled_from(QUERY_ROUTES),
        st.sampled_from([(400, "status"), (403, "status"), (404, "status"), (429, "status"),
                         (500, "status"), (200, "reset"), (200, "close"), (200, "cut"),
                         (200, "html"), (204, "status"), (200, "status")]),
        st.sampled_from([1, 2, 5]),
    ),
    max_size=3,
)  # fmt: skip
configurations = st.fixed_dictionaries(
    {},
    optional={
        "ignore_filter": st.just(True),
        "lightweight": st.just(True),
        "max_top": st.sampled_from([0, 1, 5]),
    },
)
options = st.fixed_dictionaries(
    {
        "window": st.sampled_from([0, 0.001, 0.01]),
        "max_batch": st.sampled_from([None, 1, 2, 7, 1000]),
    }
)


@pytest.fixture(scope="module")
def own_server() -> Iterator[WatsServer]:
    with WatsServer() as server:
        yield server


def prepare(server: WatsServer, configuration: dict[str, Any]) -> None:
    server.reset()
    server.configure(**configuration)
    server.seed_products(70)  # faster than all of them
    server.put_state("products", [planted(name) for name in PLANTED])


def _stays_away_from_queries(key: str) -> bool:
    return key.isprintable() and not set(key) & set("/?#.\\") and key.lower() != "query"


def look_up(api: pyWATS, item: tuple[str, str]) -> Any:
    kind, key = item
    if kind == "product":
        return api.product.get_product(key)
    if kind == "asset":
        return api.asset.get_asset(serial_number=key)
    return api.production.get_unit(*key.partition("|")[::2])


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    items=st.lists(look_ups, min_size=1, max_size=50),
    query_faults=faults,
    broken=st.sampled_from([None, None, None, 401, 404, 500]),
    configuration=configurations,
    given_options=options,
    has_cache=st.booleans(),
)
def test_every_result_and_error_is_that_of_the_unbatched_run(
    own_server: WatsServer,
    items: list[tuple[str, str]],
    query_faults: list[Any],
    broken: int | None,
    configuration: dict[str, Any],
    given_options: dict[str, Any],
    has_cache: bool,
) -> None:
    if query_faults:  # they strike queries only, so nothing else may use their route
        items = [item for item in items if _stays_away_from_queries(item[1])]
    server = own_server
    prepare(server, configuration)

    def break_single_calls() -> None:
        if broken is not None:
            for route in SINGLE_ROUTES:
                server.fail(route, broken, times=None)

    def client() -> pyWATS:
        return pyWATS(base_url=server.url, token=server.token, enable_cache=has_cache)

    break_single_calls()
    with client() as api:
        expected = outcomes(lambda item: look_up(api, item), items)
    with client() as api:
        for _ in range(2):
            server.clear_faults()
            break_single_calls()
            for route, (status, mode), times in query_faults:
                server.fail(route, status, mode=mode, times=times)
            with batching(**given_options):
                assert outcomes(lambda item: look_up(api, item), items) == expected


def test_proven_routes_answer_all_kinds_at_once(server: WatsServer, api: pyWATS) -> None:
    kinds = {
        "product": [f"PN-{number:05d}" for number in range(30)],
        "asset": [f"AS-{number:05d}" for number in range(30)],
        "unit": [f"SN-{number:05d}|PN-{number:05d}" for number in range(30)],
    }
    items = [
        (kind, key)
        for keys in zip(*kinds.values(), strict=True)
        for kind, key in zip(kinds, keys, strict=True)
    ]
    expected = outcomes(lambda item: look_up(api, item), items)
    for size, _ in itertools.product([7, 50, 200], range(2)):
        with batching():
            assert outcomes(lambda item: look_up(api, item), items, size) == expected
