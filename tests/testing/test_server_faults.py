"""The faults that a test can plant."""

import http.client
import time
from urllib.parse import urlsplit

import pytest
from platforms import WINE

from pywats_green.testing import WatsServer

from .wire_client import WireClient

PRODUCT = "GET /api/Product/{partNumber}"
TARGET = "/api/Product/PN-00001"

NO_RESET = pytest.mark.skipif(WINE, reason="WINE closes where it should reset")


def test_a_status_with_retry_after(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, 429, retry_after=7)
    answer = client.call("GET", TARGET)
    assert answer.status == 429
    assert answer.headers["retry-after"] == "7"
    assert "Message" in answer.json()
    assert client.call("GET", TARGET).status == 200
    assert wats.stats()["faults"] == 1


def test_times_counts_down_and_none_is_for_ever(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, 500, times=2)
    assert [client.call("GET", TARGET).status for _ in range(3)] == [500, 500, 200]
    wats.fail(PRODUCT, 502, times=None)
    assert [client.call("GET", TARGET).status for _ in range(5)] == [502] * 5
    wats.clear_faults()
    assert client.call("GET", TARGET).status == 200


def test_faults_strike_in_the_order_in_which_they_were_planted(
    wats: WatsServer, client: WireClient
) -> None:
    for status in (500, 503, 409):
        wats.fail(PRODUCT, status)
    assert [client.call("GET", TARGET).status for _ in range(4)] == [500, 503, 409, 200]


@pytest.mark.parametrize(
    ("route", "struck"),
    [
        ("GET /api/Asset", ["/api/Asset"]),
        ("GET /api/Asset*", ["/api/Asset", "/api/Asset/AS-00001", "/api/Asset/Types"]),
        ("GET /api/Asset/{idOrSerialNumber}", ["/api/Asset/AS-00001"]),
        ("GET /api/Asset/AS-", ["/api/Asset/AS-00001"]),
        ("/api/asset/types", ["/api/Asset/Types"]),
        ("PUT /api/Asset*", []),
        ("*", ["/api/Asset", "/api/Asset/AS-00001", "/api/Asset/Types"]),
    ],
)
def test_a_route_is_a_template_or_a_prefix(
    wats: WatsServer, client: WireClient, route: str, struck: list[str]
) -> None:
    wats.fail(route, 418, times=None)
    targets = ["/api/Asset", "/api/Asset/AS-00001", "/api/Asset/Types"]
    assert [target for target in targets if client.call("GET", target).status == 418] == struck


def test_a_refused_write_changes_nothing(wats: WatsServer, client: WireClient) -> None:
    wats.fail("POST /api/Report/WSJF", 503)
    report = {"id": "00000000-0000-4000-8000-0000000000aa", "pn": "P", "sn": "S", "type": "T"}
    assert client.call("POST", "/api/Report/WSJF", report).status == 503
    assert wats.reports() == {}
    assert client.call("POST", "/api/Report/WSJF", report).status == 200
    assert wats.reports() == {report["id"]: 1}


@NO_RESET
def test_reset_ends_with_rst(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, mode="reset")
    client.send(client.request("GET", TARGET))
    with pytest.raises(ConnectionResetError):
        client.receive()


def test_close_ends_without_an_answer(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, mode="close")
    client.send(client.request("GET", TARGET))
    assert client.at_end()


def test_cut_sends_less_than_it_promised(wats: WatsServer) -> None:
    wats.fail("POST /api/Report/WSJF", mode="cut")
    parts = urlsplit(wats.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.request(
        "POST",
        "/api/Report/WSJF",
        b'{"id":"00000000-0000-4000-8000-0000000000bb","pn":"P","sn":"S"}',
        {"Authorization": f"Basic {wats.token}"},
    )
    response = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    # The report was accepted; only its answer was lost.
    assert wats.reports() == {"00000000-0000-4000-8000-0000000000bb": 1}


def test_hang_never_answers(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, mode="hang")
    client.send(client.request("GET", TARGET))
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.receive()
    assert wats.stats()["in_flight"] == 1
    client.socket.close()
    with WireClient(wats) as other:
        while wats.stats()["in_flight"]:
            other.call("GET", "/api/App/Levels")


def test_html_comes_with_200(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, mode="html")
    answer = client.call("GET", TARGET)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_close_after_leaves_a_stale_connection(wats: WatsServer, client: WireClient) -> None:
    wats.fail(PRODUCT, mode="close_after")
    answer = client.call("GET", TARGET)
    assert answer.status == 200
    assert "connection" not in answer.headers
    assert client.at_end()


@pytest.mark.parametrize("status", [None, 301, 302, 303, 307, 308])
def test_redirect(wats: WatsServer, client: WireClient, status: int | None) -> None:
    wats.fail(PRODUCT, status, mode="redirect", location="/api/Product/PN-00002")
    answer = client.call("GET", TARGET)
    assert answer.status == (status or 302)
    assert answer.headers["location"] == "/api/Product/PN-00002"


def test_delay_adds_to_the_latency(wats: WatsServer, client: WireClient) -> None:
    wats.configure(latency=0.05)
    wats.fail(PRODUCT, mode="delay", delay=0.1)
    started = time.monotonic()
    assert client.call("GET", TARGET).status == 200
    assert time.monotonic() - started >= 0.149


def test_latency_does_not_delay_control(wats: WatsServer) -> None:
    wats.configure(latency=5.0)
    started = time.monotonic()
    wats.stats()
    assert time.monotonic() - started < 4.0


@pytest.mark.parametrize("arguments", [{"mode": "explode"}, {"times": 0}])
def test_a_fault_that_cannot_be_is_refused(wats: WatsServer, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="mode must be one of|times must be 1"):
        wats.fail("*", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("route", "near"),
    [
        ("no-such-route", ""),
        ("/api/Produkt", "near it are .*'PUT /api/Product'"),
        ("GET /api/Product/{partNumbr}", r"near it are 'GET /api/Product/\{partNumber\}'"),
        ("POST /api/Product/{partNumber}", r"'GET /api/Product/\{partNumber\}'"),
        ("GET /api/Product/PN-1/more/of/it", ""),
        ("BREW /api/Product", "'PUT /api/Product'"),
        ("GET api/Product", "'GET /api/Product/Query'"),
    ],
)
def test_a_fault_on_no_route_is_refused(wats: WatsServer, route: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no request can fit the route .*{near}"):
        wats.fail(route)


@pytest.mark.parametrize(
    "route",
    ["GET /api/Product/PN-", "/", "GET /", "/api/product/PN-1/", "get /api/Asset*", "/api/Pro",
     "/api/Product/{part", "GET /api/Product/{partNumber}/{revision}"],
)  # fmt: skip
def test_a_fault_on_what_may_be_a_route_is_planted(wats: WatsServer, route: str) -> None:
    wats.fail(route)


@pytest.mark.parametrize("reset", [False, pytest.param(True, marks=NO_RESET)])
def test_idle_connections_can_be_dropped(wats: WatsServer, client: WireClient, reset: bool) -> None:
    client.call("GET", TARGET)
    assert wats.drop_connections(reset=reset) == 1
    if reset:
        with pytest.raises(ConnectionResetError):
            client.at_end()
    else:
        assert client.at_end()
