"""Caching through real pywats, real sockets, the embedded server."""

import base64
import contextlib
import functools
import json
import pickle
import random
import time
from types import SimpleNamespace

import gevent
import pytest
from pywats import pyWATS
from pywats import pywats as pywats_module
from pywats.core.client import HttpClient, Response
from pywats.core.exceptions import NotFoundError, PyWATSError, ServerError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError
from pywats.core.retry import RetryConfig
from typed import all_present, present, private
from waiting import turn, until

import pywats_green
from pywats_green import (
    AdmissionTimeoutError,
    CacheManager,
    InvalidArgumentError,
    Pool,
    cache_control,
    cache_of,
    configure,
    events,
    settings,
)
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import answers, cache, epochs

ROUTE = "GET /api/Product/{partNumber}"


@pytest.fixture(autouse=True)
def restored():
    before = settings()
    epochs.unsettled.clear()  # each test has another server, possibly at the same address
    yield
    configure(
        ttl=before.ttl,
        stale_if_error=before.stale_if_error,
        stale_while_revalidate=before.stale_while_revalidate,
        cache_max_bytes=before.cache_max_bytes,
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Controls the clock of caches created from now on."""
    clock = Clock()
    monkeypatch.setattr(cache, "CacheManager", functools.partial(CacheManager, timer=clock))
    return clock


def client(server: WatsServer, **options: object) -> pyWATS:
    return pyWATS(base_url=server.url, token=server.token, **options)  # type: ignore[arg-type]


@pytest.fixture
def api(server: WatsServer) -> pyWATS:
    return client(server)


def asked(server: WatsServer, route: str = ROUTE) -> int:
    return int(server.stats()["requests"].get(route, 0))


# --- what is cached -----------------------------------------------------------------------------


def test_cold_readers_make_one_request(api: pyWATS, server: WatsServer) -> None:
    server.configure(latency=0.02)
    products = Pool(20).map(api.product.get_product, ["PN-00001"] * 20)
    assert {product.part_number for product in all_present(products)} == {"PN-00001"}
    assert asked(server) == 1
    assert present(cache_of(api)).get_stats()["coalesced"] == 19


def test_the_plans_workload_100_reads_over_25_keys(api: pyWATS, server: WatsServer) -> None:
    keys = [f"PN-{number % 25:05d}" for number in range(100)]
    Pool(10).map(api.product.get_product, keys)
    assert asked(server) == 25
    assert present(cache_of(api)).get_stats()["hit_rate"] == 0.75


def test_a_hit_equals_the_answer_and_belongs_to_its_reader(api: pyWATS) -> None:
    get = private(api)._http_client.get
    first = pywats_green.get_many(api, ["/api/Product/PN-00001"])[0]
    second = pywats_green.get_many(api, ["/api/Product/PN-00001"])[0]
    assert first == second
    second.data["partNumber"] = "spoiled"  # type: ignore[union-attr]
    second.headers["x"] = "spoiled"  # type: ignore[union-attr]
    third = pywats_green.get_many(api, ["/api/Product/PN-00001"])[0]
    assert first == third
    assert callable(get)


def test_an_unpacked_answer_is_a_response_like_any_other() -> None:
    from pywats_green.upstream.client.answers import Packed

    original = Response(status_code=201, data={"a": [1]}, headers={"x": "y"}, raw=b'{"a": [1]}')
    packed = Packed(original)
    packed.unpack()
    unpacked = packed.unpack()
    assert unpacked == original
    assert unpacked.model_dump() == original.model_dump()
    assert unpacked.model_copy(deep=True) == original
    assert repr(unpacked) == repr(original)
    assert pickle.loads(pickle.dumps(unpacked)) == original
    unpacked.data = None
    assert unpacked.model_fields_set == original.model_fields_set


def test_a_change_to_a_model_does_not_show_up_at_the_next_reader(api: pyWATS) -> None:
    present(api.product.get_product("PN-00001")).name = "spoiled"
    assert present(api.product.get_product("PN-00001")).name == "Product 1"


@pytest.mark.parametrize("status", [404, 500, 304])
def test_only_2xx_is_kept(api: pyWATS, server: WatsServer, status: int) -> None:
    server.fail(ROUTE, status=status, times=1)
    with pytest.raises(PyWATSError):
        api.product.get_product("PN-00001")
    assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"


def test_writes_are_never_cached(api: pyWATS, server: WatsServer) -> None:
    product = present(api.product.get_product("PN-00001"))
    for _ in range(2):
        api.product.update_product(product)
    assert asked(server, "PUT /api/Product") == 2


def test_parameters_that_look_alike_are_told_apart(api: pyWATS, server: WatsServer) -> None:
    """Upstream's key does not escape them, so one would get the other's response."""
    _run_sync = private(pywats_module)._run_sync
    for params in ({"a": "1&b=2"}, {"a": "1", "b": "2"}, {"a": ["1", "2"]}):
        _run_sync(private(api)._http_client.get("/api/Product/PN-00001", params=params))
    assert asked(server) == 3
    again = {"b": "2", "a": "1", "c": None}
    _run_sync(private(api)._http_client.get("/api/Product/PN-00001", params=again))
    assert asked(server) == 3


def test_the_caches_of_two_tokens_do_not_mix(server: WatsServer) -> None:
    first = client(server)
    second = pyWATS(base_url=server.url, token=server.second_token)
    manager = cache_of(first)
    assert manager is not None
    private(second)._http_client._green_caching.manager = manager  # a cache shared by two clients
    first.product.get_product("PN-00001")
    second.product.get_product("PN-00001")
    assert asked(server) == 2
    keys = " ".join(map(str, manager._entries))
    assert server.token not in keys
    assert server.second_token not in keys


def test_enable_cache_false_switches_it_off(server: WatsServer) -> None:
    api = client(server, enable_cache=False)
    assert cache_of(api) is None
    for _ in range(2):
        api.product.get_product("PN-00001")
    assert asked(server) == 2


def test_cache_max_size_and_cache_ttl_keep_their_meaning(server: WatsServer, clock: Clock) -> None:
    api = client(server, cache_max_size=2, cache_ttl=5)
    for key in ("PN-00001", "PN-00002", "PN-00003", "PN-00003", "PN-00001"):
        api.product.get_product(key)
    assert asked(server) == 4
    clock.now += 5
    api.product.get_product("PN-00001")
    assert asked(server) == 5
    assert present(cache_of(api)).get_stats()["max_size"] == 2


def test_a_cache_ttl_of_0_is_for_ever_as_upstream_means_it(server: WatsServer) -> None:
    api = client(server, cache_ttl=0)
    for _ in range(2):
        api.product.get_product("PN-00001")
    assert asked(server) == 1


@pytest.mark.parametrize("options", [{"cache_ttl": -1}, {"cache_max_size": -1}])
def test_a_negative_ttl_or_size_is_refused(server: WatsServer, options: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError):
        client(server, **options)


def test_upstreams_clear_and_invalidate_work(api: pyWATS, server: WatsServer) -> None:
    _run_sync = private(pywats_module)._run_sync
    http = private(api)._http_client
    api.product.get_product("PN-00001")
    api.asset.get_asset_by_serial("AS-00001")
    _run_sync(http.invalidate_cache("/api/Product"))
    api.product.get_product("PN-00001")
    api.asset.get_asset_by_serial("AS-00001")
    assert asked(server) == 2
    _run_sync(http.clear_cache())
    api.product.get_product("PN-00001")
    assert asked(server) == 3
    assert http.cache is cache_of(api)
    _run_sync(http.get("/api/Product/PN-00001", cache=False))
    assert asked(server) == 4


def test_the_blocking_client_has_the_same_cache(server: WatsServer) -> None:
    http = HttpClient(server.url, server.token)
    for _ in range(2):
        assert http.get("/api/Product/PN-00001").data["partNumber"] == "PN-00001"
    assert asked(server) == 1
    http.invalidate_cache("/api/Product")
    http.get("/api/Product/PN-00001")
    http.clear_cache()
    http.get("/api/Product/PN-00001")
    assert asked(server) == 3
    product = http.get("/api/Product/PN-00001").data
    http.put("/api/Product", data=product)
    http.get("/api/Product/PN-00001")
    assert asked(server) == 4
    assert cache_of(http) is private(http.cache)  # upstream's class, in its types


def test_a_unit_on_the_line_is_never_cached(api: pyWATS, server: WatsServer) -> None:
    for _ in range(2):
        api.production.get_unit("SN-00001", "PN-00001")
    assert asked(server, "GET /api/Production/Unit/{serialNumber}/{partNumber}") == 2


def test_a_ttl_per_domain(api: pyWATS, server: WatsServer) -> None:
    configure(ttl={"product": 0, "production": 60})
    for _ in range(2):
        api.product.get_product("PN-00001")
        api.production.get_unit("SN-00001", "PN-00001")
    assert asked(server) == 2
    assert asked(server, "GET /api/Production/Unit/{serialNumber}/{partNumber}") == 1


def test_processes_live_an_hour(api: pyWATS, server: WatsServer) -> None:
    api.process.get_processes()
    (entry,) = present(cache_of(api))._entries.values()
    assert present(entry.link).kept_for == 3600


def test_refresh_and_clear_of_the_processes_ask_the_server(api: pyWATS, server: WatsServer) -> None:
    """Upstream serves both from the cache of its HTTP client."""
    route = "GET /api/App/Processes"
    api.process.get_processes()
    api.process.get_processes()
    assert asked(server, route) == 1
    api.process.refresh()
    assert asked(server, route) == 2
    api.process.clear_cache()
    api.process.get_processes()
    assert asked(server, route) == 3


def test_a_probe_is_never_cached_whatever_is_asked_for(api: pyWATS, server: WatsServer) -> None:
    configure(ttl={"app": 60})
    with cache_control(ttl=60):
        assert api.test_connection()
        assert api.test_connection()
    assert asked(server, "GET /api/App/Version") == 2


def test_a_get_that_writes_invalidates(api: pyWATS, server: WatsServer) -> None:
    path = "/api/internal/ManualInspection/GetTestSequenceDefinitions"
    copy = "/api/internal/ManualInspection/GetDefinitionCopy/any"
    route = f"GET {path}"
    pywats_green.get_many(api, [path, path])
    assert asked(server, route) == 1
    pywats_green.get_many(api, [copy])
    pywats_green.get_many(api, [path])
    assert asked(server, route) == 2


# --- cache_control ------------------------------------------------------------------------------


def test_bypass_and_refresh(api: pyWATS, server: WatsServer) -> None:
    api.product.get_product("PN-00001")
    with cache_control(bypass=True):
        api.product.get_product("PN-00001")
    assert asked(server) == 2
    server.put_state("products", [{"partNumber": "PN-00001", "name": "changed"}])
    assert present(api.product.get_product("PN-00001")).name == "Product 1"
    with cache_control(refresh=True):
        assert present(api.product.get_product("PN-00001")).name == "changed"
    assert present(api.product.get_product("PN-00001")).name == "changed"
    assert asked(server) == 3


def test_control_reaches_the_greenlets_of_a_pool_used_inside(
    api: pyWATS, server: WatsServer
) -> None:
    pool = Pool(5)
    keys = ["PN-00001"] * 5
    with cache_control(bypass=True):
        pool.map(api.product.get_product, keys)
        list(pool.imap(api.product.get_product, keys))
        pool.map_results(api.product.get_product, keys)
    assert asked(server) == 15
    pool.map(api.product.get_product, keys)
    assert asked(server) == 16


def test_control_does_not_reach_the_neighbour(api: pyWATS, server: WatsServer) -> None:
    api.product.get_product("PN-00001")
    with cache_control(bypass=True):
        gevent.spawn(api.product.get_product, "PN-00001").get()
    assert asked(server) == 1


def test_ttl_of_a_block(server: WatsServer, clock: Clock) -> None:
    api = client(server)
    with cache_control(ttl=3):
        api.product.get_product("PN-00001")
        with cache_control(refresh=False):
            api.product.get_product("PN-00001")
    assert asked(server) == 1
    clock.now += 3
    api.product.get_product("PN-00001")
    with cache_control(ttl=0):
        api.product.get_product("PN-00001")
    assert asked(server) == 3
    with pytest.raises(InvalidArgumentError, match="0 or more"), cache_control(ttl=-1):
        pass


# --- writes and reads ---------------------------------------------------------------------------


def test_a_write_is_seen_at_once_by_every_client_of_the_server(server: WatsServer) -> None:
    writer, reader, blocking = client(server), client(server), HttpClient(server.url, server.token)
    uncached = client(server, enable_cache=False)
    for round_, who in enumerate((writer, uncached, writer)):
        product = present(who.product.get_product("PN-00001"))
        product.name = f"name {round_}"
        assert reader.product.get_product("PN-00001") is not None
        assert blocking.get("/api/Product/PN-00001") is not None
        who.product.update_product(product)
        assert present(reader.product.get_product("PN-00001")).name == product.name
        assert blocking.get("/api/Product/PN-00001").data["name"] == product.name


def test_a_write_to_one_family_leaves_the_others(api: pyWATS, server: WatsServer) -> None:
    pywats_green.get_many(api, ["/api/App/Processes"])
    api.product.update_product(present(api.product.get_product("PN-00001")))
    pywats_green.get_many(api, ["/api/App/Processes"])
    assert asked(server, "GET /api/App/Processes") == 1


def test_a_read_that_overlaps_a_write_is_not_kept(api: pyWATS, server: WatsServer) -> None:
    product = present(api.product.get_product("PN-00001"))
    product.name = "written"
    with cache_control(refresh=True):
        api.product.get_product("PN-00002")
    before = asked(server)
    server.fail(ROUTE, mode="delay", delay=0.3, times=1)
    early = gevent.spawn(api.product.get_product, "PN-00003")
    until(lambda: asked(server) > before)
    api.product.update_product(product)
    early.get()
    before = asked(server)
    api.product.get_product("PN-00003")
    assert asked(server) == before + 1


@pytest.mark.parametrize("mode", ["reset", "close", "cut", "status"])
def test_a_write_that_failed_but_may_have_arrived_invalidates(
    api: pyWATS, server: WatsServer, mode: str
) -> None:
    product = present(api.product.get_product("PN-00001"))
    server.fail("PUT /api/Product", mode=mode, status=500 if mode == "status" else None, times=1)
    with pytest.raises(PyWATSError):
        api.product.update_product(product)
    api.product.get_product("PN-00001")
    assert asked(server) == 2


def test_a_write_that_is_carried_out_after_its_caller_gave_up_is_seen(server: WatsServer) -> None:
    api = client(server)
    product = present(api.product.get_product("PN-00001"))
    product.name = "late"
    private(api)._http_client.timeout = 0.3
    server.fail("PUT /api/Product", mode="delay", delay=0.6, times=1)
    with pytest.raises(PyWATSError, match="timed out"):
        api.product.update_product(product)
    private(api)._http_client.timeout = 30.0
    until(lambda: present(api.product.get_product("PN-00001")).name == "late")


def test_what_a_failed_write_left_uncached_is_cached_again_later(
    server: WatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(epochs, "time", SimpleNamespace(monotonic=clock))
    api = client(server, timeout=20)
    product = present(api.product.get_product("PN-00001"))
    server.fail("PUT /api/Product", mode="reset", times=1)
    with pytest.raises(PyWATSError):
        api.product.update_product(product)
    for later, requests in ((0, 3), (19, 3), (1, 1)):
        clock.now += later
        before = asked(server)
        for _ in range(3):
            api.product.get_product("PN-00001")
        assert asked(server) == before + requests


@pytest.mark.parametrize(
    "other",
    ["{scheme}://{host}:{port}/", "HTTP://{host}:{port}/api", "{scheme}://{host}:0{port}"],
)
def test_a_write_counts_for_a_client_that_writes_the_address_in_another_way(
    server: WatsServer, other: str
) -> None:
    scheme, _, authority = server.url.partition("://")
    host, _, port = authority.partition(":")
    writer = client(server)
    reader = pyWATS(base_url=other.format(scheme=scheme, host=host, port=port), token=server.token)
    reader.product.get_product("PN-00001")
    product = present(writer.product.get_product("PN-00001"))
    product.name = "new"
    writer.product.update_product(product)
    assert present(reader.product.get_product("PN-00001")).name == "new"


def test_a_password_in_the_base_url_is_in_no_key_and_no_log(
    server: WatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    configure(stale_if_error=60.0)
    user, password = base64.b64decode(server.token).decode().split(":")
    url = server.url.replace("://", f"://{user}:{password}secret@")
    api = pyWATS(base_url=url, token="unused", cache_ttl=0.01)
    assert "secret" not in repr(private(api)._http_client)
    read = private(api)._http_client._green_caching.read_of({}, "/api/Product/PN-1", None, None)
    assert "secret" not in read.key
    with caplog.at_level("DEBUG", "pywats_green"), pytest.raises(PyWATSError):
        api.product.get_product("PN-00001")
    assert "secret" not in caplog.text


def test_a_follower_gets_the_refusing_answer_on_its_error_too(server: WatsServer) -> None:
    server.configure(latency=0.02)
    api = client(server)

    def read(_: int) -> int:
        with pytest.raises(NotFoundError) as caught:
            api.product.get_product("none")
        return int(caught.value.response.status_code)  # type: ignore[attr-defined]

    assert Pool(5).map(read, range(5)) == [404] * 5
    assert asked(server) == 1


def test_a_refresh_keeps_what_stale_rules_need_and_drops_what_is_gone(
    server: WatsServer, clock: Clock
) -> None:
    configure(stale_if_error=60.0)
    api = client(server, cache_ttl=10)
    with cache_control(refresh=True):
        api.product.get_product("PN-00001")
    clock.now += 20
    server.fail(ROUTE, status=503, times=1)
    assert present(api.product.get_product("PN-00001")).name == "Product 1"
    long_lived = client(server)
    long_lived.product.get_product("PN-00001")
    server.fail(ROUTE, status=404, times=2)
    with cache_control(refresh=True), pytest.raises(NotFoundError):
        long_lived.product.get_product("PN-00001")
    with pytest.raises(NotFoundError):
        long_lived.product.get_product("PN-00001")


def test_an_invalidation_during_a_refresh_counts(api: pyWATS, server: WatsServer) -> None:
    api.product.get_product("PN-00001")
    server.fail(ROUTE, mode="delay", delay=0.3, times=1)

    def refreshing() -> None:
        with cache_control(refresh=True):
            api.product.get_product("PN-00001")

    refresh = gevent.spawn(refreshing)
    until(lambda: asked(server) == 2)
    present(cache_of(api)).invalidate("/api/Product")
    refresh.get()
    before = asked(server)
    api.product.get_product("PN-00001")
    assert asked(server) == before + 1


def test_stale_if_error_does_not_hurry_a_cold_read(server: WatsServer) -> None:
    configure(stale_if_error=60.0)
    api = client(server, timeout=0.5)
    server.fail(ROUTE, mode="delay", delay=0.47, times=1)
    with contextlib.suppress(TimeoutError):  # at 0.5 s, on a slow machine; never at 0.45
        assert present(api.product.get_product("PN-00001")).name == "Product 1"
    assert asked(server) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"0", b'"text"', b"no JSON", b"\xe4", b"\xff\xfe", b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1, "a": [2]}', b"[1e400, NaN]", b"[" * 600 + b"]" * 600,
    ],
    ids=lambda raw: repr(raw[:12]),
)  # fmt: skip
def test_every_reader_gets_what_the_first_got(raw: bytes) -> None:
    headers = {"content-type": "text/plain; charset=latin-1"}
    first = Response(
        status_code=200, data=answers.parse(raw, headers["content-type"]), headers=headers, raw=raw
    )
    packed = answers.Packed(first)
    seen = repr(first)
    headers["x"] = "spoiled"
    if isinstance(first.data, (dict, list)):
        first.data.clear()
    for _ in range(3):
        response = packed.unpack()
        assert repr(response) == seen
        response.headers.clear()
        if isinstance(response.data, (dict, list)):
            response.data.clear()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": {"b": [1, [2, {"c": []}], {}]}, "d": "x"}',
        b"[[], [[]], {}]",
        b"[" * 500 + b"]" * 500,
    ],
)
def test_no_reader_can_change_what_another_reads(raw: bytes) -> None:
    packed = answers.Packed(Response(status_code=200, data=None, headers={}, raw=raw))
    texts = []
    for _ in range(3):
        found = [packed.unpack().data]
        texts.append(repr(found[0]))
        for each in found:  # spoil every container, the inner ones too
            inner = each.values() if isinstance(each, dict) else each
            found += [item for item in inner if isinstance(item, (dict, list))]
            each.clear()
    assert texts == [repr(json.loads(raw))] * 3


def test_what_is_read_once_is_not_parsed_again(
    api: pyWATS, server: WatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = answers.parse
    monkeypatch.setattr(answers, "parse", lambda *args: parsed.append(1) or parse(*args))
    for number in range(5):
        api.product.get_product(f"PN-{number:05d}")
    assert parsed == []
    for _ in range(3):
        api.product.get_product("PN-00001")
    assert parsed == [1]
    assert asked(server) == 5


def test_a_killed_write_invalidates(api: pyWATS, server: WatsServer) -> None:
    product = present(api.product.get_product("PN-00001"))
    server.fail("PUT /api/Product", mode="hang", times=1)
    write = gevent.spawn(api.product.update_product, product)
    until(lambda: asked(server, "PUT /api/Product"))
    write.kill()
    api.product.get_product("PN-00001")
    assert asked(server) == 2


@pytest.mark.parametrize(("status", "requests"), [(500, 2), (502, 3), (504, 3)])
def test_after_a_write_that_a_proxy_gave_up_nothing_is_kept(
    server: WatsServer, status: int, requests: int
) -> None:
    """The server behind it may carry it out yet."""
    with client(server, retry_config=RetryConfig(enabled=False)) as api:
        product = present(api.product.get_product("PN-00001"))
        server.fail("PUT /api/Product", status)
        with pytest.raises(PyWATSError):
            api.product.update_product(product)
        for _ in range(2):
            api.product.get_product("PN-00001")
    assert asked(server) == requests


def test_a_short_time_limit_does_not_end_the_wait_for_a_long_one(server: WatsServer) -> None:
    patient, quick = client(server, timeout=60), client(server, timeout=1)
    for api in (patient, quick):
        epochs.wrote(private(api)._http_client, ["product"], WatsTimeoutError("lost"))
    ((_, until),) = epochs.unsettled.items()
    assert until > time.monotonic() + 30


@pytest.mark.parametrize("retries", [False, True])
def test_a_write_that_was_not_admitted_invalidates_only_what_an_earlier_attempt_may_have_changed(
    server: WatsServer, retries: bool
) -> None:
    with client(server, retry_config=RetryConfig(enabled=retries)) as api:
        epochs.wrote(private(api)._http_client, ["product"], AdmissionTimeoutError("not sent"))
    assert bool(epochs.unsettled) == retries


def test_what_reads_changes_and_writes_loses_no_update(api: pyWATS, server: WatsServer) -> None:
    """Upstream reads from its cache, and so overwrites what another process wrote meanwhile."""
    product = present(api.product.get_product("PN-00001")).model_dump(by_alias=True, mode="json")
    product["description"] = "from another process"
    server.put_state("products", [product])
    api.product.add_product_tag("PN-00001", "mine", "1")
    found = present(api.product.get_product("PN-00001"))
    assert found.description == "from another process"
    assert "mine" in {tag.key for tag in found.tags}


def test_no_reader_sees_a_value_older_than_the_last_finished_write(server: WatsServer) -> None:
    """Two clients, readers, writers and kills over four products."""
    rng = random.Random(11)
    server.configure(latency=0.002, jitter=0.002)
    clients = [client(server, cache_ttl=0.05), client(server)]
    caches = [present(cache_of(each)) for each in clients]
    keys = [f"PN-{number:05d}" for number in range(4)]
    products = {key: present(clients[0].product.get_product(key)) for key in keys}
    written = dict.fromkeys(keys, 0)
    counters = dict.fromkeys(keys, 0)
    failures: list[str] = []

    def hits() -> int:
        return sum(cache.get_stats()["hits"] for cache in caches)

    def writer(key: str) -> None:
        while counters[key] < 12 or hits() < 100:
            counters[key] += 1
            number = counters[key]
            product = products[key].model_copy(update={"description": str(number)})
            rng.choice(clients).product.update_product(product)
            written[key] = number
            gevent.sleep(rng.uniform(0.001, 0.02))

    def reader() -> None:
        while True:
            key = rng.choice(keys)
            finished = written[key]
            text = present(rng.choice(clients).product.get_product(key)).description or ""
            if text.isdigit() and int(text) < finished:
                failures.append(f"{key}: {text} after {finished}")
            turn()

    for key in keys:
        server.put_state("products", [{**products[key].model_dump(by_alias=True, mode="json")}])
    readers = [gevent.spawn(reader) for _ in range(20)]
    writers = [gevent.spawn(writer, key) for key in keys]
    with gevent.Timeout(100):
        while not all(writer.dead for writer in writers):
            victim = rng.randrange(len(readers))
            readers[victim].kill()
            readers[victim] = gevent.spawn(reader)
            gevent.sleep(0.01)
    gevent.killall(readers)
    gevent.joinall(writers, raise_error=True)
    assert not failures


# --- when the server is away --------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["status", "reset", "hang"])
def test_stale_if_error_serves_the_last_good_answer(
    server: WatsServer, clock: Clock, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    configure(stale_if_error=60.0)
    api = client(server, cache_ttl=10)
    api.product.get_product("PN-00001")
    private(api)._http_client.timeout = 0.5
    clock.now += 20
    # After the first reset no connection is kept, so only the first read is sent once more.
    times = 3 if mode in ("reset", "close") else 2
    server.fail(ROUTE, mode=mode, status=503 if mode == "status" else None, times=times)
    for _ in range(2):
        assert present(api.product.get_product("PN-00001")).name == "Product 1"
    assert present(cache_of(api)).get_stats()["stale_served"] == 2
    assert caplog.text.count("serving the last good answers") == 1
    assert server.token not in caplog.text


def test_it_is_off_by_default(server: WatsServer, clock: Clock) -> None:
    api = client(server, cache_ttl=10)
    api.product.get_product("PN-00001")
    clock.now += 20
    server.fail(ROUTE, status=503, times=1)
    with pytest.raises(ServerError):
        api.product.get_product("PN-00001")


def test_stale_while_revalidate_renews_once(server: WatsServer, clock: Clock) -> None:
    configure(stale_while_revalidate=60.0)
    api = client(server, cache_ttl=10)
    api.product.get_product("PN-00001")
    clock.now += 20
    server.put_state("products", [{"partNumber": "PN-00001", "name": "renewed"}])
    names = [present(api.product.get_product("PN-00001")).name for _ in range(20)]
    assert set(names) == {"Product 1"}  # none of them waited, so nothing can be renewed yet
    until(lambda: present(api.product.get_product("PN-00001")).name == "renewed")
    assert asked(server) == 2


# --- what the user sees -------------------------------------------------------------------------


def test_warm_fills_the_cache_for_the_products_of_a_line(api: pyWATS, server: WatsServer) -> None:
    keys = [f"PN-{number:05d}" for number in range(30)]
    results = pywats_green.warm(api, [*keys, "none"], concurrency=10)
    assert [result.is_success for result in results] == [True] * 30 + [False]
    before = server.stats()["total"]
    for key in keys:
        api.product.get_product(key)
    api.process.get_processes()
    assert server.stats()["total"] == before


def test_stats_adds_the_caches_up(api: pyWATS) -> None:
    before = pywats_green.stats()["cache"]
    for _ in range(4):
        api.product.get_product("PN-00001")
    after = pywats_green.stats()["cache"]
    assert after["hits"] - before["hits"] == 3
    assert after["misses"] - before["misses"] == 1
    assert 0 < after["hit_rate"] <= 1


def test_the_bound_in_bytes(server: WatsServer) -> None:
    configure(cache_max_bytes=5_000)
    api = client(server)
    for number in range(50):
        api.product.get_product(f"PN-{number:05d}")
    stats = present(cache_of(api)).get_stats()
    assert 0 < present(stats["bytes"]) <= 5_000
    assert stats["evictions"] > 30


def test_the_event_of_a_stale_answer_and_of_its_renewal(server: WatsServer, clock: Clock) -> None:
    configure(stale_while_revalidate=60.0)
    api = client(server, cache_ttl=10)
    seen: list[events.RequestEvent] = []
    cancel = events.subscribe(seen.append)
    try:
        api.product.get_product("PN-00001")
        clock.now += 20
        api.product.get_product("PN-00001")
        until(lambda: len(seen) == 3)
    finally:
        cancel()
    assert [(event.cache, event.attempts) for event in seen] == [
        *(("miss", 1), ("stale", 0)),
        ("miss", 1),  # the renewal
    ]
    assert asked(server) == 2
