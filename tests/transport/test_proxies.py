"""Proxies from the environment; the token is only sent to the origin."""

from __future__ import annotations

import socket
import ssl
from base64 import b64decode
from collections.abc import Callable

import gevent
import httpx
import pytest
import trustme
from typed import private

from pywats_green import configure
from pywats_green.exceptions import TransportConnectError, TransportError, TransportSetupError
from pywats_green.transport import Answer, Transport
from pywats_green.transport.proxies import environment_proxies

from .servers import Seen, Server, read_request, reply

Connect = Callable[..., Transport]
CREDENTIALS = "dXNlcjp3b3Jk"  # user:word


def call(transport: Transport, method: str = "GET", body: bytes | None = None) -> Answer:
    return transport.request(method, "/x%2f y", {"a": "b"}, {"X-A": "1"}, body, 5.0)


class Tunnel:
    """A proxy that accepts every CONNECT, or gives a fixed answer."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n") -> None:
        self.answer = answer
        self.asked: list[Seen] = []

    def __call__(self, sock: socket.socket) -> None:
        stream = sock.makefile("rb", buffering=0)  # what follows belongs to the tunnel
        seen = read_request(stream)
        assert seen is not None
        self.asked.append(seen)
        sock.sendall(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            return
        host, _, port = seen.target.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            gevent.joinall([gevent.spawn(pump, sock, onward), gevent.spawn(pump, onward, sock)])


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_http_goes_to_the_proxy_with_its_whole_url(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        transport = connect("http://wats.example/prefix")
        assert [call(transport).status for _ in range(3)] == [200] * 3
        assert proxy.opened == 1
    assert proxy.seen[0].target == "http://wats.example/prefix/x%2f%20y?a=b"
    assert proxy.seen[0].headers["host"] == "wats.example"
    assert "proxy-authorization" not in proxy.seen[0].headers


def test_the_proxys_own_credentials_go_to_the_proxy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:word@"))
        transport = connect("http://wats.example")
        transport.request("GET", "/x", None, {"Authorization": "Basic token"}, None, 5.0)
    assert proxy.seen[0].headers["proxy-authorization"] == f"Basic {CREDENTIALS}"
    assert proxy.seen[0].headers["authorization"] == "Basic token"


def test_a_post_through_a_proxy_does_not_wait_between_head_and_body(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[int] = []

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while read_request(stream) is not None:
                sock.sendall(reply())

    with Server(handle=handle) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        transport = connect("http://wats.example")
        call(transport, "POST", b"{}")
        (idle,) = private(transport._pools["http://wats.example"]).pool._idle
        delays.append(idle.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    assert delays != [0]


def test_https_is_tunnelled(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: str
) -> None:
    tunnel = Tunnel()
    with (
        authority.cert_pem.tempfile() as bundle,
        Server(context=server_context(authority)) as origin,
        Server(handle=tunnel) as proxy,
    ):
        configure(ca_bundle=bundle)
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//user:word@"))
        transport = connect(origin.url)
        assert [call(transport).status for _ in range(3)] == [200] * 3
        assert (proxy.opened, origin.opened) == (1, 1)
    assert [(seen.method, seen.target) for seen in tunnel.asked] == [
        ("CONNECT", f"127.0.0.1:{origin.port}")
    ]
    assert tunnel.asked[0].headers["proxy-authorization"] == f"Basic {CREDENTIALS}"
    assert origin.seen[0].target == "/x%2f%20y?a=b"
    assert "proxy-authorization" not in origin.seen[0].headers


def test_a_tunnel_that_was_closed_while_idle_is_dug_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    tunnel = Tunnel()
    closing = reply(200, b"{}", [("Connection", "close")])
    with (
        Server(lambda seen: closing, context=server_context(authority)) as origin,
        Server(handle=tunnel) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        transport = connect(origin.url, verify=False)
        assert [call(transport).status for _ in range(2)] == [200] * 2
    assert len(tunnel.asked) == 2


class TLSInside:
    """A proxy that is the origin, too: it speaks TLS within its tunnel.

    To each answer it adds another one in a TLS record of its own, and sends both at once.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def __call__(self, sock: socket.socket) -> None:
        assert read_request(sock.makefile("rb", buffering=0)) is not None
        sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inside = self._context.wrap_bio(incoming, outgoing, server_side=True)

        def run(step: Callable[..., bytes | None], *args: int) -> bytes | None:
            while True:
                try:
                    return step(*args)
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(65_536)
                    if not data:
                        raise ConnectionError from None
                    incoming.write(data)

        run(inside.do_handshake)
        while request := run(inside.read, 65_536):
            inside.write(reply(200, request.split(b" ")[1]))
            inside.write(reply(200, b"unasked"))
            sock.sendall(outgoing.read())


