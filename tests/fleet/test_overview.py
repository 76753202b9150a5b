"""What a fleet does at present, as its server knows it."""

import os
import subprocess
import sys

from waiting import until

from fleet.conftest import LIMIT
from fleet.engine import Engine, free_port
from fleet.stations import Station, join, run_all, seated
from pywats_green.fleet.overview import overview
from pywats_green.testing import WatsServer


def _command(url: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pywats_green", "fleet", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYWATS_GREEN_FLEET": url},
    )


def test_it_shows_who_takes_part(server: WatsServer, warm: Engine, fleet: list[Station]) -> None:
    join(fleet, server, warm.url, LIMIT)
    run_all(seated(fleet), calls=5)
    until(lambda: overview(warm.url)[0]["rate"] > 0, "rates")
    (limit,) = overview(warm.url)
    assert {each["pid"] for each in limit["members"]} == {each.process.pid for each in fleet}
    assert limit["server"] == server.url
    assert (limit["limit"], limit["seconds"], limit["gate"]) == (*LIMIT, None)
    assert server.token not in repr(limit)
    shown = _command(warm.url)
    assert shown.returncode == 0, shown.stderr
    assert "of 40 requests in 1 s used" in shown.stdout
    for station in fleet:
        assert f"process {station.process.pid}" in shown.stdout


def test_it_shows_a_closed_gate(server: WatsServer, warm: Engine, fleet: list[Station]) -> None:
    join(fleet, server, warm.url, LIMIT)
    server.fail("GET /api/Product", 429, times=1, retry_after=30)
    run_all(fleet[:1], calls=1)
    until(lambda: overview(warm.url)[0]["gate"] is not None, "the gate to be told")
    (limit,) = overview(warm.url)
    assert limit["gate"] is not None
    assert limit["gate"]["cause"] == "HTTP 429, Retry-After 30 s"


def test_the_command_says_what_is_missing() -> None:
    assert _command("").returncode == 3
    away = _command(f"redis://:s3cr3t@127.0.0.1:{free_port()}")
    assert away.returncode == 4
    assert "s3cr3t" not in away.stdout + away.stderr
