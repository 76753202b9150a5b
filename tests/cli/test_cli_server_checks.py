"""`doctor --server`: what it finds out about the user's server."""

import io
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import trustme
from pywats.core.throttle import configure_throttling
from rich.console import Console
from typed import private

from pywats_green import Settings
from pywats_green.__main__ import main
from pywats_green.cli.checks import connection
from pywats_green.cli.checks import server as checks
from pywats_green.cli.doctor import print_findings
from pywats_green.testing import WatsServer
from pywats_green.upstream.hooks.versions import releases_for

URL, TOKEN = "PYWATS_GREEN_BASE_URL", "PYWATS_GREEN_TOKEN"


@pytest.fixture
def rows(monkeypatch, capsys) -> Callable[..., tuple[int, dict[str, tuple[str, str, str]]]]:
    """Ask a server, and return the exit status and the rows about it."""
    monkeypatch.setattr("pywats_green.cli.doctor.SECTIONS", ())
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)

    def run(url: str, token: str):
        monkeypatch.setenv(URL, url)
        monkeypatch.setenv(TOKEN, token)
        status = main(["doctor", "--server", "--json"])
        out, _ = capsys.readouterr()
        assert token not in out
        found = json.loads(out)["checks"]
        return status, {row["id"]: (row["status"], row["finding"], row["advice"]) for row in found}

    return run


def test_a_server_that_is_well(rows, server: WatsServer):
    configure_throttling(max_requests=40, window_seconds=60, enabled=True)
    status, found = rows(server.url, server.token)
    assert status == 0, found
    assert found["server-reached"][1].startswith("127.0.0.1 port ")
    assert found["server-clock"][0] == "ok"
    assert found["server-token"][:2] == ("ok", "valid: it may read")
    assert found["server-version"][1].startswith("WATS 2026.1.0.412, for pywats-api 0.5; ")
    assert "a call takes " in found["server-call"][1]
    assert "33 of 40 requests in 60 s are left here" in found["server-limit"][1]
    assert sum(server.stats()["requests"].values()) == 7


def test_a_token_that_is_refused(rows, server: WatsServer):
    status, found = rows(server.url, "c2VjcmV0OnNlY3JldA==")
    assert status == 1
    assert found["server-token"] == (
        "fail", "refused (HTTP 401)", "make a new one, and set PYWATS_GREEN_TOKEN",
    )  # fmt: skip


def test_a_server_that_is_away(rows):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    status, found = rows(f"http://127.0.0.1:{port}", "token")
    assert status == 4
    assert [*found] == ["server-reached"]
    assert found["server-reached"][1].startswith("127.0.0.1 does not answer (")


def test_a_name_without_an_address(rows):
    status, found = rows("http://no-such-host.invalid", "token")
    assert status == 4
    assert found["server-reached"][1].startswith("no-such-host.invalid has no address: ")


def test_a_name_that_cannot_be_one(rows):
    status, found = rows("http://a..b", "token")
    assert status == 4
    assert found["server-reached"][1].startswith("a..b has no address: ")


def test_what_is_not_wats(rows, server: WatsServer):
    server.fail("GET /api/App/Processes", mode="html", times=None)
    status, found = rows(server.url, server.token)
    assert status == 1
    assert found["server-token"][1] == "what answers is not WATS (HTTP 200)"


def test_a_token_without_permission(rows, server: WatsServer):
    server.fail("GET /api/App/Processes", status=403, times=None)
    status, found = rows(server.url, server.token)
    assert (status, found["server-token"][0]) == (0, "warn")


@pytest.mark.parametrize("missing", [URL, TOKEN])
def test_not_configured(monkeypatch, capsys, missing):
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    monkeypatch.setenv(TOKEN, "token")
    monkeypatch.delenv(missing)
    assert main(["doctor", "--server"]) == 3
    assert f"set {missing} in the environment" in capsys.readouterr().err


def test_who_signed(rows, monkeypatch):
    with WatsServer(tls=True) as secured:
        monkeypatch.setattr(
            "pywats_green.config.in_force", Settings(ca_bundle=str(secured.ca_file))
        )
        status, found = rows(secured.url, secured.token)
        assert status == 0, found
        tls = found["server-tls"]
        assert tls[1].startswith("TLSv1.3, trusted: ")
        assert "issued by" in tls[1]
        monkeypatch.setattr("pywats_green.config.in_force", Settings())
        status, found = rows(secured.url, secured.token)
    assert status == 1
    assert found["server-tls"][1].startswith("not trusted: ")
    assert "PYWATS_GREEN_CA_BUNDLE" in found["server-tls"][2]
    assert "server-token" not in found  # nothing is sent there


