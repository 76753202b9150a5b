"""OData over HTTP: results of queries, and rejected ones."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from pywats_green.testing import WatsServer

from .wire_client import Answer, WireClient


def query(client: WireClient, path: str, **options: Any) -> Answer:
    pairs = {f"${name}": value for name, value in options.items()}
    return client.call("GET", f"{path}?{urlencode(pairs)}")


def part_numbers(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [item["partNumber"] for item in answer.json()]


def test_a_query_answers_the_same_json_as_single_requests(client: WireClient) -> None:
    single = client.call("GET", "/api/Product/PN-00007").body
    assert query(client, "/api/Product/Query", filter="partNumber eq 'PN-00007'").body == (
        b"[" + single + b"]"
    )
    single = client.call("GET", "/api/Asset/AS-00007").body
    assert query(client, "/api/Asset", filter="serialNumber eq 'AS-00007'").body == (
        b"[" + single + b"]"
    )
    single = client.call("GET", "/api/Production/Unit/SN-00007/PN-00007").body
    pair = "serialNumber eq 'SN-00007' and partNumber eq 'PN-00007'"
    assert query(client, "/api/Production/Unit/Query", filter=pair).body == b"[" + single + b"]"


def test_a_lightweight_query_strips_products(wats: WatsServer, client: WireClient) -> None:
    wats.configure(lightweight=True)
    single = client.call("GET", "/api/Product/PN-00007").json()
    (found,) = query(client, "/api/Product/Query", filter="partNumber eq 'PN-00007'").json()
    assert single["revisions"]
    assert found != single
    stripped: dict[str, Any] = {"description": None, "xmlData": None, "revisions": [], "tags": []}
    assert found == {**single, **stripped}


def test_the_constructor_asks_for_lightweight_queries_too() -> None:
    with WatsServer(lightweight_query=True) as server, WireClient(server) as client:
        (found,) = query(client, "/api/Product/Query", top=1).json()
        assert found["revisions"] == []
        server.reset()
        (found,) = query(client, "/api/Product/Query", top=1).json()
        assert found["revisions"] == []


def test_top_skip_and_orderby(client: WireClient) -> None:
    path = "/api/Product/Query"
    assert part_numbers(query(client, path, top=2)) == ["PN-00000", "PN-00001"]
    assert part_numbers(query(client, path, top=2, skip=3)) == ["PN-00003", "PN-00004"]
    assert part_numbers(query(client, path, top=2, orderby="partNumber desc")) == [
        "PN-04999",
        "PN-04998",
    ]
    assert part_numbers(query(client, path, top=0)) == []
    ordered = query(client, "/api/Asset", top=3, orderby="totalCount desc,serialNumber asc").json()
    counts = [item["totalCount"] for item in ordered]
    assert counts == sorted(counts, reverse=True)


def test_select_narrows(client: WireClient) -> None:
    (found,) = query(client, "/api/Product/Query", top=1, select="partNumber, name").json()
    assert found == {"partNumber": "PN-00000", "name": "Product 0"}


def test_the_caps_of_top(wats: WatsServer, client: WireClient) -> None:
    path = "/api/Product/Query"
    assert len(query(client, path).json()) == 1000
    assert len(query(client, path, top=1500).json()) == 1500
    wats.configure(max_top=7, default_top=5)
    assert len(query(client, path).json()) == 5
    assert len(query(client, path, top=1500).json()) == 7


def test_a_server_may_ignore_the_filter(wats: WatsServer, client: WireClient) -> None:
    wats.configure(ignore_filter=True)
    found = query(client, "/api/Product/Query", filter="partNumber eq 'PN-00009'", top=2)
    assert part_numbers(found) == ["PN-00000", "PN-00001"]


def test_nineteen_keys_are_answered_and_twenty_refused(client: WireClient) -> None:
    clauses = [f"partNumber eq 'PN-{number:05d}'" for number in range(20)]
    found = query(client, "/api/Product/Query", filter=" or ".join(clauses[:19]))
    assert len(part_numbers(found)) == 19
    refused = query(client, "/api/Product/Query", filter=" or ".join(clauses))
    assert refused.status == 400
    assert "node count limit" in refused.json()["Message"]


def test_a_long_query_string_is_refused_as_by_iis(wats: WatsServer, client: WireClient) -> None:
    path, name = "/api/Product/Query", "$filter="
    fits = quote("partNumber eq '") + "x" * 3_000
    fits = fits[: 2_048 - len(name) - 3] + "%27"
    assert client.call("GET", f"{path}?{name}{fits}").json() == []
    answer = client.call("GET", f"{path}?{name}x{fits}")
    assert answer.status == 404
    assert b"404.15" in answer.body
    assert wats.stats()["requests"]["rejected"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "nothing eq 1"},
        {"filter": "partNumber eq"},
        {"orderby": "nothing"},
        {"orderby": "partNumber sideways"},
        {"top": "many"},
        {"top": -1},
        {"skip": -1},
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/api/Product/Query", "/api/Asset", "/api/Production/Unit/Query", "/api/Report/Query/Header"],
)
def test_bad_options_are_400(client: WireClient, path: str, options: dict[str, Any]) -> None:
    answer = query(client, path, **options)
    assert answer.status == 400
    assert "Message" in answer.json()


def test_headers_are_counted_per_type_of_report(client: WireClient) -> None:
    path = "/api/Report/Query/Header"
    for kind, wanted in (("U", "T"), ("R", "R")):
        target = f"{path}?reportType={kind}&$top=4&$orderby=start%20desc"
        found = client.call("GET", target).json()
        assert [item["reportType"] for item in found] == [wanted] * 4
        starts = [item["startUtc"] for item in found]
        assert starts == sorted(starts, reverse=True)
