"""TLS: trust, and error messages. Every warning is an error here."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent.ssl
import httpx
import pytest
import trustme

from pywats_green import configure
from pywats_green.exceptions import TransportConnectError, TransportError
from pywats_green.transport import Answer, Transport, tls

from .servers import Server, reply

Connect = Callable[..., Transport]


class Authority(NamedTuple):
    ca: trustme.CA
    file: str
    folder: str


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return Authority(ca, str(folder / "ca.pem"), str(folder))


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return server_context(authority)


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[Server]:
    with Server(context=context) as server:
        yield server


def server_context(authority: Authority, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    return context


def call(transport: Transport) -> Answer:
    return transport.request("GET", "/x", None, {}, None, 5.0)


def test_our_setting_names_the_bundle(
    connect: Connect, server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/comes/second")
    configure(ca_bundle=authority.file)
    assert call(connect(server.url)).status == 200


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_the_bundle(
    variable: str,
    connect: Connect,
    server: Server,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, authority.file)
    assert call(connect(server.url)).status == 200


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the files of a folder")
@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", None])
def test_a_folder_of_certificates(
    variable: str | None,
    connect: Connect,
    server: Server,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    command = ["openssl", "x509", "-hash", "-noout", "-in", authority.file]
    named = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(authority.file, tmp_path / f"{named}.0")
    if variable is None:
        configure(ca_bundle=str(tmp_path))
    else:
        monkeypatch.setenv(variable, str(tmp_path))
    assert call(connect(server.url)).status == 200


def test_where_requests_and_httpx_disagree_the_bundle_is_the_one_of_requests(
    connect: Connect,
    server: Server,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row of docs/upstream-differences.md; upstream asks httpx, which is asked here, too."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.file)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert call(connect(server.url)).status == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(server.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("SSL_CERT_FILE", authority.file)
    with pytest.raises(TransportConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        call(connect(server.url))
    assert httpx.get(server.url).status_code == 200


def test_the_environment_is_asked_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    assert tls._ca_bundle() == ("certifi", {"cafile": DEFAULT_CA_BUNDLE_PATH})
    monkeypatch.setenv("SSL_CERT_DIR", "dir")
    assert tls._ca_bundle() == ("SSL_CERT_DIR", {"capath": "dir"})
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, name)
        assert tls._ca_bundle() == (name, {"cafile": name})
    configure(ca_bundle="ours")
    assert tls._ca_bundle() == ("ca_bundle", {"cafile": "ours"})
    configure(ca_bundle=None, trust="system")
    assert tls.trust_in_use() == "system"


def test_an_unknown_authority_is_refused(connect: Connect, server: Server) -> None:
    with pytest.raises(
        TransportConnectError, match=r"^\[SSL: CERTIFICATE_VERIFY_FAILED\] certificate verify fail"
    ):
        call(connect(server.url))
    assert server.seen == []


def test_another_host_name_is_refused(connect: Connect, authority: Authority) -> None:
    configure(ca_bundle=authority.file)
    with (
        Server(context=server_context(authority, "other.example")) as server,
        pytest.raises(TransportConnectError, match="IP address mismatch"),
    ):
        call(connect(server.url))
    assert server.seen == []


def test_without_verification_anybody_will_do_and_nothing_warns(
    connect: Connect, authority: Authority
) -> None:
    with Server(context=server_context(authority, "other.example")) as server:
        transport = connect(server.url, verify=False)
        assert call(transport).status == 200
        assert call(transport).status == 200
        assert server.opened == 1


def test_verify_false_of_one_client_says_nothing_for_another(
    connect: Connect, server: Server
) -> None:
    assert call(connect(server.url, verify=False)).status == 200
    with pytest.raises(TransportConnectError):
        call(connect(server.url))


@pytest.fixture
def demanding(authority: Authority) -> Iterator[Server]:
    """A server that requires a client certificate."""
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which refuses within the handshake
    authority.ca.configure_trust(context)
    with Server(context=context) as server:
        yield server


@pytest.mark.parametrize("key_apart", [True, False])
def test_a_client_certificate_is_shown(
    key_apart: bool, connect: Connect, demanding: Server, authority: Authority, tmp_path: Path
) -> None:
    mine = authority.ca.issue_cert("station@example.com")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.private_key_and_cert_chain_pem.write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    if key_apart:
        mine.cert_chain_pems[0].write_to_path(cert)
    configure(
        ca_bundle=authority.file, client_cert=str(cert), client_key=str(key) if key_apart else None
    )
    assert call(connect(demanding.url)).status == 200


def test_a_missing_client_certificate_is_a_connect_error(
    connect: Connect, demanding: Server, authority: Authority
) -> None:
    configure(ca_bundle=authority.file)
    with pytest.raises(TransportConnectError, match="SSL"):
        call(connect(demanding.url))


def test_a_plain_server_is_a_connect_error(connect: Connect) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(1)
        sock.sendall(reply(400))

    with Server(handle=handle) as server, pytest.raises(TransportConnectError, match="SSL"):
        call(connect(server.url.replace("http", "https")))


@pytest.mark.parametrize("setting", ["ca_bundle", "client_cert"])
def test_a_file_that_is_not_there_is_named(
    setting: str, connect: Connect, server: Server, tmp_path: Path
) -> None:
    change: dict[str, Any] = {setting: str(tmp_path / "missing.pem")}
    configure(**change)
    transport = connect(server.url)
    for _ in range(2):
        with pytest.raises(TransportError, match=r"missing\.pem: .*No such file"):
            call(transport)


def test_a_key_with_a_password_is_refused_instead_of_asked_for(
    connect: Connect, server: Server, authority: Authority, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    mine = authority.ca.issue_cert("station@example.com")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(cert)
    loaded = pem.load_pem_private_key(mine.private_key_pem.bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"word")
        )
    )
    configure(client_cert=str(cert), client_key=str(key))
    with pytest.raises(TransportError, match="client certificate"):
        call(connect(server.url))


def test_the_bundle_is_read_once_for_all_connections(
    connect: Connect, server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(ca_bundle=authority.file)
    made: list[ssl.SSLContext] = []
    make_context = tls.make_context

    def count(*args: Any) -> ssl.SSLContext:
        made.append(make_context(*args))
        return made[-1]

    monkeypatch.setattr("pywats_green.transport.pools.make_context", count)
    transport = connect(server.url)
    configure(keepalive_expiry=0.0)
    for _ in range(5):
        call(transport)
    assert server.opened == 5
    assert len(made) == 1


def test_big_bodies_travel_over_tls(connect: Connect, authority: Authority) -> None:
    configure(ca_bundle=authority.file)
    with Server(lambda seen: reply(200, seen.body), context=server_context(authority)) as server:
        body = bytes(range(256)) * 8_000
        answer = connect(server.url).request("POST", "/x", None, {}, body, 5.0)
    assert answer.content == body


def test_an_answer_that_came_before_a_write_broke_is_read(
    connect: Connect, server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(ca_bundle=authority.file)
    server.answer = lambda seen: reply(413, b"too big", [("Connection", "close")])

    def send_the_head_only(sock: gevent.ssl.SSLSocket, data: bytes | memoryview) -> None:
        data = bytes(data)
        if sock.server_side or data.startswith(b"POST"):
            return sendall(sock, data.replace(b"1000000", b"0"))
        raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")

    sendall = gevent.ssl.SSLSocket.sendall
    monkeypatch.setattr(gevent.ssl.SSLSocket, "sendall", send_the_head_only)
    answer = connect(server.url).request("POST", "/x", None, {}, b"x" * 1_000_000, 5.0)
    assert (answer.status, answer.content) == (413, b"too big")
