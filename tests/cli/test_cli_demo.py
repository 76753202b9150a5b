"""`demo`: what it measures, what it checks, and its errors."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from commandline import TIMEOUT

from pywats_green.__main__ import main

JOBS = ["submit UUT reports", "read products", "read assets", "read report headers"]


@pytest.fixture
def demo(monkeypatch, capsys):
    """Run the demo in this process, which is faster, and return status, stdout and stderr."""

    for name in ("PYWATS_GREEN_BASE_URL", "PYWATS_GREEN_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, **env: str):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return main(["demo", *words]), *capsys.readouterr()

    return run


def test_json(cli):
    # A proxy of the environment must not come between the demo and the loopback.
    result = cli(
        "demo", "--reports", "30", "--concurrency", "10", "--latency", "0.01", "--json",
        HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9", no_proxy="example.com",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert 1 <= found["check"].pop("highest_concurrency") <= 10
    assert found["check"] == {"reports_sent": 30, "reports_held": 30, "each_once": True}
    assert [job["name"] for job in found["jobs"]] == JOBS
    for job in found["jobs"]:
        assert job["one_by_one"]["calls"] == 15
        assert job["green"]["calls"] == 30
        assert job["errors"] == 0
        assert job["speed_up"] > 0
    assert result.stderr.count("\n") == 1 + len(JOBS)
    assert "sample, one by one  60/60\n" in result.stderr


def test_text(demo):
    status, out, err = demo("--reports", "4", "--concurrency", "100", "--latency", "0")
    assert status == 0, err
    for job in JOBS:
        row = rf"^{job} +[\d.,]+/s +[\d.,]+/s +[\d.]+x +0$"
        assert re.search(row, out, re.MULTILINE)
    assert "sample of 4 calls" in out
    assert "exactly the 4 reports sent green, each once" in out
    assert "limit of 500 requests a minute is off" in out


@pytest.mark.long
def test_own_server_is_only_read(cli, server):
    env = {"PYWATS_GREEN_BASE_URL": server.url, "PYWATS_GREEN_TOKEN": server.token}
    result = cli("demo", **env)
    assert result.returncode == 0, result.stderr
    assert "Nothing was written to the server." in result.stdout
    assert f"Reading from {server.url};" in result.stdout
    assert len(server.requests()) < 200
    assert {request.method for request in server.requests()} == {"GET"}
    assert server.token not in result.stdout + result.stderr


def test_failing_calls_are_counted_and_shown(demo, server):
    server.fail("GET /api/Asset/{idOrSerialNumber}", status=503, times=3)
    env = {"PYWATS_GREEN_BASE_URL": server.url, "PYWATS_GREEN_TOKEN": server.token}
    status, out, _ = demo("--json", **env)
    assert status == 1
    found = json.loads(out)
    assert found["ok"] is False
    assert [job["errors"] for job in found["jobs"]] == [0, 3, 0]
    assert found["first_error"].startswith("read assets: ")


@pytest.mark.parametrize("wrong", ["token", "address", "no scheme"])
def test_own_server_that_cannot_be_read(demo, server, wrong):
    url = {"address": "http://user:hidden@127.0.0.1:9", "no scheme": "127.0.0.1:9"}
    env = {
        "PYWATS_GREEN_BASE_URL": url.get(wrong, server.url),
        "PYWATS_GREEN_TOKEN": "bm90LXRoZS10b2tlbg==",
    }
    status, out, err = demo(**env)
    assert (status, out) == (4 if wrong == "address" else 1, "")
    assert err.count("\n") == 1
    assert "Check its address and the token" in err
    assert "hidden" not in err
    assert "bm90LXRoZS10b2tlbg" not in err


@pytest.mark.parametrize("name", ["PYWATS_GREEN_BASE_URL", "PYWATS_GREEN_TOKEN"])
def test_half_a_pair(demo, name):
    status, out, err = demo(**{name: "http://secret"})
    assert (status, out) == (3, "")
    assert err.count("\n") == 1
    assert f"{name} is set, but" in err
    assert "secret" not in err


def test_switched_off(cli):
    result = cli("demo", PYWATS_GREEN_DISABLE="1")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1
    assert "PYWATS_GREEN_DISABLE" in result.stderr


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_quietly():
    command = [sys.executable, "-m", "pywats_green", "demo", "--latency", "0.3", "--reports", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"one by one" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
