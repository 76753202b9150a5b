"""Real processes and a real server: no window ever holds more than the limit.

The embedded WATS server counts, in windows of its own, and answers 429 to what is too many.
"""

from typing import Any

from waiting import until

from fleet.engine import Engine
from fleet.stations import Station, run_all, seated, states, stations
from pywats_green.fleet.link import Link
from pywats_green.testing import WatsServer

LIMIT = (40, 1.0)


def _refused(server: WatsServer) -> int:
    return server.stats()["statuses"].get("429", 0)


def _done(answers: list[dict[str, Any]]) -> list[int]:
    assert not [error for answer in answers for error in answer["errors"]]
    return [answer["done"] for answer in answers]


def _are_away(fleet: list[Station]) -> list[bool]:
    return [state["trouble"] is not None for state in states(fleet)]


def test_three_processes_keep_one_limit(server: WatsServer, warm: Engine) -> None:
    server.configure(rate_limit=LIMIT)
    with stations(3, server, warm.url, LIMIT) as fleet:
        assert _done(run_all(fleet, calls=60)) == [60] * 3
        assert _done(run_all(fleet, calls=20)) == [20] * 3
    assert _refused(server) == 0


def test_the_clocks_of_the_machines_do_not_matter(server: WatsServer, warm: Engine) -> None:
    server.configure(rate_limit=LIMIT)
    late = Station(server, warm.url, LIMIT, clock_shift=-60)
    early = Station(server, warm.url, LIMIT, clock_shift=60)
    try:
        late.answer(), early.answer()
        assert _done(run_all([late, early], calls=60)) == [60, 60]
    finally:
        late.kill()
        early.kill()
    assert _refused(server) == 0


def test_what_a_killed_process_had_reserved_is_free_again(server: WatsServer, warm: Engine) -> None:
    server.configure(rate_limit=LIMIT)
    link = Link(warm.url)

    def members() -> int:
        keys = link.ask("KEYS", "pywats-green:*:members")
        return int(link.ask("ZCARD", keys[0])) if keys else 0

    with stations(2, server, warm.url, LIMIT) as (killed, survivor):
        killed.tell("run", calls=10_000)
        survivor.tell("run", calls=120)
        killed.process.kill()  # with slots reserved for its 50 waiting calls
        assert _done([survivor.answer()]) == [120]
        until(lambda: members() == 1, "the killed one to be forgotten")
        assert _done(run_all([survivor], calls=60)) == [60]
    assert _refused(server) == 0


def test_without_the_server_each_keeps_to_its_share(server: WatsServer, warm: Engine) -> None:
    server.configure(rate_limit=LIMIT)
    with stations(3, server, warm.url, LIMIT) as fleet:
        assert _done(run_all(seated(fleet), calls=40)) == [40] * 3
        warm.kill()
        assert _done(run_all(fleet, calls=30)) == [30] * 3
        assert all(_are_away(fleet))
        warm.start()  # and it has forgotten everything
        assert _done(run_all(fleet, calls=40)) == [40] * 3
        until(lambda: not any(_are_away(fleet)), "all to be together again")
        assert _done(run_all(fleet, calls=40)) == [40] * 3
    assert _refused(server) == 0


def test_a_frozen_server_holds_nobody(server: WatsServer, warm: Engine) -> None:
    server.configure(rate_limit=LIMIT)
    with stations(3, server, warm.url, LIMIT) as fleet:
        for station in seated(fleet):
            station.tell("run", calls=120)
        warm.freeze()
        try:
            assert _done([station.answer() for station in fleet]) == [120] * 3
            assert all(_are_away(fleet))
        finally:
            warm.thaw()
        assert _done(run_all(fleet, calls=40)) == [40] * 3
        until(lambda: not any(_are_away(fleet)), "all to be together again")
        assert _done(run_all(fleet, calls=40)) == [40] * 3
    assert _refused(server) == 0
