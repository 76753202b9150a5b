"""One gate: closed for a cause, probed one by one, narrow for a while, then as if not there."""

import gevent
import pytest

from pywats_green.pauses import growing_pause
from pywats_green.throttle import BY_HAND, Gate, Permit, Tally
from pywats_green.throttle.reopening import FIRST_WIDTH, REOPENING
from throttle.clock import Crowd, HandClock, run_all


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def gate(clock: HandClock, tally: Tally, told: list[str]) -> Gate:
    return Gate(
        "http://one",
        pause=lambda failures, longest: min(2.0**failures, longest),
        tally=tally,
        tell=told.append,
        start_timer=clock.start_timer,
        clock=clock,
    )


def _admitted(gate: Gate) -> Permit:
    permit = gate.admit()
    assert permit is not None
    return permit


def _reopened(gate: Gate, clock: HandClock) -> None:
    """Close the gate for a second, and let a probe open it."""
    gate.close("away")
    clock.turn(1)
    gate.reopen(_admitted(gate))


def test_open_it_lets_everybody_through(gate: Gate, tally: Tally) -> None:
    permits = [_admitted(gate) for _ in range(100)]
    assert not any(permit.is_probe for permit in permits)
    for permit in permits:
        gate.reopen(permit)
    assert gate.is_idle
    assert gate.opens_in() is None
    assert gate.state() is None
    assert tally.waits == 0


def test_closed_it_lets_one_probe_through_at_a_time(gate: Gate, clock: HandClock) -> None:
    assert gate.close("HTTP 503")
    assert (gate.reason, gate.admit(), gate.opens_in()) == ("HTTP 503", None, 1.0)
    clock.turn(1)
    probe = _admitted(gate)
    assert probe.is_probe
    assert gate.admit() is None
    assert gate.state() == {
        "cause": "HTTP 503", "closed_for": 1.0, "opens_in": 300.0, "probing": True,
    }  # fmt: skip
    gate.reopen(probe)
    assert gate.reason is None
    assert gate.closed_for() == 0


def test_pauses_grow_with_each_probe_that_fails(gate: Gate, clock: HandClock) -> None:
    gate.close("away", longest=5.0)
    for pause in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert gate.opens_in() == pause
        clock.turn(pause)
        gate.fail(_admitted(gate))
    assert gate.closed_for() == 17.0
    clock.turn(5)
    gate.close("HTTP 404", _admitted(gate))  # another cause, and its own upper bound
    assert (gate.reason, gate.opens_in()) == ("HTTP 404", 30.0)


def test_a_probe_that_learned_nothing_lets_the_next_go_at_once(
    gate: Gate, clock: HandClock
) -> None:
    gate.close("away")
    clock.turn(1)
    gate.take_back(_admitted(gate))
    assert _admitted(gate).is_probe


def test_after_it_two_go_and_each_success_lets_one_more_in(gate: Gate, clock: HandClock) -> None:
    gate.close("away")
    crowd = Crowd(gate.enter)
    crowd.come(21)
    clock.turn(1)
    widths = []
    answered = 0
    while len(crowd.through) < 21:
        widths.append(len(crowd.through) - answered)
        gate.reopen(crowd.results[answered])
        run_all()
        answered += 1
    assert widths == [1, *range(2, 1 + len(widths))]
    assert crowd.through == list(range(21))
    assert not gate.is_idle
    for permit in crowd.results[answered:]:
        gate.reopen(permit)
    assert gate.is_idle


def test_what_failed_or_died_makes_room_and_does_not_widen(gate: Gate, clock: HandClock) -> None:
    _reopened(gate, clock)
    first, second = _admitted(gate), _admitted(gate)
    assert gate.admit() is None
    gate.fail(first)
    gate.take_back(second)
    third = _admitted(gate)
    _admitted(gate)
    assert gate.admit() is None
    gate.reopen(third)
    assert (gate.admit() is None, gate.admit() is None, gate.admit()) == (False, False, None)


def test_when_nobody_had_to_wait_it_is_as_if_not_there(gate: Gate, clock: HandClock) -> None:
    _reopened(gate, clock)
    was_idle = gate.is_idle
    assert not was_idle
    assert gate.state() == {"cause": None, "closed_for": 0, "opens_in": 0, "probing": False}
    gate.reopen(_admitted(gate))
    assert gate.is_idle
    assert [_admitted(gate).is_probe for _ in range(50)] == [False] * 50


def test_a_server_that_never_recovers_does_not_stay_narrow(gate: Gate, clock: HandClock) -> None:
    _reopened(gate, clock)
    crowd = Crowd(gate.enter)
    crowd.come(50)
    assert crowd.through == [0, 1]
    clock.turn(REOPENING)
    assert crowd.through == list(range(50))


