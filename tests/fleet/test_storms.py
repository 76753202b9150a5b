"""Real processes and a real server: no window ever holds more than the limit.

The embedded WATS server counts, in windows of its own, and answers 429 to what is too many.
"""

import sys
from typing import Any

import pytest
from waiting import until

from fleet.conftest import LIMIT
from fleet.engine import Engine
from fleet.stations import Station, join, run_all, seated, states
from pywats_green.fleet.link import Link
from pywats_green.testing import WatsServer

pytestmark = pytest.mark.long  # seconds each, in processes of their own


def _done(answers: list[dict[str, Any]]) -> list[int]:
    assert not [error for answer in answers for error in answer["errors"]]
    return [answer["done"] for answer in answers]


def _are_away(fleet: list[Station]) -> list[bool]:
    return [state["trouble"] is not None for state in states(fleet)]


def test_three_processes_keep_one_limit(
    counting: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    join(fleet, counting, warm.url, LIMIT)
    assert _done(run_all(fleet, calls=60)) == [60] * 3
    assert _done(run_all(fleet, calls=20)) == [20] * 3


def test_the_clocks_of_the_machines_do_not_matter(counting: WatsServer, warm: Engine) -> None:
    late, early = Station(clock_shift=-60), Station(clock_shift=60)
    try:
        join([late, early], counting, warm.url, LIMIT)
        assert _done(run_all([late, early], calls=60)) == [60, 60]
    finally:
        late.kill()
        early.kill()


def test_what_a_killed_process_had_reserved_is_free_again(
    counting: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    link = Link(warm.url)

    def members() -> int:
        (key,) = link.ask("KEYS", "pywats-green:*:members")
        return int(link.ask("ZCARD", key))

    killed, survivor = Station(), fleet[0]
    try:
        join([killed, survivor], counting, warm.url, LIMIT)
        killed.tell("run", calls=10_000)
        survivor.tell("run", calls=120)
    finally:
        killed.kill()  # with slots reserved for its 50 waiting calls
    assert _done([survivor.answer()]) == [120]
    until(lambda: members() == 1, "the killed one to be forgotten")
    assert _done(run_all([survivor], calls=60)) == [60]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can tell for certain")
def test_a_lone_process_that_was_killed_goes_on_when_it_is_back(
    server: WatsServer, warm: Engine
) -> None:
    for _ in range(2):  # the second would wait for ten minutes
        lone = Station()
        try:
            join([lone], server, warm.url, (200, 600.0))
            assert _done(run_all([lone], calls=20)) == [20]
        finally:
            lone.kill()


def test_without_the_server_each_keeps_to_its_share(
    counting: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    join(fleet, counting, warm.url, LIMIT)
    assert _done(run_all(seated(fleet), calls=40)) == [40] * 3
    warm.kill()
    assert _done(run_all(fleet, calls=30)) == [30] * 3
    assert all(_are_away(fleet))
    warm.start()  # and it has forgotten everything
    assert _done(run_all(fleet, calls=40)) == [40] * 3
    until(lambda: not any(_are_away(fleet)), "all to be together again")
    assert _done(run_all(fleet, calls=40)) == [40] * 3


def test_a_frozen_server_holds_nobody(
    counting: WatsServer, warm: Engine, fleet: list[Station]
) -> None:
    join(fleet, counting, warm.url, LIMIT)
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
