"""A slot is taken from before an attempt is sent until a window after its end, once for each."""

import logging
import random
import types
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pywats.core.throttle import RateLimiter
from throttle.clock import Crowd, HandClock, run_all

from pywats_green.upstream.client import admission, gates

SERVER = "http://127.0.0.1:1"


def _client(limiter: Any) -> Any:
    return types.SimpleNamespace(_rate_limiter=limiter, base_url=SERVER)


def _answer(status: int, retry_after: str = "0") -> Any:
    return types.SimpleNamespace(status_code=status, headers={"retry-after": retry_after})


def _crowd(client: Any) -> Crowd:
    """Greenlets that are admitted, and in flight until their result is settled."""
    return Crowd(lambda: admission.admit(client))


def _sleep(clock: HandClock, seconds: float) -> None:
    over = Event()
    timer = clock.start_timer(max(seconds, 1e-9), over.set)
    try:
        over.wait()
    finally:
        timer.close()


def test_the_window_begins_at_the_answer(by_hand: HandClock) -> None:
    client = _client(RateLimiter(1, 10))
    crowd = _crowd(client)
    crowd.come(2)
    by_hand.turn(8)
    admission.settle(client, crowd.results[0], _answer(200))
    by_hand.turn(9.99)
    assert crowd.through == [0]
    by_hand.turn(0.02)
    assert crowd.through == [0, 1]