def test_what_was_in_flight_when_it_closed_neither_closes_nor_opens_it(
    gate: Gate, clock: HandClock
) -> None:
    early = [_admitted(gate) for _ in range(5)]
    assert gate.close("HTTP 500", early[0])
    gate.reopen(early[1])
    assert not gate.close("HTTP 503", early[2])
    assert (gate.reason, gate.opens_in()) == ("HTTP 500", 1.0)
    clock.turn(1)
    gate.reopen(_admitted(gate))
    assert not gate.close("HTTP 503", early[3])
    gate.fail(early[4])
    assert gate.reason is None
    assert [gate.admit() is None for _ in range(3)] == [False, False, True]  # two, not seven


def test_who_is_asked_for_more_time_puts_the_next_probe_off(gate: Gate, clock: HandClock) -> None:
    early = [_admitted(gate) for _ in range(3)]
    gate.close("HTTP 429", early[0], seconds=10)
    gate.close("HTTP 429", early[1], seconds=4)
    assert gate.opens_in() == 10
    gate.close("HTTP 429", early[2], seconds=20)
    assert gate.opens_in() == 20
    clock.turn(19.5)
    assert gate.admit() is None
    clock.turn(0.5)
    assert _admitted(gate).is_probe


@pytest.mark.parametrize("asked", [300.0, 86400.0])
def test_a_hold_lasts_at_most_300_seconds_without_a_new_reason(
    asked: float, gate: Gate, clock: HandClock
) -> None:
    gate.close("HTTP 429", seconds=asked)
    crowd = Crowd(gate.enter)
    crowd.come(3)
    clock.turn(299.5)
    assert crowd.through == []
    clock.turn(0.5)
    assert len(crowd.through) >= 1


def test_a_probe_that_never_comes_back_is_lost_after_300_seconds(
    gate: Gate, clock: HandClock
) -> None:
    gate.close("away")
    crowd = Crowd(gate.enter)
    crowd.come(4)
    clock.turn(1)
    clock.turn(299)
    assert crowd.through == [0]
    clock.turn(1)
    assert crowd.through == [0, 1, 2]
    gate.close("away", crowd.results[0])  # when it comes after all, it says nothing
    assert gate.reason is None


def test_a_permit_given_back_twice_is_given_back_once(gate: Gate, clock: HandClock) -> None:
    _reopened(gate, clock)
    first = _admitted(gate)
    _admitted(gate)
    gate.take_back(first)
    gate.take_back(first)
    gate.reopen(first)
    assert not gate.close("away", first)
    assert gate.admit() is not None
    assert gate.admit() is None


def test_a_servers_own_limit_is_met_by_few_and_after_as_long_as_it_took(
    gate: Gate, clock: HandClock
) -> None:
    """A server that refuses and does not say for how long: few of those in flight are refused."""
    gate.close("HTTP 429", is_limit=True)
    for pause in (1, 2, 4):
        clock.turn(pause)
        gate.close("HTTP 429", _admitted(gate), is_limit=True)
    clock.turn(8)
    gate.reopen(_admitted(gate))
    out = [_admitted(gate), _admitted(gate)]
    for _ in range(30):
        gate.reopen(out.pop(0))
        while (permit := gate.admit()) is not None:
            out.append(permit)
        assert len(out) == FIRST_WIDTH
    gate.close("HTTP 429", out[0], is_limit=True)
    assert gate.opens_in() == 15  # as long as it had taken, and none is refused in vain
    clock.turn(15)
    gate.reopen(_admitted(gate))
    clock.turn(REOPENING)
    assert gate.is_idle
    gate.close("HTTP 429", is_limit=True)
    assert gate.opens_in() == 1


def test_by_hand_nobody_goes_and_a_resumed_one_probes_at_once(gate: Gate, clock: HandClock) -> None:
    gate.pause()
    assert (gate.reason, gate.admit(), gate.opens_in()) == (BY_HAND, None, None)
    assert not gate.is_closed
    gate.close("away", longest=300.0)
    gate.cool_down(60)
    gate.resume()
    assert gate.reason == "away"
    assert _admitted(gate).is_probe


def test_a_cooldown_is_no_pause(gate: Gate, clock: HandClock) -> None:
    gate.cool_down(3)
    gate.cool_down(2)
    assert (gate.reason, gate.admit(), gate.opens_in()) == (None, None, 3)
    clock.turn(3)
    assert not _admitted(gate).is_probe


def test_a_new_run_knows_nothing_of_the_last_and_keeps_a_pause_by_hand(
    gate: Gate, clock: HandClock
) -> None:
    old = _admitted(gate)
    gate.close("away")
    gate.pause()
    gate.renew()
    assert gate.reason == BY_HAND
    gate.resume()
    assert not gate.close("away", old)
    assert not _admitted(gate).is_probe