def test_tls_where_there_is_none(rows, server: WatsServer):
    status, found = rows(server.url.replace("http:", "https:"), server.token)
    assert (status, found["server-tls"][0]) == (1, "fail")
    assert found["server-tls"][1].startswith("no TLS there: ")


@pytest.mark.parametrize(
    ("not_after", "status", "told"),
    [(timedelta(days=5), "warn", ", 4 days"), (timedelta(days=-1), "fail", "expired")],
)
def test_a_certificate_that_ends(not_after, status, told, monkeypatch, tmp_path):
    import ssl

    import gevent

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=datetime.now(timezone.utc) + not_after)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setattr("pywats_green.config.in_force", Settings(ca_bundle=str(bundle)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock, suppress(OSError):
                context.wrap_socket(sock, server_side=True).close()

        serving = gevent.spawn(serve)
        sock, _ = connection.opened("127.0.0.1", listener.getsockname()[1])
        with sock:
            row = connection.tls(sock, "127.0.0.1")
        serving.get(timeout=30)
    assert (row.status, told in row.finding) == (status, True), row


@pytest.mark.parametrize(
    ("seconds", "status", "told"),
    [(0, "ok", "about 0 s"), (-20, "ok", "about 20 s"), (90, "warn", "90 s ahead of"),
     (-3600, "warn", "3,600 s behind")],
)  # fmt: skip
def test_clocks(seconds, status, told):
    now = 1_700_000_000.5  # half past a second, which the header cuts off
    theirs = datetime.fromtimestamp(now + seconds - 0.5, timezone.utc)
    row = checks._clock({"date": format_datetime(theirs, usegmt=True)}, now - 0.1, now + 0.1)
    assert (row.status, told in row.finding) == (status, True), row


def test_an_answer_without_a_date():
    assert checks._clock({}, 0.0, 0.0).status == "ok"
    assert checks._clock({"date": "yesterday"}, 0.0, 0.0).status == "ok"


@pytest.mark.parametrize("body", ["<!DOCTYPE html>login", "25.1\x1b[2J", "9" * 1000, None, 25, ""])
def test_what_is_no_version_is_not_shown(rows, server: WatsServer, monkeypatch, body):
    def answers(api, requests):
        answer = ask(api, requests)
        for each in answer:
            private(each).data = body
        return answer

    ask = checks.get_many
    monkeypatch.setattr(checks, "get_many", answers)
    status, found = rows(server.url, server.token)
    assert status == 1
    assert "server-version" not in found


@pytest.mark.parametrize("host", ["a..b", "x" * 80 + ".example", "h\udcff"])
def test_a_name_that_none_can_have(rows, host):
    status, found = rows(f"http://{host}", "token")
    assert status == 4
    assert found["server-reached"][0] == "fail"


def test_a_date_without_a_zone():
    row = checks._clock({"date": "Thu, 01 Jan 1970 00:01:30 -0000"}, 0.5, 0.5)
    assert "90 s ahead of" in row.finding


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("2025.3.9.823", []), ("2025.3.9.824", ["0.5"]), ("2026.1.0.412", ["0.5"]),
        ("2026.3", ["0.6", "0.5"]), ("2027.1.2", ["0.6", "0.5"]), ("24.1.0", None), ("?", None),
    ],
)  # fmt: skip
def test_which_pywats_fits(version, lines):
    assert releases_for(version) == lines


@pytest.mark.parametrize(
    ("version", "status"), [("2024.1.0", "warn"), ("24.1", "ok"), ("2026.1.0.412", None)]
)
def test_the_version_of_the_server(version, status, monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda _: "0.6.0rc1")
    assert checks._version(version).status == (status or "warn")
    monkeypatch.setattr(checks, "installed", lambda _: "0.5.0b6")
    assert checks._version(version).status == (status or "ok")


def test_what_the_server_says_of_its_limit():
    row = checks._limit({"X-RateLimit-Remaining": "12"})
    assert "the server says X-RateLimit-Remaining: 12" in row.finding


def test_a_call_that_fails_has_no_time(monkeypatch):
    monkeypatch.setattr(checks, "get_many", lambda *_: [OSError("it has gone")])
    row = checks._call_time(None)
    assert (row.status, row.finding) == ("warn", "a call failed: it has gone")


@pytest.mark.parametrize("width", [40, 100])
def test_what_the_server_says_commands_no_terminal(width):
    stream = io.StringIO()
    found = [("Server", [checks._version("2027.1\x1b[2J")])]
    print_findings(Console(file=stream, width=width), found)
    assert "\x1b" not in stream.getvalue()
    assert "\\x1b[2J" in stream.getvalue()
