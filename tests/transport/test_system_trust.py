"""`configure(trust="system")`: the operating system's certificates, over real sockets."""

from __future__ import annotations

import importlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme
from gevent.event import Event
from gevent.pool import Pool

from pywats_green import configure
from pywats_green.exceptions import TransportConnectError, TransportError
from pywats_green.transport import Transport, system_trust

from .servers import BOUND, Server

pytest.importorskip("truststore")

Connect = Callable[..., Transport]

on_openssl = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="OpenSSL's default paths are not asked there"
)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Server(context=context) as server:
        yield server


@pytest.fixture
def installed(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts the authority."""
    authority.cert_pem.write_to_path(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))


def api() -> Any:
    """The module that truststore hides."""
    return importlib.import_module("truststore._api")


def call(transport: Transport) -> int:
    return transport.request("GET", "/x", None, {}, None, 5.0).status


@on_openssl
@pytest.mark.parametrize("by_requests", [False, True])
def test_what_the_system_trusts_is_trusted(
    by_requests: bool,
    connect: Connect,
    server: Server,
    installed: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/is/not/asked.pem")
    configure(trust="system", keepalive_expiry=0.0)
    transport = connect(server.url)
    transport.session.params = {"a": "b"} if by_requests else {}
    assert Pool(20).map(lambda _: call(transport), range(60)) == [200] * 60
    assert server.opened == 60


@pytest.mark.parametrize("by_requests", [False, True])
def test_what_it_does_not_trust_is_refused(
    by_requests: bool, connect: Connect, server: Server
) -> None:
    configure(trust="system")
    transport = connect(server.url)
    transport.session.params = {"a": "b"} if by_requests else {}
    with pytest.raises(TransportConnectError, match="(?i)certificate"):
        call(transport)
    assert server.seen == []


@on_openssl
def test_a_server_of_another_name_is_refused(
    connect: Connect, server: Server, installed: None
) -> None:
    configure(trust="system")
    with pytest.raises(TransportConnectError, match="Hostname mismatch"):
        call(connect(server.url.replace("127.0.0.1", "localhost")))


@on_openssl
def test_the_system_is_read_once_for_all_connections(
    connect: Connect, server: Server, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[None] = []
    load = ssl.SSLContext.set_default_verify_paths

    def count(context: ssl.SSLContext) -> None:
        reads.append(None)
        load(context)

    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", count)
    configure(trust="system", keepalive_expiry=0.0)
    transport = connect(server.url)
    for _ in range(5):
        call(transport)
    assert server.opened == 5
    assert len(reads) <= 1


def test_a_silent_handshake_does_not_hold_up_others(
    connect: Connect, server: Server, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(system_trust, "_ASKS", True)  # as on Windows and macOS
    monkeypatch.setattr(
        api(),
        "_verify_peercerts",
        lambda sock, server_hostname: asked.append(server_hostname),
    )
    configure(trust="system")
    came, leave = Event(), Event()

    def stay_silent(sock: Any) -> None:
        came.set()
        leave.wait(BOUND)

    with Server(handle=stay_silent) as silent:
        transport = connect(server.url)
        other = connect(silent.url.replace("http:", "https:"))
        # One context for both: the lock of truststore's own would be common to them.
        other.session.adapters.update(transport.session.adapters)
        waiting = gevent.spawn(call, other)
        assert came.wait(BOUND)
        assert call(transport) == 200
        assert asked == ["127.0.0.1"]
        waiting.kill()
        leave.set()


def test_what_the_system_itself_refuses_is_a_connect_error(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Any] = []

    def refuse(sock: Any, server_hostname: str | None) -> None:
        assert (sock.context.check_hostname, sock.context.verify_mode) == (True, ssl.CERT_REQUIRED)
        refused.append(sock)
        raise ssl.SSLCertVerificationError("not trusted by the system")

    monkeypatch.setattr(system_trust, "_ASKS", True)
    monkeypatch.setattr(api(), "_verify_peercerts", refuse)
    configure(trust="system")
    with pytest.raises(TransportConnectError, match="not trusted by the system"):
        call(connect(server.url))
    assert [sock.fileno() for sock in refused] == [-1]
    assert server.seen == []


def test_without_truststore_the_extra_is_named(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "truststore._api", None)
    configure(trust="system")
    with pytest.raises(TransportError, match=r'pip install "pywats-green\[trust\]"'):
        call(connect(server.url))


def test_verify_false_and_a_bundle_of_the_session_come_first(
    authority: trustme.CA, connect: Connect, server: Server, tmp_path: Path
) -> None:
    configure(trust="system")
    assert call(connect(server.url, verify=False)) == 200
    authority.cert_pem.write_to_path(tmp_path / "mine.pem")
    transport = connect(server.url)
    transport.session.verify = str(tmp_path / "mine.pem")
    assert call(transport) == 200
