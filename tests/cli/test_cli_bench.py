"""`bench`: what it measures at the user's server, and that it asks first."""

import io
import json
import os
import signal
import subprocess
from types import SimpleNamespace

import pytest
from commandline import COMMAND, TIMEOUT, environment

from pywats_green.__main__ import main
from pywats_green.cli import bench
from pywats_green.cli.bench import Level, best_of
from pywats_green.cli.measuring import Run

URL, TOKEN = "PYWATS_GREEN_BASE_URL", "PYWATS_GREEN_TOKEN"


@pytest.fixture
def configured(monkeypatch, server):
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(TOKEN, server.token)
    return server


def test_it_only_reads_and_little(configured, capsys):
    assert main(["bench", "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [level["at_once"] for level in found["levels"]] == [1, 2, 4, 8, 16, 32]
    assert sum(level["errors"] for level in found["levels"]) == 0
    assert found["best"] in (1, 2, 4, 8, 16, 32)
    assert len(configured.requests()) < 200
    assert {request.method for request in configured.requests()} == {"GET"}


def test_it_says_what_pays(configured, capsys, monkeypatch):
    monkeypatch.setattr(bench, "LEVELS", ((1, 2), (2, 4)))
    assert main(["bench", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert "Use Pool(" in out
    assert err == "reading 6/6\n"


def test_it_ends_where_calls_fail(monkeypatch):
    monkeypatch.setattr(bench, "LEVELS", ((1, 2), (2, 4), (4, 8)))
    calls = []

    def get_product(part_number):
        calls.append(part_number)
        if len(calls) > 4:
            raise OSError(f"no more of {part_number}")
        return part_number

    api = SimpleNamespace(product=SimpleNamespace(get_product=get_product))
    levels = bench.measure(api, ["PN-1", "PN-2"])
    assert [len(level.run.errors) for level in levels] == [0, 2]
    assert levels[1].run.errors[0].startswith("no more of PN-")


def test_it_asks_first(configured, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["bench"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"products from {configured.url}? [y/N]: " in err
    assert err.endswith("stopped: nothing was done\n")
    assert configured.requests() == []


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_ctrl_c_ends_the_line_of_the_bar(server):
    import pty

    server.configure(latency=0.3)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "bench", "--yes"], stdout=subprocess.DEVNULL, stderr=theirs,
        env=environment(**{URL: server.url, TOKEN: server.token, "TERM": "xterm"}),
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"1/182" not in seen:
            seen += os.read(ours, 10_000)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(TIMEOUT) == 130
        finally:
            process.kill()
    rest = os.read(ours, 100_000)
    os.close(ours)
    assert b"\r\n" in rest[-10:]


def test_a_server_that_is_away(monkeypatch, capsys):
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    monkeypatch.setenv(TOKEN, "token")
    assert main(["bench", "--yes"]) == 4
    assert "cannot read from the server" in capsys.readouterr().err


def test_a_token_that_may_read_products_only(configured, monkeypatch):
    monkeypatch.setattr(bench, "LEVELS", ((1, 2),))
    for route in ("GET /api/Asset", "GET /api/Report/Query/Header"):
        configured.fail(route, status=403, times=None)
    assert main(["bench", "--yes"]) == 0


def test_products_that_can_be_listed_but_not_read(configured, capsys):
    configured.fail("GET /api/Product/{partNumber}", status=403, times=None)
    assert main(["bench", "--yes"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("python -m pywats_green bench: cannot read from the server: ")
    assert err.count("\n") == 1


def test_not_configured(monkeypatch):
    monkeypatch.delenv(URL, raising=False)
    assert main(["bench", "--yes"]) == 3


def level(at_once: int, rate: float, *errors: str) -> Level:
    return Level(at_once, Run(10, 10 / rate, errors), 0.0, 0.0)


@pytest.mark.parametrize(
    ("levels", "best"),
    [
        ([level(1, 10), level(2, 20), level(4, 19), level(8, 21)], 2),
        ([level(1, 10), level(2, 11), level(4, 40), level(8, 20)], 4),
        ([level(1, 10), level(2, 9)], 1),
        ([level(1, 10), level(2, 20)], 2),
        ([level(1, 10), level(2, 20, "x")], 1),
        ([level(1, 10, "x")], None),
    ],
)
def test_what_pays(levels, best):
    found = best_of(levels)
    assert (None if found is None else found.at_once) == best
