"""Gates: closed for a while, narrow for a while, forgotten; each server for itself."""

from collections.abc import Callable

import pytest

from pywats_green.throttle import Gate, Gates, Tally
from pywats_green.throttle.gate import REOPENING
from throttle.clock import Crowd, HandClock, run_all

SERVER, OTHER = "http://one", "http://two"


def _any_slot(may_go: Callable[[], bool]) -> bool:
    return True


@pytest.fixture
def gates(clock: HandClock, tally: Tally) -> Gates:
    return Gates(tally, start_timer=clock.start_timer, clock=clock)


def _crowd(gates: Gates, server: str = SERVER) -> Crowd:
    return Crowd(lambda: gates.admit(server, _any_slot))


def _leave(gates: Gates, crowd: Crowd, number: int, *, succeeded: bool = True) -> None:
    gate = crowd.results[number]
    if gate is not None:
        gates.leave(SERVER, gate, succeeded=succeeded)
    run_all()


def test_without_a_hold_nobody_waits_and_nothing_is_kept(gates: Gates) -> None:
    assert gates.admit(SERVER, _any_slot) is None
    assert len(gates) == 0


def test_a_hold_stops_one_server_and_no_other(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 10)
    held, free = _crowd(gates), _crowd(gates, OTHER)
    held.come(3)
    free.come(3)
    assert (held.through, free.through) == ([], [0, 1, 2])
    clock.turn(9.9)
    assert gates.seconds_left() == {SERVER: pytest.approx(0.1)}
    assert held.through == []
    clock.turn(0.1)
    assert held.through == [0, 1]
    assert gates.seconds_left() == {}


def test_who_comes_as_it_ends_does_not_overtake(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 10)
    crowd = _crowd(gates)
    crowd.come(3)
    clock.now += 10  # nobody has been called yet
    crowd.come(1)
    assert crowd.through == []
    clock.turn(0)
    assert crowd.through == [0, 1]


def test_after_it_two_go_and_each_success_lets_one_more_in(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(20)
    clock.turn(1)
    widths = []
    answered = 0
    while len(crowd.through) < 20:
        widths.append(len(crowd.through) - answered)
        _leave(gates, crowd, answered)
        answered += 1
    assert widths == list(range(2, 2 + len(widths)))
    assert crowd.through == list(range(20))


def test_it_is_forgotten_once_nobody_has_to_wait(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(4)
    clock.turn(1)
    _leave(gates, crowd, 0)
    assert len(gates) == 1  # three are inside, and three may be
    _leave(gates, crowd, 1)
    assert len(gates) == 0
    for number in (2, 3):
        _leave(gates, crowd, number)
    assert len(gates) == 0


def test_what_failed_or_died_makes_room_and_does_not_widen(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(4)
    clock.turn(1)
    for number in range(4):
        assert len(crowd.through) == min(number + 2, 4)
        _leave(gates, crowd, number, succeeded=False)
    assert len(gates) == 1  # no success has shown that it is over


def test_a_new_refusal_while_it_reopens_is_a_new_hold(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(10)
    clock.turn(1)
    _leave(gates, crowd, 0)
    assert crowd.through == [0, 1, 2, 3]
    gates.close(SERVER, 5)
    for number in (1, 2, 3):
        _leave(gates, crowd, number, succeeded=number == 3)
    clock.turn(4.9)
    assert crowd.through == [0, 1, 2, 3]
    clock.turn(0.1)
    assert crowd.through == [0, 1, 2, 3, 4, 5]  # two again: that success came from before


def test_a_shorter_hold_does_not_shorten_a_longer_one(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 10)
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(1)
    clock.turn(9)
    assert crowd.through == []
    clock.turn(1)
    assert crowd.through == [0]


def test_a_server_that_never_recovers_does_not_stay_narrow(gates: Gates, clock: HandClock) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(50)
    clock.turn(REOPENING)
    assert crowd.through == [0, 1]
    clock.turn(1)
    assert crowd.through == list(range(50))
    _leave(gates, crowd, 0, succeeded=False)
    assert len(gates) == 0


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_killed_one_leaves_without_losing_a_place(
    killed: int, gates: Gates, clock: HandClock
) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(5)
    crowd.kill(killed)
    clock.turn(1)
    assert crowd.through == [number for number in range(5) if number != killed][:2]


def test_one_that_is_killed_as_the_hold_ends_passes_its_place_on(
    gates: Gates, clock: HandClock
) -> None:
    gates.close(SERVER, 1)
    crowd = _crowd(gates)
    crowd.come(4)
    crowd.greenlets[0].kill(block=False)
    clock.turn(1)
    assert crowd.through == [1, 2]


def test_a_kill_while_it_waits_for_a_slot_frees_the_place(gates: Gates, clock: HandClock) -> None:
    def no_slot(may_go: Callable[[], bool]) -> bool:
        import gevent

        gevent.sleep(3600)
        return True

    gates.close(SERVER, 1)
    stuck = Crowd(lambda: gates.admit(SERVER, no_slot))
    stuck.come(2)
    waiting = _crowd(gates)
    waiting.come(1)
    clock.turn(1)
    assert waiting.through == []
    stuck.kill(1)
    assert waiting.through == [0]
    stuck.kill(0)


def test_a_hold_that_begins_while_a_slot_is_awaited_is_obeyed(
    gates: Gates, clock: HandClock
) -> None:
    slots = 0

    def slow_slot(may_go: Callable[[], bool]) -> bool:
        nonlocal slots
        slots += 1
        assert may_go()
        gates.close(SERVER, 5)
        assert not may_go()
        return True

    crowd = Crowd(lambda: gates.admit(SERVER, slow_slot))
    crowd.come(1)
    clock.turn(4.9)
    assert crowd.through == []
    clock.turn(0.1)
    assert isinstance(crowd.results[0], Gate)
    assert slots == 1  # kept, not taken twice


def test_an_error_of_the_limiter_keeps_no_place(gates: Gates, clock: HandClock) -> None:
    def fail(may_go: Callable[[], bool]) -> bool:
        raise ZeroDivisionError

    gates.close(SERVER, 1)
    clock.turn(1)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            gates.admit(SERVER, fail)
    crowd = _crowd(gates)
    crowd.come(3)
    assert crowd.through == [0, 1]
