"""The path of a request: what is passed down, and upstream's error messages."""

from typing import Any

import pytest
from pywats import pyWATS
from pywats.core.client import HttpClient
from typed import present, private
from waiting import until

from pywats_green import CacheManager, Pool, batching, configure
from pywats_green.bridge import Deadline
from pywats_green.testing import WatsServer
from pywats_green.transport import Transport
from pywats_green.upstream.client.cache import caching_of
from pywats_green.upstream.hooks.calls import run_sync


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float | None, float | None]]:
    """What reaches the transport: path, timeout of a phase, deadline."""
    seen: list[tuple[str, float | None, float | None]] = []
    request = Transport.request

    def noting(self: Transport, method: str, endpoint: str, *args: Any) -> Any:
        *_, timeout, deadline = args
        seen.append((endpoint, timeout, deadline))
        return request(self, method, endpoint, *args)

    monkeypatch.setattr(Transport, "request", noting)
    return seen


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The deadlines set by calls."""
    found: list[float] = []
    init = Deadline.__init__

    def noting(self: Deadline, *args: Any) -> None:
        init(self, *args)
        found.append(self.at)

    monkeypatch.setattr(Deadline, "__init__", noting)
    return found


@pytest.mark.parametrize("enable_cache", [False, True])
def test_the_deadline_of_a_call_reaches_the_transport(
    enable_cache: bool, server: WatsServer, handed: list[Any], deadlines: list[float]
) -> None:
    with pyWATS(base_url=server.url, token=server.token, enable_cache=enable_cache) as api:
        assert api.product.get_product("PN-00001") is not None
        assert api.product.update_product(present(api.product.get_product("PN-00001"))) is not None
    assert [deadline for _, _, deadline in handed] == deadlines
    assert len(deadlines) == (2 if enable_cache else 3)


def test_who_has_no_deadline_hands_none_down(server: WatsServer, handed: list[Any]) -> None:
    client = HttpClient(server.url, server.token)
    assert client.get("/api/Product/PN-00001").is_success
    assert handed == [("/api/Product/PN-00001", 30.0, None)]


def test_a_renewal_in_the_background_has_no_deadline_of_the_call_that_began_it(
    server: WatsServer, handed: list[Any]
) -> None:
    """Its timer is gone, so a phase relying on it would wait for ever."""
    configure(stale_while_revalidate=60.0)
    try:
        with pyWATS(base_url=server.url, token=server.token, cache_ttl=100) as api:
            caching = caching_of(private(api)._http_client)
            assert caching is not None
            now = [0.0]
            caching.manager = CacheManager(10, 100.0, timer=lambda: now[0])
            api.product.get_product("PN-00001")
            now[0] = 101.0
            api.product.get_product("PN-00001")
            until(lambda: len(handed) == 2)  # the renewal runs in its own greenlet
    finally:
        configure(stale_while_revalidate=0.0)
    (_, _, first), (_, timeout, second) = handed
    assert first is not None
    assert (timeout, second) == (30.0, None)


def test_a_query_has_half_the_time_limit_and_no_deadline(
    server: WatsServer, handed: list[Any]
) -> None:
    api = pyWATS(base_url=server.url, token=server.token, enable_cache=False)
    with batching(), Pool(9) as pool:
        pool.map(api.product.get_product, [f"PN-{n:05d}" for n in range(9)])
    queries = [each for each in handed if each[0] == "/api/Product/Query"]
    assert queries
    assert {(timeout, deadline) for _, timeout, deadline in queries} == {(15.0, None)}


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_option_is_refused_in_upstreams_words(method: str, server: WatsServer) -> None:
    client = HttpClient(server.url, server.token)
    with pytest.raises(TypeError, match=r"^HttpClient\._make_request\(\) got an unexpected") as one:
        getattr(client, method)("/api/App/Version", json={})
    assert "'json'" in str(one.value)
    with pyWATS(base_url=server.url, token=server.token) as api:
        call = getattr(private(api)._http_client, method)
        with pytest.raises(TypeError, match=r"^AsyncHttpClient\._make_request\(\) got an unexp"):
            run_sync(call("/api/App/Version", json={}))


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_make_request_of_a_subclass_goes_first(method: str, server: WatsServer) -> None:
    class Spied(HttpClient):
        def _make_request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            seen.append((method, endpoint))
            return super()._make_request(method, endpoint, *args, **kwargs)

    seen: list[tuple[str, str]] = []
    getattr(Spied(server.url, server.token), method)("/api/App/Version")
    assert seen == [(method.upper(), "/api/App/Version")]


@pytest.mark.parametrize("name", ["_make_request", "_execute_request"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_what_is_put_on_one_client_goes_first(method: str, name: str, server: WatsServer) -> None:
    with pyWATS(base_url=server.url, token=server.token) as api:
        client: Any = private(api)._http_client
        original, seen = getattr(client, name), []

        async def spied(method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            seen.append((method, endpoint))
            return await original(method, endpoint, *args, **kwargs)

        setattr(client, name, spied)
        run_sync(getattr(client, method)("/api/App/Version"))
        assert seen == [(method.upper(), "/api/App/Version")]