def test_an_attempt_in_flight_keeps_its_slot_however_long_it_takes(by_hand: HandClock) -> None:
    limiter = RateLimiter(2, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(4)
    by_hand.turn(35)
    assert crowd.through == [0, 1]
    assert limiter.current_usage == 2
    admission.settle(client, crowd.results[1], _answer(200))
    by_hand.turn(10.01)  # not the second's pace of looking: it is known when
    assert crowd.through == [0, 1, 2]
    by_hand.turn(100)
    assert crowd.through == [0, 1, 2]
    gevent.killall(crowd.greenlets)


@pytest.mark.parametrize("limit", [3, 40])
def test_the_server_never_sees_more_than_the_limit_in_any_window(
    limit: int, by_hand: HandClock
) -> None:
    """It counts a request at any moment between sending and the answer."""
    for seed in range(20):
        chance = random.Random(seed)
        seconds = 10.0
        limiter = RateLimiter(limit, seconds)
        client = _client(limiter)
        arrived: list[float] = []
        calls: list[gevent.Greenlet[..., Any]] = []

        def call(
            chance: random.Random, client: Any = client, arrived: list[float] = arrived
        ) -> None:
            admitted = admission.admit(client)
            answer = None
            try:
                latency = chance.expovariate(1.0) * chance.choice([0.01, 1.0, 10.0])
                on_the_way = latency * chance.random()
                _sleep(by_hand, on_the_way)
                arrived.append(by_hand.now)
                _sleep(by_hand, latency - on_the_way)
                if chance.random() < 0.8:
                    answer = _answer(chance.choice([200, 404, 429, 503]))
            finally:
                admission.settle(client, admitted, answer)

        for _ in range(limit * 3):
            calls += [gevent.spawn(call, chance) for _ in range(chance.randint(0, 4))]
            if chance.random() < 0.3:
                chance.choice(calls or [gevent.Greenlet()]).kill(block=False)
            if chance.random() < 0.1 and limiter.acquire(timeout=0):
                arrived.append(by_hand.now)  # upstream's own code sends, and it arrives at once
            by_hand.turn(chance.choice([0.0, 0.01, 1.0]))
        by_hand.turn(100_000)
        assert all(call.dead for call in calls)
        assert len(arrived) > 2 * limit
        gaps = [late - early for early, late in zip(arrived, arrived[limit:], strict=False)]
        assert min(gaps) >= seconds
        assert limiter.current_usage == 0  # none was lost


@pytest.mark.parametrize("answer", [None, _answer(200), _answer(503), _answer(429, "5")])
def test_however_an_attempt_ends_its_slot_is_stamped_once(answer: Any, by_hand: HandClock) -> None:
    limiter = RateLimiter(2, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(2)
    by_hand.turn(4)
    admission.settle(client, crowd.results[0], answer)
    assert list(limiter._timestamps) == [by_hand.now, float("inf")]
    by_hand.turn(10.01)
    assert limiter.stats["available_slots"] == 1
    assert limiter.stats["total_requests"] == 2


def test_a_limiter_that_is_disabled_or_enabled_under_way_loses_no_slot(by_hand: HandClock) -> None:
    limiter = RateLimiter(3, 10)
    client = _client(limiter)
    counted, free = _crowd(client), _crowd(client)
    counted.come(1)
    limiter.enabled = False
    free.come(5)
    limiter.enabled = True
    for admitted in free.results:
        admission.settle(client, admitted, _answer(200))
    assert limiter.current_usage == 1  # still in flight
    limiter.enabled = False
    admission.settle(client, counted.results[0], _answer(200))
    assert list(limiter._timestamps) == [by_hand.now]


def test_who_waits_when_the_limiter_is_disabled_goes_without_a_slot(by_hand: HandClock) -> None:
    limiter = RateLimiter(1, 3600)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(3)
    limiter.enabled = False
    by_hand.turn(1)
    assert crowd.through == [0, 1, 2]
    assert limiter.stats["total_requests"] == 1
    for admitted in crowd.results:
        admission.settle(client, admitted, _answer(200))
    assert list(limiter._timestamps) == [by_hand.now]


def test_a_reset_forgets_what_has_ended_and_not_who_is_in_flight(by_hand: HandClock) -> None:
    limiter = RateLimiter(3, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(3)
    admission.settle(client, crowd.results[0], _answer(200))
    limiter.reset()
    crowd.come(1)
    assert crowd.through == [0, 1, 2, 3]
    assert limiter.available_slots == 0
    for admitted in crowd.results[1:]:
        admission.settle(client, admitted, _answer(200))
    assert list(limiter._timestamps) == [by_hand.now] * 3


def test_upstreams_own_waiters_find_the_oldest_first(by_hand: HandClock) -> None:
    limiter = RateLimiter(4, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(3)
    start = by_hand.now
    by_hand.now += 1
    assert limiter.acquire(timeout=0)  # behind those in flight
    assert not limiter.acquire(timeout=0)
    by_hand.now += 1
    admission.settle(client, crowd.results[0], _answer(200))
    assert list(limiter._timestamps) == [start + 1, start + 2, float("inf"), float("inf")]
    assert not limiter.acquire(timeout=8.9)
    by_hand.now += 9.1
    assert limiter.acquire(timeout=0)  # its own is over
    assert not limiter.acquire(timeout=0)


def test_a_kill_in_line_takes_no_slot(by_hand: HandClock) -> None:
    limiter = RateLimiter(1, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(2)
    crowd.kill(1)
    admission.settle(client, crowd.results[0], _answer(200))
    by_hand.turn(10.01)
    assert limiter.current_usage == 0
    assert limiter.stats["total_requests"] == 1


@pytest.mark.parametrize("where", ["in the log handler", "in a gate that began there"])
def test_who_is_killed_with_a_slot_in_hand_leaves_it(
    where: str, by_hand: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "acquired" in record.getMessage():
                if where == "in the log handler":
                    Event().wait()
                gates.of_this_thread().close(
                    SERVER, "HTTP 429", None, seconds=300, longest=30, is_limit=True
                )

    limiter = RateLimiter(1, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(2)
    admission.settle(client, crowd.results[0], _answer(200))
    handler = Handler()
    gates.logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "pywats.core.throttle"):
            by_hand.turn(10.01)
    finally:
        gates.logger.removeHandler(handler)
    assert crowd.through == [0]
    waits_at_the_gate = where != "in the log handler"
    assert limiter.current_usage == (0 if waits_at_the_gate else 1)
    crowd.kill(1)
    assert list(limiter._timestamps) == ([] if waits_at_the_gate else [by_hand.now])


def test_who_holds_the_lock_holds_nobody_up(by_hand: HandClock) -> None:
    limiter = RateLimiter(2, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(1)
    with limiter._lock:  # as upstream does while its log handler waits
        settling = gevent.spawn(admission.settle, client, crowd.results[0], _answer(200))
        run_all()
        assert settling.dead
    assert list(limiter._timestamps) == [by_hand.now]


THREADS = """
import sys
sys.setswitchinterval(1e-6)
import pywats_green, gevent
from gevent import monkey
from pywats.core.throttle import RateLimiter
from pywats_green.upstream.client import admission

limiter = RateLimiter(1_000_000, 600.0)

def take_and_end():
    slots = admission.slots_of(None, limiter)
    for _ in range(400):
        assert slots.take()
        gevent.sleep(0)
        slots.window.stamp()

def work(ended):
    gevent.joinall([gevent.spawn(take_and_end) for _ in range(20)], raise_error=True)
    ended.release()

ends = [monkey.get_original("_thread", "allocate_lock")() for _ in range(5)]
for ended in ends:
    ended.acquire()
    monkey.get_original("_thread", "start_new_thread")(work, (ended,))
for ended in ends:
    ended.acquire()
print(len(limiter._timestamps))
"""


def test_native_threads_with_greenlets_share_a_limiter(run_python) -> None:
    """With a lock of gevent's, calls failed with AssertionError, or were never woken."""
    done = run_python(THREADS)
    assert (done.stdout, done.stderr) == ("40000\n", "")


def test_a_forked_process_has_nobody_in_flight(by_hand: HandClock) -> None:
    limiter = RateLimiter(2, 10)
    client = _client(limiter)
    crowd = _crowd(client)
    crowd.come(2)
    admission._forget_calls()  # what happens in the child
    by_hand.turn(10.01)
    crowd.come(2)
    assert crowd.through == [0, 1, 2, 3]
    for admitted in crowd.results:  # should a copied greenlet go on there after all
        admission.settle(client, admitted, _answer(200))
    assert list(limiter._timestamps) == [by_hand.now] * 4
