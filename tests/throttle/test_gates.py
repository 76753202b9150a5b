"""The gates of a thread: each server has its own, and usually there are none."""

import pytest

from pywats_green.throttle import Gates, Tally
from throttle.clock import Crowd, HandClock

SERVER, OTHER = "http://one", "http://two"


@pytest.fixture
def gates(clock: HandClock, tally: Tally) -> Gates:
    return Gates(tally, start_timer=clock.start_timer, clock=clock)


def _close(gates: Gates, server: str = SERVER, seconds: float = 10) -> None:
    gates.close(server, "HTTP 429", None, seconds=seconds, longest=30, is_limit=True)


def test_one_servers_gate_stops_no_other(gates: Gates, clock: HandClock) -> None:
    _close(gates)
    _close(gates, OTHER, 1)
    held, free = Crowd(gates[SERVER].enter), Crowd(gates[OTHER].enter)
    held.come(3)
    free.come(3)
    clock.turn(1)
    assert (held.through, free.through) == ([], [0])
    assert gates.states()[SERVER]["opens_in"] == 9
    clock.turn(9)
    assert held.through == [0]


def test_one_that_is_as_if_not_there_is_forgotten_though_nobody_leaves_it(
    gates: Gates, clock: HandClock
) -> None:
    _close(gates)
    gates.forget_idle()
    assert list(gates) == [SERVER]
    clock.turn(300)
    gates.forget_idle()
    assert list(gates) == [SERVER]  # reopened by itself, and narrow yet
    assert gates.states()[SERVER]["cause"] is None
    clock.turn(60)
    assert gates.states() == {}
    gates.forget_idle()
    assert not gates


def test_one_that_is_forgotten_has_said_that_it_reopened(clock: HandClock, tally: Tally) -> None:
    told: list[str] = []
    gates = Gates(tally, tell=told.append, start_timer=clock.start_timer, clock=clock)
    _close(gates)
    clock.turn(400)
    gates.forget_idle()
    assert not gates
    assert [line.split(": ")[1].split()[0] for line in told] == ["closes;", "reopens"]
    assert tally.reopenings == 1


def test_what_was_in_flight_before_there_was_a_gate_does_not_close_it_again(
    gates: Gates, clock: HandClock
) -> None:
    _close(gates)
    clock.turn(10)
    gate = gates[SERVER]
    probe = gate.admit()
    assert probe is not None
    gate.reopen(probe)
    _close(gates)  # two that were sent together, and one answer is late
    assert gate.reason is None


def test_what_another_thread_met_makes_a_gate_that_is_closed(gates: Gates) -> None:
    gates.close_from_afar(SERVER, "HTTP 429", seconds=7, longest=30, is_limit=True)
    assert gates.states()[SERVER] == {
        "cause": "HTTP 429", "closed_for": 0, "opens_in": 7, "probing": False,
    }  # fmt: skip