def test_a_new_run_ends_a_closure_as_any_other_end_does(
    gate: Gate, clock: HandClock, tally: Tally, told: list[str]
) -> None:
    gate.close("away")
    clock.turn(5)
    gate.renew()
    assert told[1:] == ["http://one: reopens after 5.00 s (away)"]
    assert (tally.closings, tally.reopenings) == (1, 1)
    assert gate.is_idle
    gate.renew()
    assert (len(told), tally.reopenings) == (2, 1)


def test_zero_seconds_mean_at_once_until_a_probe_fails(gate: Gate, clock: HandClock) -> None:
    gate.close("busy", seconds=0)
    for pause in (2.0, 4.0):
        probe = _admitted(gate)
        gate.close("busy", probe, seconds=0)
        assert gate.opens_in() == pause
        clock.turn(pause)


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_killed_one_leaves_without_losing_a_place(
    killed: int, gate: Gate, clock: HandClock
) -> None:
    gate.close("away")
    crowd = Crowd(gate.enter)
    crowd.come(5)
    crowd.kill(killed)
    clock.turn(1)
    left = [number for number in range(5) if number != killed]
    assert crowd.through == left[:1]
    gate.reopen(crowd.results[0])
    run_all()
    assert crowd.through == left[:3]


def test_one_that_is_killed_as_the_pause_ends_passes_its_place_on(
    gate: Gate, clock: HandClock
) -> None:
    gate.close("away")
    crowd = Crowd(gate.enter)
    crowd.come(3)
    crowd.greenlets[0].kill(block=False)
    clock.turn(1)
    assert crowd.through == [1]


def test_who_has_no_patience_leaves_and_the_others_keep_their_turns(
    gate: Gate, clock: HandClock
) -> None:
    gate.close("away", seconds=10)
    start = clock.now
    hasty = Crowd(lambda: gate.enter(lambda: start + 4 - clock.now))
    hasty.come(2)
    patient = Crowd(lambda: gate.enter(lambda: None))
    patient.come(1)
    clock.turn(3.9)
    assert hasty.through == []
    clock.turn(0.1)
    assert hasty.results == [None, None]
    clock.turn(6)
    assert [permit.is_probe for permit in patient.results] == [True]
    assert not clock.timers


def test_each_closing_probe_and_reopening_is_one_line(
    gate: Gate, clock: HandClock, told: list[str], tally: Tally
) -> None:
    early = [_admitted(gate) for _ in range(5)]
    for permit in early:
        gate.close("HTTP 503", permit)
    clock.turn(1)
    gate.fail(_admitted(gate))
    clock.turn(2)
    gate.reopen(_admitted(gate))
    gate.reopen(_admitted(gate))
    assert told == [
        "http://one: closes; the next probe goes in 1.00 s (HTTP 503)",
        "http://one: a probe goes after 1.00 s, 0 failed before it (HTTP 503)",
        "http://one: a probe goes after 3.00 s, 1 failed before it (HTTP 503)",
        "http://one: reopens after 3.00 s (HTTP 503)",
    ]
    assert (tally.closings, tally.probes, tally.reopenings) == (1, 2, 1)


def test_who_is_killed_in_a_log_handler_has_no_permit(clock: HandClock, tally: Tally) -> None:
    def tell(text: str) -> None:
        if "failed before" in text:
            gevent.sleep(3600)

    gate = Gate("http://one", tally=tally, tell=tell, start_timer=clock.start_timer, clock=clock)
    gate.close("away", seconds=1)
    crowd = Crowd(gate.enter)
    crowd.come(1)
    clock.turn(1)
    assert crowd.through == []
    assert gate.admit() is None
    crowd.kill(0)
    asked = gevent.spawn(gate.admit)
    run_all()
    assert not asked.dead  # it is the probe now, in the handler
    asked.kill()


def test_what_another_thread_met_closes_it_too(gate: Gate, clock: HandClock) -> None:
    gate.close_from_afar("HTTP 429", seconds=5, longest=30, is_limit=True)
    gate.close_from_afar("HTTP 429", seconds=3, longest=30, is_limit=True)
    assert (gate.reason, gate.opens_in()) == ("HTTP 429", 5)


def test_pauses_are_doubled_within_bounds_and_jittered() -> None:
    assert [growing_pause(failures, 30.0, lambda: 1.0) for failures in range(7)] == [
        1, 2, 4, 8, 16, 30, 30,
    ]  # fmt: skip
    assert growing_pause(1, 30.0, lambda: 0.0) == 1
    assert growing_pause(10_000, 30.0, lambda: 1.0) == 30
