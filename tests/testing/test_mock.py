"""`mock_wats`: the server's routes without a process, for every kind of client."""

import asyncio
from typing import Any

import gevent
import httpx
import pytest
from pywats import AsyncWATS, pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import NotFoundError, PyWATSError, ServerError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError
from pywats.core.retry import RetryConfig
from typed import present

from pywats_green import Pool
from pywats_green.testing import MockWats, WatsServer, mock_wats


def client(wats: MockWats, **options) -> pyWATS:
    return pyWATS(base_url=wats.url, token=wats.token, enable_cache=False, **options)


def test_a_green_client_reads_and_writes():
    with mock_wats() as wats, client(wats) as api:
        product = present(api.product.get_product("PN-00007"))
        product.description = "changed"
        api.product.update_product(product)
        assert present(api.product.get_product("PN-00007")).description == "changed"
        with pytest.raises(NotFoundError):
            api.product.get_product("PN-X")
        assert wats.stats()["requests"]["GET /api/Product/{partNumber}"] == 3


def test_calls_wait_cooperatively():
    with mock_wats(latency=0.05) as wats, client(wats) as api:
        Pool(20).map(api.product.get_product, [f"PN-{number:05}" for number in range(20)])
        assert wats.stats()["highest_concurrency"] == 20


def test_it_answers_the_url_of_the_code_under_test_and_no_other(server: WatsServer):
    with (
        mock_wats("https://wats.example/prefix") as wats,
        client(wats) as api,
        pyWATS(base_url=server.url, token=server.token) as other,
    ):
        assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"
        assert present(other.product.get_product("PN-00001")).part_number == "PN-00001"
        assert wats.stats()["total"] == server.stats()["total"] == 1


def test_blocks_nest_and_leave_nothing_behind():
    before = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request
    with mock_wats("http://a.mock") as first, mock_wats("http://b.mock", seed=1) as second:
        for wats in (first, second):
            assert client(wats).product.get_product("PN-00001")
            assert wats.stats()["total"] == 1
    after = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request
    assert after == before


def test_upstreams_other_clients_meet_it_too():
    async def read(wats: MockWats) -> str:
        async with AsyncWATS(base_url=wats.url, token=wats.token) as api:
            return present(await api.product.get_product("PN-00002")).part_number

    with mock_wats(latency=0.001) as wats:
        assert asyncio.run(read(wats)) == "PN-00002"
        with HttpClient(wats.url, wats.token) as http:
            assert http.get("/api/Product/PN-00003").data["partNumber"] == "PN-00003"
        assert wats.stats()["total"] == 2


@pytest.mark.parametrize("mode", ["reset", "close", "cut"])
def test_faults_of_a_connection(mode: str):
    with mock_wats() as wats, client(wats, retry_config=RetryConfig(enabled=False)) as api:
        wats.fail("GET /api/Product", mode=mode)
        with pytest.raises(PyWATSError, match="HTTP request failed"):
            api.product.get_product("PN-00001")
        assert api.product.get_product("PN-00001")


def test_a_planted_status_and_a_hang():
    options: dict[str, Any] = {"retry_config": RetryConfig(enabled=False), "timeout": 0.05}
    with mock_wats() as wats:
        http = HttpClient(wats.url, wats.token, enable_cache=False, **options)
        wats.fail("GET /api/Product", status=500)
        assert http.get("/api/Product/PN-00001").status_code == 500
        wats.fail("GET /api/Product", mode="hang")
        with pytest.raises(WatsTimeoutError):
            http.get("/api/Product/PN-00001")
        assert wats.stats()["in_flight"] == 0
        with client(wats, retry_config=options["retry_config"]) as api:
            wats.fail("GET /api/Product", status=500)
            with pytest.raises(ServerError):
                api.product.get_product("PN-00001")


def test_a_killed_call_is_not_in_flight_any_more():
    with mock_wats(latency=30.0) as wats, client(wats) as api:
        call = gevent.spawn(api.product.get_product, "PN-00001")
        while not wats.stats()["in_flight"]:
            gevent.sleep(0)
        call.kill()
        assert wats.stats()["in_flight"] == 0


def test_it_is_driven_like_the_server():
    with mock_wats("http://driven.mock", record=True) as wats:
        http = HttpClient(wats.url, wats.token, retry_config=RetryConfig(enabled=False))
        http.get("/api/Product/PN-00001", params={"a": "x y"})
        [request] = wats.requests()
        assert request.target == "/api/Product/PN-00001?a=x+y"
        assert ("Authorization", f"Basic {wats.token}") in request.headers
        wats.put_state("products", [{"partNumber": "MINE", "name": "Mine"}])
        assert http.get("/api/Product/MINE").data["name"] == "Mine"
        with pytest.raises(ValueError, match="unknown setting"):
            wats.configure(nonsense=1)
        wats.reset()
        assert wats.stats()["total"] == 0
        wats.configure(rate_limit=(1, 60.0))
        assert http.get("/api/Product/PN-00002").status_code == 200
        assert http.get("/api/Product/PN-00003").status_code == 429
    assert wats.token not in repr(wats)
