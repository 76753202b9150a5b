"""The handle: its process, counters and limits, with and without gevent."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from platforms import PATIENCE
from typed import present

from pywats_green.testing import WatsServer

from .wire_client import WireClient

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"PYWATS_GREEN_DISABLE": "1"}
PARENT = """
    import os, signal, sys
    from pywats_green.testing import WatsServer

    server = WatsServer().start()
    sys.stdout.write(server.url.rpartition(":")[2] + "\\n")
    sys.stdout.flush()
    sys.stdin.readline()
    {death}
"""


def run(code: str, **env: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


USE = """
    import http.client
    from pywats_green.testing import WatsServer

    with WatsServer(latency=0.01) as server:
        port = int(server.url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Authorization": "Basic " + server.token}
        connection.request("GET", "/api/Product/PN-00001", headers=headers)
        assert connection.getresponse().status == 200
        assert server.stats()["total"] == 1
        connection.close()
"""
PATCHED = """
    from gevent import monkey
    monkey.patch_all()
    import gevent

    ticks = 0

    def tick():
        global ticks
        while True:
            gevent.sleep(0.001)
            ticks += 1

    ticker = gevent.spawn(tick)
"""


def test_it_serves_a_plain_process() -> None:
    process = run(USE + "\n    print('done', server)", PYTHONWARNINGS="error", **PLAIN)
    output, _ = process.communicate(timeout=PATIENCE)
    assert output.decode().split() == ["done", "WatsServer(stopped)"]
    assert process.returncode == 0


def test_under_gevent_it_never_holds_the_hub() -> None:
    # Starting takes 100 ms and more, in which a cooperative wait lets the ticker run.
    process = run(PATCHED + USE + "\n    print('done', server, ticks)", **PLAIN)
    output, _ = process.communicate(timeout=PATIENCE)
    done, state, ticks = output.decode().split()
    assert (done, state) == ("done", "WatsServer(stopped)")
    assert int(ticks) >= 20
    assert process.returncode == 0


@pytest.mark.parametrize(
    "death", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(3)"]
)
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_server_dies_with_its_parent(death: str) -> None:
    process = run(PARENT.format(death=death), **PLAIN)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        process.communicate(b"\n", timeout=20)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_the_server_dies_with_its_parent_though_a_fork_holds_its_pipe() -> None:
    code = """
        import os, sys, time
        from pywats_green.testing import WatsServer

        server = WatsServer().start()
        sys.stdout.write(server.url.rpartition(":")[2] + "\\n")
        sys.stdout.flush()
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(writer)
            os.close(1), os.close(2)
            sys.stdin.readline()  # until the test closes this pipe
            os._exit(0)
        os._exit(0)
    """
    process = run(code, **PLAIN)
    assert process.stdout is not None
    assert process.stdin is not None
    port = int(process.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        process.wait(20)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    process.stdin.close()
    process.stdout.close()


def test_a_killed_server_is_reported_and_stop_still_works() -> None:
    server = WatsServer().start()
    assert server.pid is not None
    with WireClient(server) as client:
        os.kill(server.pid, signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError):
            assert client.at_end()
    with pytest.raises(RuntimeError, match="does not answer"):
        server.stats()
    server.stop()
    server.stop()


def test_stop_is_idempotent_and_start_starts_again() -> None:
    server = WatsServer()
    server.stop()
    assert server.pid is None
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url
    with pytest.raises(RuntimeError, match="not running"):
        server.stats()
    assert server.start() is server
    pid = server.pid
    assert server.start().pid == pid
    server.stop()
    server.stop()
    with server, WireClient(server) as client:
        assert client.call("GET", "/api/App/Version").status == 200
    assert server.pid is None


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = WatsServer(port=taken.getsockname()[1])
        with pytest.raises(RuntimeError, match="exited before it was listening"):
            server.start()
    assert server.pid is None


@pytest.mark.parametrize(
    "options", [{"latency": -1}, {"jitter": -0.1}, {"rate_limit": (0, 1)}, {"rate_limit": (1, 0)}]
)
def test_bad_options_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="seconds|rate_limit"):
        WatsServer(**options)  # type: ignore[arg-type]


def test_unknown_settings_are_refused(wats: WatsServer) -> None:
    with pytest.raises(ValueError, match="unknown setting: colour"):
        wats.configure(colour="green")
    with pytest.raises(ValueError, match="seconds"):
        wats.configure(latency=-1)


def test_the_same_seed_gives_the_same_content() -> None:
    answers = []
    for seed in (5, 5, 6):
        with WatsServer(seed=seed) as server, WireClient(server) as client:
            created = client.call("PUT", "/api/Product", {"partNumber": "new"}).body
            headers = client.call("GET", "/api/Report/Query/Header?reportType=U").body
            answers.append(created + headers)
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_the_token_stands_in_no_repr(wats: WatsServer) -> None:
    assert wats.token not in repr(wats)
    assert wats.url in repr(wats)


def test_concurrency_is_counted(wats: WatsServer) -> None:
    wats.configure(latency=0.3)
    clients = [WireClient(wats) for _ in range(20)]
    for client in clients:
        client.send(client.request("GET", "/api/Product/PN-00001"))
    for client in clients:
        assert client.receive().status == 200
    stats = wats.stats()
    assert stats["highest_concurrency"] == 20
    assert stats["connections_opened"] == 20
    assert stats["connections_open"] == 20
    assert stats["in_flight"] == 0
    assert stats["requests"] == {"GET /api/Product/{partNumber}": 20}
    assert stats["statuses"] == {"200": 20}
    for client in clients:
        client.socket.close()
    while wats.stats()["connections_open"]:
        pass
    assert wats.stats()["connections_opened"] == 20


def test_control_calls_are_not_counted(wats: WatsServer) -> None:
    for _ in range(3):
        stats = wats.stats()
    assert (stats["total"], stats["connections_opened"], stats["connections_open"]) == (0, 0, 0)


def test_the_rate_limit_answers_429_with_retry_after(wats: WatsServer) -> None:
    wats.configure(rate_limit=(3, 30.0))
    with WireClient(wats) as client:
        answers = [client.call("GET", "/api/App/Levels") for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        assert "Message" in answers[-1].json()
        wats.configure(rate_limit=None)
        assert client.call("GET", "/api/App/Levels").status == 200


def test_the_rate_limit_window_slides(wats: WatsServer) -> None:
    wats.configure(rate_limit=(1, 0.05))
    with WireClient(wats) as client:
        assert client.call("GET", "/api/App/Levels").status == 200
        assert client.call("GET", "/api/App/Levels").status == 429
        while client.call("GET", "/api/App/Levels").status == 429:
            pass


def test_tls_is_verified_with_its_own_authority() -> None:
    with WatsServer(tls=True) as server:
        authority = Path(present(server.ca_file))
        assert server.url.startswith("https://")
        port = int(server.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            ssl.create_default_context().wrap_socket(
                plain, server_hostname="127.0.0.1", do_handshake_on_connect=False
            ) as untrusting,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            untrusting.do_handshake()
        context = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            head = f"GET /api/App/Version HTTP/1.1\r\nAuthorization: Basic {server.token}\r\n\r\n"
            secure.sendall(head.encode())
            assert secure.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.stats()["total"] == 1
    assert server.ca_file is None
    assert not authority.parent.exists()


def test_tls_without_trustme_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    server = WatsServer(tls=True)
    with pytest.raises(ImportError, match="pip install trustme"):
        server.start()
    assert server.pid is None


def test_many_threads_may_drive_one_handle(wats: WatsServer) -> None:
    totals: list[int] = []

    def drive() -> None:
        with WireClient(wats) as client:
            client.call("GET", "/api/Product/PN-00001")
        totals.append(wats.stats()["total"])

    threads = [threading.Thread(target=drive) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(totals) == 10