def test_what_tls_within_tls_has_decoded_already_reaches_no_other_call(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    context = server_context(authority)
    with (
        authority.cert_pem.tempfile() as bundle,
        Server(handle=TLSInside(context), context=context) as proxy,
    ):
        configure(ca_bundle=bundle)
        monkeypatch.setenv("https_proxy", proxy.url)
        transport = connect("https://127.0.0.1:1")
        for target in ("/first", "/second"):
            answer = transport.request("GET", target, None, {}, None, 5.0)
            assert answer.content.decode() == target


def test_the_certificate_behind_a_tunnel_is_verified(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    with (
        Server(context=server_context(authority)) as origin,
        Server(handle=Tunnel()) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(TransportConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            call(connect(origin.url))
    assert origin.seen == []


def test_an_https_proxy_is_spoken_to_over_tls(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    with (
        authority.cert_pem.tempfile() as bundle,
        Server(context=server_context(authority)) as proxy,
    ):
        configure(ca_bundle=bundle)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert call(connect("http://wats.example")).status == 200
    assert proxy.seen[0].target == "http://wats.example/x%2f%20y?a=b"


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "localhost,127.0.0.1", "*", "all://127.0.0.1"])
def test_no_proxy_is_respected(
    no_proxy: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as proxy, Server() as origin:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", no_proxy)
        assert call(connect(origin.url)).status == 200
    assert (len(proxy.seen), len(origin.seen)) == (0, 1)


ENTRIES = [
    "", ",", "*", "x, *", "ex.com", " ex.com ,x", "EX.com", ".ex.com", "*.ex.com", "ex.com.",
    "ex.com:80", "ex.com:443", "ex.com:8080", ".ex.com:8080", "ex.com/path", "ex .com",
    "http://ex.com", "https://ex.com", "https://ex.com:443", "http://ex.com:8080", "http://*.ex.com",
    "http://*ex.com", "all://ex.com", "all://*", "http://", "https://", "http://*", "all://",
    "ftp://ex.com", "localhost", "LOCALHOST", "localhost:8080", "127.0.0.1", "127.0.0.1:8080",
    "127.0.0.0/8", "127.0.0.1/8", "::1", "[::1]", "all://[::1]", "http://[::1]:8080", "::/0",
    "host:port", "x.ex.com,ex.com:8080", "all://:8080", "com", "ex",
]  # fmt: skip
HOSTS = ["ex.com", "a.ex.com", "anex.com", "localhost", "a.localhost", "127.0.0.1", "127.0.0.0"]
ORIGINS = [
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in [*HOSTS, "[::1]"]
    for port in ("", ":8080")
]


@pytest.mark.skipif(
    tuple(map(int, httpx.__version__.split(".")[:2])) < (0, 26),
    reason="httpx had other rules before 0.26",
)
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("names", [("http_proxy", "HTTPS_PROXY"), ("ALL_PROXY",), ("https_proxy",)])
def test_proxies_are_chosen_as_httpx_does(
    entry: str, names: tuple[str, ...], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        monkeypatch.setenv(name, "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", entry)
    try:
        client = httpx.Client(verify=False)  # noqa: S501  # quick
    except httpx.InvalidURL:
        with pytest.raises(TransportSetupError, match="NO_PROXY has an entry that is no host"):
            environment_proxies(ORIGINS[0])
        return
    for origin in ORIGINS:
        is_direct = client._transport_for_url(httpx.URL(origin)) is client._transport
        assert (origin, not environment_proxies(origin)) == (origin, is_direct)


def test_a_proxy_over_tls_is_verified_even_if_the_server_is_not(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    with Server(context=server_context(authority)) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for url in ("http://wats.example", "https://wats.example"):
            # The second is urllib3's before 2.8, which cannot connect then.
            with pytest.raises(
                TransportConnectError, match="CERTIFICATE_VERIFY_FAILED|Cannot set verify_mode"
            ):
                call(connect(url, verify=False))
    assert proxy.seen == []


def test_two_credentials_of_one_proxy_are_kept_apart(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as proxy:
        transport = connect("http://wats.example")
        for user in ("one", "two", "only"):
            pair = "only" if user == "only" else f"{user}:p%40ss"
            transport.session.proxies = {"http": proxy.url.replace("//", f"//{pair}@")}
            call(transport)
    sent = [seen.headers["proxy-authorization"].removeprefix("Basic ") for seen in proxy.seen]
    assert [b64decode(each) for each in sent] == [b"one:p@ss", b"two:p@ss", b"only:"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_connection_is_a_connect_error(
    scheme: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as gone:
        pass
    monkeypatch.setenv(f"{scheme}_proxy", gone.url)
    with pytest.raises(TransportConnectError, match="refused"):
        call(connect(f"{scheme}://wats.example"))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Requ"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502 Bad Gateway"),
        (b"SSH-2.0-OpenSSH\r\n", "the proxy did not answer in HTTP: 'SSH-2.0-OpenSSH'"),
        (b"", "the proxy closed the connection without an answer"),
        *(
            (flood * (300_000 // len(flood)), "the proxy did not answer in HTTP: 'Receive buffer")
            for flood in (b"HTTP/1.1 102 Wait\r\n\r\n", b"HTTP/1.1 102 Wait\r\nA:\r\n\r\n")
        ),
        *(
            (start + line * (300_000 // len(line)), "the proxy did not answer in HTTP: '")
            for start in (b"HTTP/1.1 102 Wait\r\n", b"HTTP/1.1 200 OK\r\n")
            for line in (b"a", b"A: b\r\n")
        ),
    ],
    ids=range(10),
)
def test_a_proxy_that_does_not_connect_us_is_an_error_but_no_connect_error(
    answer: bytes, text: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(handle=Tunnel(answer)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(TransportError, match=f"^{text}") as caught:
            call(connect("https://wats.example"))
    assert not isinstance(caught.value, TransportConnectError)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:word@:80", "http://user:word@", "http://user:word@[x", "socks5://a:word@b",
        "http://user:word@host:port", "http://user:word@host:99999", "http://user:wo/word@host",
        "ftp://user:word@host", "user:word@",
    ],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    proxy: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(TransportError, match="proxy") as caught:
        call(connect("http://wats.example"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "word" not in f"{error!r}"
        assert "SOCKS" not in str(error) or "use an HTTP proxy" in str(error)
        error = error.__cause__ or error.__context__


def test_netrc_never_overrides_the_token(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: str
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("machine 127.0.0.1 login someone password else\n")
        file.write("machine localhost login someone password else\n")
    monkeypatch.setenv("NETRC", netrc)
    with Server() as server:
        headers = {"Authorization": "Basic token"}
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{server.port}"
            connect(url).request("GET", "/x", None, headers, None, 5.0)
            connect(url).request("GET", "/x", None, {}, None, 5.0)
    assert [seen.headers.get("authorization") for seen in server.seen] == [
        *("Basic token", None),
        *("Basic token", None),
    ]
