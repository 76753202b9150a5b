"""What replaces a part of httpx in a test serves the green client; what calls through does not."""

import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import httpx
import pytest
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError
from pywats.core.retry import RetryConfig
from typed import present, private

from pywats_green.testing import WatsServer
from pywats_green.upstream.client import mocks

MINE = {"partNumber": "MINE"}


def answer(_: httpx.Request | None) -> httpx.Response:
    return httpx.Response(200, json=MINE)


@pytest.fixture
def green(api: pyWATS) -> Any:
    private(api)._http_client.retry_config = RetryConfig(enabled=False)
    return private(api)._http_client


@pytest.fixture
def blocking(server: WatsServer) -> Iterator[HttpClient]:
    with HttpClient(server.url, server.token, enable_cache=False) as client:
        yield client


def read(api: pyWATS, number: str = "PN-00001") -> str:
    return present(api.product.get_product(number)).part_number


def test_a_client_with_a_mock_transport(api: pyWATS, green: Any, server: WatsServer):
    green._client = httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(answer))
    assert read(api) == "MINE"
    green._client = None
    assert read(api) == "PN-00001"
    assert server.stats()["total"] == 1


def test_the_blocking_client_with_a_mock_transport(blocking: HttpClient, server: WatsServer):
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.raw_path, request.content))
        assert request.headers["Authorization"] == f"Basic {server.token}"
        return httpx.Response(201, json=[1], headers={"X-Mine": "a"})

    blocking._client = httpx.Client(base_url=server.url, transport=httpx.MockTransport(handle))
    response = blocking.post("/api/Product", {"a": "ä"}, params={"b": "1 2", "c": None})
    assert (response.status_code, response.data, response.headers["x-mine"]) == (201, [1], "a")
    assert asked == [("POST", b"/api/Product?b=1+2", '{"a":"ä"}'.encode())]
    blocking.post("/api/Product", iter([b"a", b"bc"]))
    assert asked[1][2] == b"abc"
    assert server.stats()["total"] == 0


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("no"), WatsConnectionError),
        (httpx.ConnectTimeout("late"), WatsTimeoutError),
        (httpx.ReadError("gone"), PyWATSError),
        (AssertionError("not mocked"), PyWATSError),
    ],
)
def test_its_errors_become_upstreams(api, green, server, raised, expected):
    handle = mock.Mock(side_effect=raised)
    green._client = httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(handle))
    with pytest.raises(PyWATSError, match=str(raised)) as caught:
        read(api)
    assert type(caught.value) is expected
    assert server.stats()["total"] == 0


def test_retries_are_those_of_the_client(api: pyWATS, green: Any, server: WatsServer):
    green.retry_config = RetryConfig(max_attempts=3, base_delay=0.001, jitter=False)
    handle = mock.Mock(side_effect=[httpx.ConnectError("no"), httpx.Response(503), answer(None)])
    green._client = httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(handle))
    assert read(api) == "MINE"
    assert handle.call_count == 3


@pytest.mark.parametrize("name", ["httpx.AsyncClient", "pywats.core.async_client.httpx"])
def test_a_name_bound_to_a_mock(api: pyWATS, server: WatsServer, name: str):
    reply = mock.Mock(status_code=200, headers={}, json=lambda: MINE)
    with mock.patch(name) as patched:
        made = patched.AsyncClient if name.endswith("httpx") else patched
        made.return_value.request = mock.AsyncMock(return_value=reply)
        assert read(api) == "MINE"
    assert read(api) == "PN-00001"
    assert server.stats()["total"] == 1


def test_a_patched_transport_class(api, blocking, server, monkeypatch):
    assert read(api) == "PN-00001"  # a connection is open

    async def handle_async(self: Any, request: httpx.Request) -> httpx.Response:
        return answer(request)

    with monkeypatch.context() as patch:
        patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)
        patch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: answer(request))
        assert read(api) == "MINE"
        assert blocking.get("/api/Product/PN-00001").data == MINE
    assert read(api) == "PN-00001"
    assert server.stats()["total"] == 2


@pytest.mark.parametrize("declared", [False, True], ids=["plain", "with functools.wraps"])
def test_somebodys_wrapper_sees_the_call_that_goes_out_green(
    api: pyWATS, blocking: HttpClient, server: WatsServer, monkeypatch, declared: bool
):
    original_async = httpx.AsyncHTTPTransport.handle_async_request
    original = httpx.HTTPTransport.handle_request
    seen = []

    async def handle_async(self: Any, request: httpx.Request) -> httpx.Response:
        request.headers["X-Trace"] = "1"
        response = await original_async(self, request)
        seen.append(response.status_code)
        return response

    def handle(self: Any, request: httpx.Request) -> httpx.Response:
        response = original(self, request)
        seen.append(response.status_code)
        return response

    if declared:
        handle_async = functools.wraps(original_async)(handle_async)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    assert read(api) == "PN-00001"
    assert blocking.get("/api/Product/PN-X").status_code == 404
    assert seen == [200, 404]
    first, _ = server.requests()
    assert ("x-trace", "1") in [(name.lower(), value) for name, value in first.headers]
    assert dict(first.headers)["User-Agent"].startswith("pywats-green")
    assert server.stats()["connections_opened"] == 2  # one a client, and none of httpx's


def test_what_the_user_reads_from_a_real_httpx_client_stays_green(
    blocking: HttpClient, server: WatsServer
):
    assert blocking.client.timeout.read == 30.0  # made, and not a mock
    assert blocking.get("/api/Product/PN-00001").is_success
    [request] = server.requests()
    assert dict(request.headers)["User-Agent"].startswith("pywats-green")


def test_a_patched_method_of_the_users_httpx_client(blocking: HttpClient, server: WatsServer):
    with mock.patch.object(blocking.client, "request", return_value=answer(None)):
        assert blocking.get("/api/Product/PN-00001").data == MINE
    assert blocking.get("/api/Product/PN-00001").data["partNumber"] == "PN-00001"
    assert server.stats()["total"] == 1


def test_a_closed_client_forgets_the_mock(api: pyWATS, green: Any, server: WatsServer):
    green._client = httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(answer))
    assert read(api) == "MINE"
    api.close()
    assert green._client is None
    assert read(api) == "PN-00001"


def test_nothing_is_judged_twice(api: pyWATS, monkeypatch: pytest.MonkeyPatch):
    read(api)
    judge = mock.Mock(wraps=mocks.transport_of)
    monkeypatch.setattr(mocks, "transport_of", judge)
    read(api)
    assert not judge.called
