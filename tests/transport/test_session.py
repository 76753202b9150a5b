"""Whatever a user configures on the session is honoured."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import trustme
from pywats import AsyncWATS, pyWATS
from pywats.core.client import HttpClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from pywats_green import configure, session_of
from pywats_green.exceptions import (
    InvalidArgumentError,
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.transport import Transport

from .servers import Seen, Server, reply, reset

Connect = Callable[..., Transport]


def call(transport: Transport, method: str = "GET", body: Any = None, **headers: str) -> Any:
    return transport.request(method, "/x", None, headers, body, 5.0)


class Counting(HTTPAdapter):
    """An adapter of a user's own."""

    sent = 0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.sent += 1
        return super().send(*args, **kwargs)


class Stamp(AuthBase):
    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = "Stamp"
        return request


def test_headers_stand_behind_those_of_the_client(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        call(transport)
        transport.session.headers.update({"X-Station": "7", "Accept": "text/html"})
        call(transport, Accept="application/json")
        del transport.session.headers["X-Station"]
        call(transport)
    assert [seen.headers.get("x-station") for seen in server.seen] == [None, "7", None]
    assert server.seen[1].headers["accept"] == "application/json"


def test_a_mounted_adapter_sends(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        call(transport)  # a change later counts, too
        adapter = Counting()
        transport.session.mount(server.url, adapter)
        answer = call(transport, "POST", b"{}", Authorization="Basic x")
        assert adapter.sent == 1
        assert (answer.status, answer.content) == (200, b"{}")
        assert server.seen[1].headers["authorization"] == "Basic x"
        transport.session.mount(server.url, transport.session.get_adapter("http://other"))
        call(transport)
        assert adapter.sent == 1


def test_a_netrc_never_takes_the_place_of_the_token(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Server() as server:
        transport = connect(server.url)
        transport.session.mount("http://", Counting())
        call(transport, Authorization="Basic x")
    assert server.seen[0].headers["authorization"] == "Basic x"


def test_authentication_hooks_and_parameters(connect: Connect) -> None:
    statuses: list[int] = []
    with Server() as server:
        transport = connect(server.url)
        session = transport.session
        session.hooks["response"].append(lambda r, **_: statuses.append(r.status_code))
        call(transport)
        session.auth, session.params = Stamp(), {"site": "7"}
        call(transport, Authorization="Basic x")
        session.auth, session.params, session.hooks["response"] = None, {}, []
        call(transport, Authorization="Basic x")
    assert statuses == [200, 200]
    assert [seen.headers.get("authorization") for seen in server.seen] == [
        None, "Stamp", "Basic x",
    ]  # fmt: skip
    assert [seen.target for seen in server.seen] == ["/x", "/x?site=7", "/x"]


def test_cookies_are_the_sessions(connect: Connect) -> None:
    with Server(lambda _: reply(headers=[("Set-Cookie", "sid=1; Path=/")])) as server:
        transport = connect(server.url)
        call(transport)
        assert transport.session.cookies["sid"] == "1"
        transport.session.cookies.clear()
        transport.session.mount("http://", Counting())
        call(transport)
        call(transport)
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, None, "sid=1"]


def test_a_proxy_of_the_session(connect: Connect) -> None:
    with Server() as proxy:
        transport = connect("http://wats.example")
        transport.session.proxies["http"] = proxy.url
        call(transport)
    assert proxy.seen[0].target == "http://wats.example/x"
    assert proxy.seen[0].headers["host"] == "wats.example"


def test_certificates_of_the_session(connect: Connect) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Server(context=context) as server, authority.cert_pem.tempfile() as path:
        transport = connect(server.url)
        with pytest.raises(TransportConnectError, match="certificate verify failed"):
            call(transport)
        transport.session.verify = path
        assert call(transport).status == 200
        transport.session.verify = False
        assert call(transport).status == 200
        configure(ca_bundle=path)
        transport.session.verify = True
        assert call(transport).status == 200
        transport.session.cert = "/no/such/file.pem"
        with pytest.raises(TransportError, match=r"client certificate /no/such/file\.pem"):
            call(transport)


def test_it_outlives_close(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        transport.session.headers["X-Station"] = "7"
        call(transport)
        transport.close()
        call(transport)
    assert server.seen[1].headers["x-station"] == "7"


def test_faults_by_way_of_the_session(connect: Connect) -> None:
    def late(seen: Seen) -> bytes:
        del seen
        import gevent

        gevent.sleep(1)
        return reply()

    def broken(sock: Any) -> None:
        sock.recv(1000)
        reset(sock)

    with Server(late) as slow, Server(handle=broken) as breaking:
        for url, error in (
            (slow.url, TransportTimeoutError),
            (breaking.url, TransportError),
            ("http://127.0.0.1:1", TransportConnectError),
        ):
            transport = connect(url)
            transport.session.mount("http://", Counting())
            with pytest.raises(error) as caught:
                transport.request("GET", "/x", None, {"Authorization": "Basic x"}, None, 0.2)
            assert type(caught.value) is error
            assert "Basic" not in str(caught.value)


def test_session_of_a_client() -> None:
    with Server(lambda _: reply(body=b'{"partNumber": "PN-1"}')) as server:
        api = pyWATS(base_url=server.url, token="x", enable_cache=False)
        http_client = HttpClient(server.url, "x", enable_cache=False)
        for client, get in ((api, api.product.get_product), (http_client, http_client.get)):
            session_of(client).headers["X-Station"] = "7"
            get("PN-1")
        api.close()
        http_client.close()
        foreign = AsyncWATS(base_url=server.url, token="x")
        with pytest.raises(InvalidArgumentError, match="AsyncWATS is not a green client"):
            session_of(foreign)  # type: ignore[arg-type]
    assert [seen.headers["x-station"] for seen in server.seen] == ["7", "7"]
