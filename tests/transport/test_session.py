"""All configuration of the session is honoured."""

from __future__ import annotations

import contextlib
import gzip
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import trustme
from gevent.event import Event
from pywats import AsyncWATS, pyWATS
from pywats.core.client import HttpClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from waiting import until

from pywats_green import configure, session_of
from pywats_green.exceptions import (
    InvalidArgumentError,
    TransportConnectError,
    TransportDecodeError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.transport import Transport

from .servers import BOUND, Seen, Server, reply, reset

Connect = Callable[..., Transport]


def call(transport: Transport, method: str = "GET", body: Any = None, **headers: str) -> Any:
    return transport.request(method, "/x", None, headers, body, 5.0)


class Counting(HTTPAdapter):
    """A user's adapter."""

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


def hook(session: requests.Session) -> None:
    session.hooks["response"].append(lambda r, **_: None)


def mount(session: requests.Session) -> None:
    session.mount("http://", Counting())


@pytest.mark.parametrize("send_by", [mount, hook])
def test_faults_by_way_of_the_session(
    send_by: Callable[[requests.Session], None], connect: Connect
) -> None:
    def never(seen: Seen) -> bytes:
        del seen
        Event().wait()
        return reply()

    def broken(sock: Any) -> None:
        sock.recv(1000)
        reset(sock)

    with Server(never) as silent, Server(handle=broken) as breaking:
        for url, error in (
            (silent.url, TransportTimeoutError),
            (breaking.url, TransportError),
            ("http://127.0.0.1:1", TransportConnectError),
        ):
            transport = connect(url)
            send_by(transport.session)
            with pytest.raises(error) as caught:
                transport.request("GET", "/x", None, {"Authorization": "Basic x"}, None, 0.2)
            assert type(caught.value) is error
            assert "Basic" not in str(caught.value)


@pytest.mark.parametrize("send_by", [mount, hook])
def test_bodies_by_way_of_the_session_are_bounded_and_complete(
    send_by: Callable[[requests.Session], None], connect: Connect
) -> None:
    small = gzip.compress(b"x" * 30_000)
    bodies = {"/whole": small, "/twice": small * 2, "/cut": small[:-3], "/none": b""}

    def answer(seen: Seen) -> bytes:
        return reply(200, bodies[seen.target], [("Content-Encoding", "gzip")])

    configure(max_answer_bytes=50_000)
    with Server(answer) as server:
        transport = connect(server.url)
        send_by(transport.session)

        def get(target: str) -> bytes:
            return transport.request("GET", target, None, {}, None, 5.0).content

        assert get("/whole") == b"x" * 30_000
        with pytest.raises(TransportDecodeError, match="expands to more than 50000 bytes"):
            get("/twice")
        with pytest.raises(TransportDecodeError, match="truncated"):
            get("/cut")
        assert get("/none") == b""
        assert server.opened == 1


@pytest.mark.parametrize(
    ("rest", "error"), [(b"ab", TransportError), (None, TransportTimeoutError)]
)
def test_a_body_that_a_mounted_adapter_waits_for(
    rest: bytes | None, error: type[Exception], connect: Connect
) -> None:
    def handle(sock: Any) -> None:
        sock.recv(10_000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        if rest is None:
            Event().wait()
        sock.sendall(rest)

    with Server(handle=handle) as server:
        transport = connect(server.url)
        mount(transport.session)
        with pytest.raises(error) as caught:
            transport.request("GET", "/x", None, {}, None, 0.2)
        assert type(caught.value) is error


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


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("send_by", [mount, hook])
def test_a_proxy_out_of_reach_is_a_connect_error_by_way_of_the_session(
    send_by: Callable[[requests.Session], None], scheme: str, connect: Connect
) -> None:
    transport = connect(f"{scheme}://wats.example")
    send_by(transport.session)
    transport.session.proxies[scheme] = "http://127.0.0.1:1"
    with pytest.raises(TransportConnectError):
        call(transport)


@pytest.mark.parametrize("send_by", [mount, hook])
def test_a_proxy_of_the_environment_by_way_of_the_session(
    send_by: Callable[[requests.Session], None],
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """requests before 2.34 fails on it unless it is handed a dictionary to put it into."""
    with Server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        transport = connect("http://wats.example")
        send_by(transport.session)
        assert call(transport).status == 200
    assert proxy.seen[0].target == "http://wats.example/x"


def test_an_answer_that_ends_its_connection_by_way_of_the_session(
    connect: Connect, head_read: Event
) -> None:
    gone = Event()

    def handle(sock: Any) -> None:
        sock.recv(10_000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n")
        assert head_read.wait(BOUND)
        sock.sendall(b"hello")
        if not sock.recv(1):
            gone.set()

    with Server(handle=handle) as server:
        transport = connect(server.url)
        hook(transport.session)
        assert call(transport).content == b"hello"
        assert gone.wait(BOUND)


def tls_server(authority: trustme.CA) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Server(context=context)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls_connections_are_kept_by_way_of_the_session(connect: Connect) -> None:
    with tls_server(trustme.CA()) as server:
        transport = connect(server.url, verify=False)
        hook(transport.session)
        for _ in range(5):
            call(transport)
        assert server.opened == 1


def test_nobody_else_is_trusted_by_way_of_the_session(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, other = trustme.CA(), trustme.CA()
    with tls_server(other) as server, contextlib.ExitStack() as stack:
        ours = stack.enter_context(trusted.cert_pem.tempfile())
        requests_own = stack.enter_context(other.cert_pem.tempfile())
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", requests_own)
        configure(ca_bundle=ours)
        transport = connect(server.url)
        hook(transport.session)
        with pytest.raises(TransportConnectError, match="certificate verify failed"):
            call(transport)


def test_our_certificates_count_for_a_mounted_adapter(connect: Connect) -> None:
    authority = trustme.CA()
    with tls_server(authority) as server, authority.cert_pem.tempfile() as path:
        configure(ca_bundle=path)
        transport = connect(server.url)
        transport.session.mount("https://", Counting())
        assert call(transport).status == 200


def test_verify_of_the_session_counts_for_an_https_proxy(connect: Connect) -> None:
    authority = trustme.CA()
    with tls_server(authority) as proxy, authority.cert_pem.tempfile() as path:
        transport = connect("http://wats.example")
        transport.session.proxies["http"] = proxy.url
        with pytest.raises(TransportError, match="certificate verify failed"):
            call(transport)
        transport.session.verify = path
        assert call(transport).status == 200
        transport.session.verify = True
        with pytest.raises(TransportError, match="certificate verify failed"):
            call(transport)


def test_a_change_leaves_no_connections_behind(connect: Connect) -> None:
    authority = trustme.CA()
    with tls_server(authority) as server, authority.cert_pem.tempfile() as path:
        transport = connect(server.url)
        for number in range(6):
            transport.session.verify = path if number % 2 else False
            call(transport)
        until(lambda: server.opened - server.closed == 1, "the others to be closed")


def test_credentials_of_the_session_go_to_no_other_origin(connect: Connect) -> None:
    def redirect(seen: Seen) -> bytes:
        away = seen.target.startswith("/near")
        return reply(302, headers=[("Location", f"{other.url}/y" if away else "/near")])

    with Server() as other, Server(redirect) as server:
        transport = connect(server.url)
        transport.session.auth, transport.session.params = ("user", "secret"), {"key": "1"}
        call(transport, Authorization="Basic x")
    assert [seen.target for seen in server.seen] == ["/x?key=1", "/near"]
    assert all(seen.headers["authorization"] != "Basic x" for seen in server.seen)
    assert other.seen[0].target == "/y"
    assert "authorization" not in other.seen[0].headers


class Signing(AuthBase):
    def __call__(self, request: Any) -> Any:
        request.url += "?signature=1"
        return request


def test_authentication_may_sign_the_url(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        transport.session.auth = Signing()
        call(transport)
    assert server.seen[0].target == "/x?signature=1"


def test_a_header_is_sent_once_however_its_name_is_written(connect: Connect) -> None:
    heads: list[bytes] = []

    def handle(sock: Any) -> None:
        while data := sock.recv(10_000):
            heads.append(data.lower())
            sock.sendall(reply())

    with Server(handle=handle) as server:
        transport = connect(server.url)
        call(transport, **{"accept-encoding": "identity"})
        transport.session.headers["user-agent"] = "me"
        call(transport)
    assert heads[0].count(b"accept-encoding") == heads[1].count(b"user-agent") == 1
    assert b"identity" in heads[0]
    assert b"user-agent: me\r\n" in heads[1]


def test_headers_of_the_session_may_be_bytes_or_none(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        transport.session.headers.update({"X-Bytes": b"7", "X-None": None})  # type: ignore[dict-item]
        call(transport)
    assert server.seen[0].headers["x-bytes"] == "7"
    assert "x-none" not in server.seen[0].headers
