"""`serve`: its address, its content, and how it ends."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from commandline import COMMAND, TIMEOUT, environment
from pywats import pyWATS
from typed import present

from pywats_green import Settings

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")


@contextmanager
def serving(*options: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)


def refuses(url: str) -> bool:
    """Return whether nothing is listening there any more."""
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=TIMEOUT).close()
    except ConnectionRefusedError:
        return True
    return False


@posix
@pytest.mark.parametrize(
    ("number", "env"),
    [
        (signal.SIGINT, {}),
        (signal.SIGTERM, {"PYWATS_GREEN_DISABLE": "1"}),
    ],
)
def test_serves_until_a_signal(number, env):
    with serving(**env) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("url: ").strip()
        token = process.stdout.readline().removeprefix("token: ").strip()
        with pyWATS(base_url=url, token=token) as api:
            assert present(api.product.get_product("PN-00001")).part_number == "PN-00001"
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (out, err, process.returncode) == ("", "", 0)
    assert refuses(url)


@posix
def test_tls_and_rate_limit_as_json(monkeypatch):
    with serving("--json", "--tls", "--rate-limit", "2", "--seed", "3") as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        assert found["url"].startswith("https://127.0.0.1:")
        with open(found["ca_file"]) as file:  # noqa: PTH123
            assert "BEGIN CERTIFICATE" in file.read()
        monkeypatch.setattr("pywats_green.config.in_force", Settings(ca_bundle=found["ca_file"]))
        with pyWATS(base_url=found["url"], token=found["token"]) as api:
            answers = [api.product.get_product(f"PN-0000{number}") for number in range(2)]
            assert all(answers)
            with pytest.raises(Exception, match="429"):
                api.product.get_product("PN-00004")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (out, err, process.returncode) == ("", "", 0)
    assert not os.path.exists(found["ca_file"])  # noqa: PTH110


@pytest.mark.long
@posix
def test_a_server_that_dies_is_noticed():
    with serving("--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        os.kill(int(children.stdout), signal.SIGKILL)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (out, process.returncode) == ("", 1)
    assert err.count("\n") == 1
    assert "Start it again" in err


def test_a_taken_port_is_one_line(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = cli("serve", "--port", port, PYWATS_GREEN_DISABLE="1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert f"port {port} cannot be used" in result.stderr


@pytest.mark.parametrize(
    "options",
    [["--port", "70000"], ["--latency", "-1"], ["--rate-limit", "0"], ["--port", "x"], ["more"]],
)
def test_wrong_options(options, capsys):
    from pywats_green.__main__ import main

    assert main(["serve", *options]) == 2
    assert options[-1] in capsys.readouterr().err
