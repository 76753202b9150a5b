"""Alone, a member keeps to its share, or to its turns, on a clock that is turned by hand."""

import math
from collections import Counter, deque

import pytest

from pywats_green.fleet.holdings import Ended
from pywats_green.fleet.share import Alone, Share

WINDOW = 60.0


def _sent(alone: Alone, limit: int, until: float, *, since: float = 0.0) -> list[float]:
    """When it sends, if there is always something to send and answers come at once."""
    now, times, ended = since, [], deque[Ended]()
    while now < until:
        while ended and ended[0].at + WINDOW <= now:
            ended.popleft()
        seconds = alone.free_in(now, limit, WINDOW, 0, ended)
        if seconds <= 0:
            alone.take(now, limit, WINDOW)
            times.append(now)
            ended.append(Ended(0, now))
        else:
            now += min(seconds, until)
    return times


def _most_in_a_window(times: list[float]) -> int:
    times = sorted(times)
    return max(sum(start <= each < start + WINDOW for each in times) for start in times)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
def test_shares_fit_into_the_limit(count: int) -> None:
    times = []
    for seat in range(count):
        alone = Alone()
        alone.share = Share(count, seat, 0.0, count)
        times += _sent(alone, 10, 600)
    assert _most_in_a_window(times) == 10 // count * count


@pytest.mark.parametrize(("limit", "count"), [(1, 2), (1, 5), (3, 8), (5, 30), (10, 11)])
def test_more_members_than_slots_take_turns(limit: int, count: int) -> None:
    plan = 1 << count.bit_length()
    times: list[float] = []
    each: Counter[int] = Counter()
    for seat in range(count):
        alone = Alone()
        offset = 1000.0 * seat - 300.0  # their clocks differ
        alone.share = Share(plan, seat, offset, count)
        sent = _sent(alone, limit, 60_000 - offset, since=-offset)
        times += [at + offset for at in sent]
        each[seat] = len(sent)
    assert _most_in_a_window(times) <= limit
    assert max(each.values()) - min(each.values()) <= 1


def test_at_first_it_holds_what_it_held() -> None:
    alone = Alone()
    alone.share = Share(2, 0, 0.0, 2)
    alone.hear(4, 0.0, WINDOW)
    alone.hear(4, WINDOW + 1, WINDOW)
    alone.begin(since=200.0, held=1)
    assert alone.free_in(100.0, 10, WINDOW, 1, deque()) == 0.0  # of the four, two are its part
    assert alone.free_in(100.0, 10, WINDOW, 3, deque()) > 0
    assert alone.free_in(200.0, 10, WINDOW, 3, deque()) == 0.0


def test_a_member_that_was_told_nothing_waits_for_the_server() -> None:
    alone = Alone()
    assert alone.free_in(0.0, 500, WINDOW, 0, deque()) == math.inf
    alone.is_known = True  # it does not answer
    assert alone.free_in(0.0, 500, WINDOW, 24, deque()) == 0.0
    assert alone.free_in(0.0, 500, WINDOW, 25, deque()) == math.inf
