"""The line: order, exact wake-ups, and kills at each moment."""

import time
from typing import Any

import gevent
import pytest
from gevent.event import Event
from waiting import turn

from pywats_green.throttle import Line, Tally
from pywats_green.timers import start_timer
from throttle.clock import Crowd, HandClock, run_all


class Pieces:
    """Something scarce: pieces that come free at known times."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.times: list[float] = []
        self.tries = 0

    def at(self, *seconds: float) -> None:
        """Set how many seconds from now pieces come free."""
        self.times = sorted(self._clock.now + second for second in seconds)

    def look(self) -> float:
        return max(self.times[0] - self._clock.now, 0.0) if self.times else 3600.0

    def take(self) -> bool:
        self.tries += 1  # the line calls it once for each wake-up
        if self.look() > 0:
            return False
        self.times.pop(0)
        return True


@pytest.fixture
def pieces(clock: HandClock) -> Pieces:
    return Pieces(clock)


@pytest.fixture
def line(pieces: Pieces, clock: HandClock, tally: Tally) -> Line:
    return Line(pieces.look, pieces.take, tally, start_timer=clock.start_timer, clock=clock)


def test_first_come_first_served_each_when_a_piece_comes_free(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(1, 2, 3)
    crowd = Crowd(line.wait)
    crowd.come(3)
    assert crowd.through == []
    for seconds in range(1, 4):
        clock.turn(1)
        assert crowd.through == list(range(seconds))
    assert crowd.results == [True, True, True]
    assert len(line.waiting) == 0


def test_a_thousand_that_wait_are_woken_once_each_by_one_timer(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(*range(1, 101))
    crowd = Crowd(line.wait)
    crowd.come(1000)
    clock.turn(100.5)
    assert crowd.through == list(range(100))
    assert pieces.tries == 100
    assert clock.most_timers == 1


def test_many_pieces_at_once_are_taken_in_order(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(*[5] * 200)
    crowd = Crowd(line.wait)
    crowd.come(300)
    clock.turn(5)
    assert crowd.through == list(range(200))
    assert pieces.tries == 200


def test_who_comes_later_does_not_overtake(line: Line, pieces: Pieces, clock: HandClock) -> None:
    pieces.at(1, 1.5)
    crowd = Crowd(line.wait)
    crowd.come(1)
    clock.now += 1  # a piece is free, and nobody has been called yet
    crowd.come(1)
    clock.turn(1)
    assert crowd.through == [0, 1]


def test_a_stolen_piece_costs_the_first_its_wait_and_not_its_place(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(1)
    crowd = Crowd(line.wait)
    crowd.come(2)
    clock.now += 1
    clock.timers[0].callback()  # the first is called
    pieces.at(2, 3)  # and before it runs, somebody else was there
    run_all()
    assert crowd.through == []
    clock.turn(3)
    assert crowd.through == [0, 1]
    assert pieces.tries == 3


def test_attend_tells_of_what_came_early(line: Line, pieces: Pieces, clock: HandClock) -> None:
    pieces.at(60, 60)
    crowd = Crowd(line.wait)
    crowd.come(3)
    pieces.at(0, 0)
    line.attend()
    run_all()
    assert crowd.through == [0, 1]


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_killed_one_leaves_and_the_others_keep_their_turns(
    killed: int, line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(1, 2)
    crowd = Crowd(line.wait)
    crowd.come(3)
    crowd.kill(killed)
    assert len(line.waiting) == 2
    clock.turn(1)
    left = [number for number in range(3) if number != killed]
    assert crowd.through == left[:1]
    clock.turn(1)
    assert crowd.through == left
    assert pieces.tries == 2
    assert not clock.timers


def test_one_that_is_killed_after_it_was_called_passes_the_call_on(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(1, 60)
    crowd = Crowd(line.wait)
    crowd.come(2)
    crowd.greenlets[0].kill(block=False)  # reaches it before the call below does
    clock.turn(1)
    assert crowd.through == [1]
    assert isinstance(crowd.greenlets[0].value, gevent.GreenletExit)


def test_a_timeout_of_the_one_who_waits_passes_through(line: Line, pieces: Pieces) -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        line.wait()
    assert len(line.waiting) == 0
    assert pieces.tries == 0


def test_the_last_one_that_is_killed_leaves_no_timer(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(1)
    crowd = Crowd(line.wait)
    crowd.come(1)
    assert len(clock.timers) == 1
    crowd.kill(0)
    assert not clock.timers


def test_those_who_may_not_go_are_sent_away_in_order_and_without_a_piece(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    pieces.at(5)
    may_go = True
    away: list[int] = []

    def one(number: int) -> None:
        assert not line.wait(lambda: may_go)
        away.append(number)

    hindered = [gevent.spawn(one, number) for number in range(3)]
    run_all()
    others = Crowd(line.wait)
    others.come(1)
    may_go = False
    line.send_away()
    late = gevent.spawn(away.append, 3)
    all_of_them: list[gevent.Greenlet[..., Any]] = [*hindered, late]
    gevent.joinall(all_of_them, raise_error=True)
    assert away == [0, 1, 2, 3]
    assert pieces.tries == 0
    clock.turn(5)
    assert others.results == [True]


def test_one_who_is_sent_away_and_may_go_after_all_keeps_its_place(
    line: Line, pieces: Pieces, clock: HandClock
) -> None:
    may_go = True
    others = Crowd(line.wait)
    others.come(1)
    doubtful = Crowd(lambda: line.wait(lambda: may_go))
    doubtful.come(1)
    pieces.at(0.5, 1)
    may_go = False
    line.send_away()
    may_go = True
    clock.now += 0.5  # there is a piece, for the one before it
    run_all()
    assert doubtful.through == []
    line.attend()
    clock.turn(1)
    assert others.results == doubtful.results == [True]


def test_an_error_of_on_wait_leaves_no_place_behind(line: Line, pieces: Pieces) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        line.wait(on_wait=fail)
    assert len(line.waiting) == 0


def test_waits_are_counted_those_of_killed_ones_too(
    line: Line, pieces: Pieces, clock: HandClock, tally: Tally
) -> None:
    pieces.at(4)
    crowd = Crowd(line.wait)
    crowd.come(2)
    assert (tally.waiting, tally.waits, tally.seconds) == (2, 2, 0)
    clock.turn(3)
    crowd.kill(1)
    clock.turn(1)
    assert (tally.waiting, tally.waits, tally.seconds) == (0, 2, 7)


def test_the_real_timer_is_not_early_though_the_hub_was_busy() -> None:
    fired: list[str] = []
    turn()
    until = time.monotonic() + 0.03
    while time.monotonic() < until:
        pass  # the loop's idea of now is old
    timer = start_timer(0.02, lambda: fired.append("ours"))
    exact = gevent.get_hub().loop.timer(0.01)
    exact.start(fired.append, "the exact one, of half the time", update=True)
    done = Event()
    last = start_timer(0.04, done.set)
    assert done.wait(60)
    for each in (timer, exact, last):
        each.close()
    assert fired == ["the exact one, of half the time", "ours"]
