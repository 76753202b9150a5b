"""The reports: their content, reading them back, and what they must not contain."""

import base64
import json
from uuid import UUID

from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.throttle import configure_throttling

from pywats_green import Pool, batching
from pywats_green.profiler import CallerFinder, QueryProfile, record_calls
from pywats_green.profiler.profile import as_time
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.profiling import _Adviser, profile_queries

FINDER = CallerFinder("pywats", "pywats.domains.")

KEYS = [f"PN-{number:05d}" for number in range(20)]


def test_the_text(server: WatsServer) -> None:
    with (
        pyWATS(base_url=server.url, token=server.token) as api,
        profile_queries() as profile,
    ):
        for key in KEYS:
            api.product.get_product(key)
        api.product.get_product(KEYS[0])
    text = profile.report()
    first, _, heads, route, _, finding, *rest = text.splitlines()
    assert first.startswith("21 calls in ")
    assert first.endswith(", 20 requests (4.0 % of 500 a minute), 1 answered by the cache")
    assert " ".join(heads.split()) == "requests calls cached batched median longest route"
    assert route.split()[:4] == ["20", "21", "1", "0"]
    assert route.endswith("GET /api/Product/{part_number}")
    assert finding == "1. N+1: 20 requests, GET /api/Product/{part_number}"
    assert rest[0] == f"   at {profile.findings[0].caller} in test_the_text"
    assert rest[1] == "   such as GET /api/Product/PN-00000"
    assert rest[2].startswith("   now ")
    assert "4.0 % of a minute's requests; then about " in rest[2]
    assert rest[2].endswith("and 2 requests:")
    assert rest[3] == "       products = pywats_green.fetch_products(api, part_numbers)"


def test_the_text_names_the_limiter_where_it_took_the_time(server: WatsServer) -> None:
    configure_throttling(1, 0.3)
    with (
        pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api,
        profile_queries() as profile,
    ):
        for _ in range(2):
            api.product.get_product("PN-00001")
    (line,) = [line for line in profile.report().splitlines() if "waits to be sent" in line]
    assert " that the calls took together were waits to be sent: for the rate limit" in line
    waited = [call.waited > 0 for call in profile.calls]
    assert waited == [False, True]
    assert json.loads(profile.to_json())["totals"]["waited"] == profile.calls[1].waited


def test_the_text_of_nothing_and_of_no_findings(api: pyWATS) -> None:
    with profile_queries() as profile:
        pass
    assert profile.report().startswith("0 calls in ")
    assert "\n" not in profile.report()
    with profile_queries() as profile:
        api.product.get_product("PN-00001")
    assert profile.report().startswith("1 call in ")
    assert profile.report().endswith("No findings.")


def test_the_text_of_duplicates_and_batches(api: pyWATS) -> None:
    with profile_queries() as profile:
        with batching():
            Pool(20).map(api.product.get_product, KEYS)
        for _ in range(3):
            api.asset.get_asset_by_serial("AS-00001")
    text = profile.report()
    assert "19 answered by batches" in text
    assert "1. Asked again: 3 requests for 1 answer, GET /api/Asset/{identifier}" in text


def test_times_in_their_units() -> None:
    times = [as_time(value) for value in (0.0000012, 0.0123, 12.345)]
    assert times == ["1 us", "12.3 ms", "12.35 s"]


def test_json_can_be_read_back(api: pyWATS) -> None:
    with profile_queries() as profile:
        for key in KEYS:
            api.product.get_product(key)
        api.report.query_uut_headers(top=2)
        Pool(2).map(api.asset.get_asset_by_serial, ["AS-00001", "AS-00002"])
    content = json.loads(profile.to_json())
    assert set(content) == {"totals", "routes", "findings", "calls"}
    totals = content["totals"]
    assert totals == {
        "calls": 23, "requests": 23, "cached": 0, "batched": 0, "failed": 0, "dropped": 0,
        "seconds": profile.seconds, "waited": 0.0, "share": profile.share,
    }  # fmt: skip
    assert [f"{route['method']} {route['route']}" for route in content["routes"]] == list(
        profile.by_route()
    )
    (finding,), (found,) = content["findings"], profile.findings
    assert finding["callers"] == [found.caller._asdict()]
    assert finding["advice"] == found.advice
    assert finding["share"] == found.share
    assert len(content["calls"]) == 23
    call = content["calls"][20]
    assert call["params"] == {"reportType": "U", "$top": 2}
    assert call["caller"]["file"] == __file__
    assert set(call) == set(profile.calls[20].__dataclass_fields__)


def test_json_of_parameters_that_are_no_json(server: WatsServer) -> None:
    with (
        HttpClient(server.url, server.token, enable_cache=False) as http,
        profile_queries() as profile,
    ):
        http.get("/api/Product/Query", params={"id": UUID(int=1), "names": ["a"]})
    (call,) = json.loads(profile.to_json())["calls"]
    assert call["params"] == {"id": str(UUID(int=1)), "names": ["a"]}


def test_no_secret_stands_in_a_report(server: WatsServer) -> None:
    url = server.url.replace("://", "://someone:hidden@")
    token = base64.b64encode(b"user:very-secret").decode()
    with profile_queries() as profile:
        for client in (HttpClient(url, token), HttpClient(server.url, server.token)):
            for key in KEYS:
                client.get(f"/api/Product/{key}")
    assert len(profile.calls) == 40
    for text in (profile.report(), profile.to_json(), repr(profile), repr(profile.calls)):
        for secret in (token, server.token, "hidden", "very-secret", "Authorization"):
            assert secret not in text


def test_calls_without_room_are_told(api: pyWATS) -> None:
    with record_calls(FINDER, lambda: None, most=2) as recorded:
        for key in KEYS[:5]:
            api.product.get_product(key)
    profile = QueryProfile(recorded, _Adviser())
    assert (len(profile.calls), profile.dropped, profile.request_count) == (2, 3, 5)
    assert "3 more calls were not recorded" in profile.report()
    assert json.loads(profile.to_json())["totals"]["dropped"] == 3
