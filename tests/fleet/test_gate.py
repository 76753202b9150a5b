"""What one process meets holds all: one gate, one probe, reopened step by step."""

import pytest
from waiting import until

from fleet.engine import Engine, free_port
from fleet.stations import Station, join, run_all, seated, statistics
from pywats_green.testing import WatsServer

pytestmark = pytest.mark.long  # seconds each, in processes of their own

WIDE = (10_000, 60.0)  # a limit that nobody reaches
_REFUSED = "PN-00099"


def _totals(fleet: list[Station]) -> list[int]:
    """How often gates have closed and reopened."""
    all_of_them = [answer["throttle"] for answer in statistics(fleet)]
    return [sum(each[name] for each in all_of_them) for name in ("closings", "reopenings")]


def _are_closed(fleet: list[Station]) -> bool:
    return all(
        gate["cause"] is not None
        for answer in statistics(fleet)
        for gate in answer["throttle"]["gates"].values() or [{"cause": None}]
    )


def test_a_refusal_met_by_one_holds_all_and_one_probes(
    server: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    join(fleet, server, warm.url, WIDE)
    before = _totals(fleet)
    server.fail(f"GET /api/Product/{_REFUSED}", 429, times=1, retry_after=3)
    (answer,) = run_all(seated(fleet)[:1], calls=1, part=_REFUSED)
    assert answer["done"] == 0
    until(lambda: _are_closed(fleet), "all gates to close")
    answers = run_all(fleet, calls=40)
    assert [each["done"] for each in answers] == [40] * 3
    assert _totals(fleet) == [before[0] + 3, before[1] + 3]


def test_one_probes_for_all(server: WatsServer, warm: Engine, fleet: list[Station]) -> None:
    join(fleet, server, warm.url, WIDE)
    server.fail(f"GET /api/Product/{_REFUSED}", 429, times=1, retry_after=1)
    run_all(seated(fleet)[:1], calls=1, part=_REFUSED)
    until(lambda: _are_closed(fleet), "all gates to close")
    server.reset()
    server.fail("GET /api/Product", 503, times=None, delay=0.2)
    for station in fleet:
        station.tell("run", calls=40)
    until(lambda: server.stats()["total"] >= 4, "four probes")
    assert server.stats()["highest_concurrency"] == 1
    server.clear_faults()
    answers = [station.answer() for station in fleet]
    assert sum(each["done"] for each in answers) == 120 - server.stats()["statuses"]["503"]


def test_an_outage_met_by_one_holds_all(warm: Engine, fleet: list[Station]) -> None:
    port = free_port()
    with WatsServer(port=port) as server:
        join(fleet, server, warm.url, WIDE, settings={"wait_for_server": 60.0})
        seated(fleet)
        server.stop()
        fleet[0].tell("run", calls=1)
        until(lambda: _are_closed(fleet[1:]), "the other gates to close")
        for station in fleet[1:]:
            station.tell("run", calls=20)
        server.start()
        assert [station.answer()["done"] for station in fleet] == [1, 20, 20]
