"""What a fleet does at present, as its server knows it."""

from waiting import until

from fleet.conftest import LIMIT
from fleet.engine import Engine
from fleet.stations import Station, join, run_all, seated
from pywats_green.fleet.overview import overview
from pywats_green.testing import WatsServer


def test_it_shows_who_takes_part(server: WatsServer, warm: Engine, fleet: list[Station]) -> None:
    join(fleet, server, warm.url, LIMIT)
    run_all(seated(fleet), calls=5)
    until(lambda: overview(warm.url)[0]["rate"] > 0, "rates")
    (limit,) = overview(warm.url)
    assert {each["pid"] for each in limit["members"]} == {each.process.pid for each in fleet}
    assert limit["server"] == server.url
    assert (limit["limit"], limit["seconds"], limit["gate"]) == (*LIMIT, None)
    assert server.token not in repr(limit)


def test_it_shows_a_closed_gate(server: WatsServer, warm: Engine, fleet: list[Station]) -> None:
    join(fleet, server, warm.url, LIMIT)
    server.fail("GET /api/Product", 429, times=1, retry_after=30)
    run_all(fleet[:1], calls=1)
    until(lambda: overview(warm.url)[0]["gate"] is not None, "the gate to be told")
    (limit,) = overview(warm.url)
    assert limit["gate"] is not None
    assert limit["gate"]["cause"] == "HTTP 429, Retry-After 30 s"
