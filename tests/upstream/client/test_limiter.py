"""Upstream's limiter: its numbers stay true, its waiters are served in order, nothing gets lost."""

import logging
import random
import types
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from pywats.core.throttle import RateLimiter
from throttle.clock import Crowd, HandClock, run_all
from waiting import BOUND, turn

from pywats_green import configure
from pywats_green.exceptions import AdmissionTimeoutError
from pywats_green.throttle import GateState, Tally
from pywats_green.upstream.client import admission, gates
from pywats_green.upstream.client.admission import FREE, Window
from pywats_green.upstream.client.gates import throttle_statistics
from pywats_green.upstream.client.slots import Admission

SERVER = "http://127.0.0.1:1"


def _client(limiter: Any, url: str = SERVER) -> Any:
    return types.SimpleNamespace(_rate_limiter=limiter, base_url=url)


def _crowd(*clients: Any) -> Crowd:
    """Greenlets that each make an attempt, by the clients in turn, and are answered at once.

    The results are what they were admitted with; they keep their permits.
    """
    turn = iter(range(1_000_000))

    def attempt() -> Admission:
        admitted = admission.admit(clients[next(turn) % len(clients)])
        if admitted.window is not None:
            admitted.window.stamp()
        return admitted

    return Crowd(attempt)


def _refused(client: Any, retry_after: str = "5") -> bool:
    """An attempt of the client is answered with 429; tell whether the next waits with all."""
    answer: Any = types.SimpleNamespace(status_code=429, headers={"retry-after": retry_after})
    return admission.settle(client, FREE, answer).is_held


def _give_back(crowd: Crowd) -> None:
    """Take back the permits of those who went through a gate: they were answered."""
    while crowd.results:
        gate, permit, _, _ = crowd.results.pop()
        if gate is not None:
            gate.reopen(permit)
    run_all()


def test_disabled_nothing_waits_and_nothing_is_counted(by_hand: HandClock, tally: Tally) -> None:
    limiter = RateLimiter(1, 60, enabled=False)
    crowd = _crowd(_client(limiter))
    crowd.come(100)
    assert crowd.through == list(range(100))
    assert crowd.results == [FREE] * 100
    assert limiter.stats["total_requests"] == limiter.current_usage == tally.waits == 0


def test_the_numbers_are_those_of_upstreams_object(by_hand: HandClock, tally: Tally) -> None:
    limiter = RateLimiter(10, 60)
    crowd = _crowd(_client(limiter), _client(limiter))  # two clients share it
    crowd.come(15)
    assert len(crowd.through) == 10
    assert limiter.stats["current_usage"] == 10
    assert throttle_statistics()["waiting"] == 5
    by_hand.turn(60.1)
    assert limiter.stats == {
        "total_requests": 15,
        "total_wait_time_seconds": pytest.approx(300, abs=0.1),
        "throttle_count": 5,
        "current_usage": 5,
        "available_slots": 5,
        "max_requests": 10,
        "window_seconds": 60,
        "enabled": True,
    }
    assert crowd.through == list(range(15))
    assert (tally.waiting, tally.waits) == (0, 5)


def test_slots_that_upstream_takes_count(by_hand: HandClock) -> None:
    limiter = RateLimiter(3, 60)
    assert limiter.acquire()
    crowd = _crowd(_client(limiter))
    crowd.come(2)
    assert crowd.through == [0, 1]
    assert limiter.acquire(timeout=1) is False  # ours count for upstream, too
    crowd.come(1)
    by_hand.now += 60.1
    assert limiter.acquire()
    assert limiter.acquire()
    assert limiter.acquire()  # before the line looks, somebody else has taken all
    by_hand.turn(59)
    assert crowd.through == [0, 1]
    by_hand.turn(2)
    assert crowd.through == [0, 1, 2]


def test_each_is_woken_once_and_in_order(
    by_hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    take = Window.take

    def counted(window: Window) -> bool:
        nonlocal tries
        tries += 1
        return take(window)

    monkeypatch.setattr(Window, "take", counted)
    crowd = _crowd(_client(RateLimiter(500, 60)))
    crowd.come(1500)
    tries = 0
    by_hand.turn(121)
    assert crowd.through == list(range(1500))
    assert tries == 1000
    assert by_hand.most_timers == 1


def test_who_comes_as_a_slot_comes_free_does_not_overtake(by_hand: HandClock) -> None:
    crowd = _crowd(_client(RateLimiter(1, 60)))
    crowd.come(2)
    by_hand.now += 60.1  # nobody has been called yet
    crowd.come(1)
    assert crowd.through == [0]
    by_hand.turn(0)
    assert crowd.through == [0, 1]
    gevent.killall(crowd.greenlets)


@pytest.mark.parametrize("change", ["raised", "disabled", "reset"])
def test_waiters_see_a_change_within_a_second(change: str, by_hand: HandClock) -> None:
    limiter = RateLimiter(1, 3600)
    crowd = _crowd(_client(limiter))
    crowd.come(3)
    by_hand.turn(10)
    assert crowd.through == [0]
    if change == "raised":
        limiter.max_requests = 3
    elif change == "disabled":
        limiter.enabled = False
    else:
        limiter.reset()
    by_hand.turn(1)
    assert crowd.through == ([0, 1] if change == "reset" else [0, 1, 2])


def test_a_limit_that_is_lowered_counts_at_once(by_hand: HandClock) -> None:
    limiter = RateLimiter(4, 60)
    crowd = _crowd(_client(limiter))
    for _ in range(4):
        crowd.come(1)
        by_hand.turn(1)
    limiter.max_requests = 2
    crowd.come(1)
    by_hand.turn(58)  # the first two are over, two are left
    assert len(crowd.through) == 4
    by_hand.turn(1)
    assert len(crowd.through) == 5


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_of_none_lets_nobody_through_and_does_not_spin(
    most: int, by_hand: HandClock
) -> None:
    limiter = RateLimiter(most, 1)
    crowd = _crowd(_client(limiter))
    crowd.come(2)
    by_hand.turn(100)
    assert crowd.through == []
    gevent.killall(crowd.greenlets)


def test_a_fractional_limit_works_as_upstreams(by_hand: HandClock) -> None:
    limiter = RateLimiter(5 / 2, 60)  # type: ignore[arg-type]
    crowd = _crowd(_client(limiter))
    crowd.come(5)
    assert len(crowd.through) == 3
    by_hand.turn(61)
    assert len(crowd.through) == 5


def test_a_limiter_with_its_own_acquire_is_called(by_hand: HandClock) -> None:
    calls = []

    class Own(RateLimiter):
        def acquire(self, timeout: float | None = None) -> bool:
            calls.append(timeout)
            return False

    class NotEvenOne:
        def acquire(self) -> None:
            calls.append(None)

    replaced = RateLimiter(1, 60)
    replaced.acquire = lambda: bool(calls.append(None))  # type: ignore[method-assign, assignment, misc]
    for limiter in (Own(1, 60), NotEvenOne(), replaced):
        crowd = _crowd(_client(limiter))
        crowd.come(3)
        assert crowd.through == [0, 1, 2]
    assert calls == [None] * 9
    assert _refused(_client(NotEvenOne()))


def test_a_subclass_with_upstreams_acquire_is_served_in_order(by_hand: HandClock) -> None:
    class Named(RateLimiter):
        name = "line 4"

    crowd = _crowd(_client(Named(1, 10)))
    crowd.come(3)
    by_hand.turn(10.1)
    assert crowd.through == [0, 1]
    gevent.killall(crowd.greenlets)


def test_one_line_of_log_for_all_that_wait(
    by_hand: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = RateLimiter(2, 60)
    crowd = _crowd(_client(limiter))
    with caplog.at_level(logging.INFO, "pywats.core.throttle"):
        crowd.come(20)
        by_hand.turn(61)
        crowd.come(20)
        assert [record.getMessage() for record in caplog.records] == [
            "Rate limit reached (2 requests/60s). Waiting 60.00s..."
        ]
        assert caplog.records[0].levelno == logging.WARNING  # so it is seen without any logging
        gevent.killall(crowd.greenlets)
        by_hand.turn(61)
        crowd.come(3)  # two of them need not wait: that was the end, and the third begins anew
    assert len(caplog.records) == 2
    gevent.killall(crowd.greenlets)


def test_a_429_holds_all_clients_of_the_server_whatever_their_limiter(by_hand: HandClock) -> None:
    limited, free = _client(RateLimiter(9, 60)), _client(RateLimiter(enabled=False))
    own = _client(types.SimpleNamespace(acquire=lambda: None), SERVER + "/")
    other = _client(free._rate_limiter, "http://127.0.0.1:2")
    assert _refused(limited)
    held, unheld = _crowd(limited, free, own), _crowd(other)
    held.come(6)
    unheld.come(6)
    assert (held.through, len(unheld.through)) == ([], 6)
    assert limited._rate_limiter.current_usage == 0  # no slot is taken before it can be used
    assert throttle_statistics() == {
        "waiting": 6, "waits": 6, "wait_seconds": 0.0, "refused": 1,
        "closings": 1, "probes": 0, "reopenings": 0,
        "gates": {
            SERVER: {
                "cause": "HTTP 429, Retry-After 5 s", "closed_for": 0.0, "opens_in": 5.0,
                "probing": False,
            },
        },
    }  # fmt: skip
    by_hand.turn(5)
    assert held.through == [0]  # the probe
    _give_back(held)
    assert held.through == [0, 1, 2]
    _give_back(held)
    _give_back(held)
    assert throttle_statistics()["gates"] == {}
    gevent.killall(held.greenlets)


@pytest.mark.parametrize("retry_after", ["0", "-1"])
def test_a_429_that_does_not_ask_for_time_holds_nobody(
    retry_after: str, by_hand: HandClock
) -> None:
    client = _client(RateLimiter(enabled=False))
    assert not _refused(client, retry_after)
    crowd = _crowd(client)
    crowd.come(5)
    assert len(crowd.through) == 5


def test_those_who_wait_for_a_slot_go_and_wait_for_the_server_in_order(
    by_hand: HandClock,
) -> None:
    limiter = RateLimiter(2, 10)
    client, other = _client(limiter), _client(limiter, "http://127.0.0.1:2")
    crowd, others = _crowd(client), _crowd(other)
    crowd.come(6)
    others.come(1)
    assert crowd.through == [0, 1]
    _refused(client, "60")
    crowd.come(1)  # comes last, and goes last
    by_hand.turn(10.1)
    assert others.through == [0]  # the slots were not spent on who could not go
    by_hand.turn(20)
    assert limiter.current_usage == 0
    for _ in range(10):
        by_hand.turn(10.1)
        _give_back(crowd)
    assert crowd.through == list(range(7))


def test_one_line_of_log_for_a_hold(by_hand: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    client = _client(RateLimiter(enabled=False), "http://somebody:secret@127.0.0.1:1")
    with caplog.at_level(logging.INFO, "pywats.core.throttle"):
        for _ in range(10):
            _refused(client)
    (record,) = caplog.records
    assert record.getMessage() == (
        "Gate of http://127.0.0.1:1: closes; the next probe goes in 5.00 s "
        "(HTTP 429, Retry-After 5 s)"
    )


def test_another_native_thread_obeys_too() -> None:
    client = _client(RateLimiter(enabled=False))

    def elsewhere() -> tuple[bool, dict[str, GateState]]:
        try:
            with gevent.Timeout(0.05):
                admission.admit(client)
        except gevent.Timeout:
            return True, throttle_statistics()["gates"]
        return False, {}

    pool = gevent.get_hub().threadpool
    throttling_there = pool.apply(elsewhere)
    assert throttling_there == (False, {})
    _refused(client, "300")
    was_held, left = pool.apply(elsewhere)
    assert was_held
    assert 0 < left[SERVER]["opens_in"] <= 300


def test_no_slot_is_lost_and_the_window_never_exceeded_though_many_are_killed(
    by_hand: HandClock,
) -> None:
    """Seeded chaos; afterwards, as many slots are free, and as quickly, as if nothing had been."""
    most, window = 7, 10.0
    for seed in range(25):
        chance = random.Random(seed)
        limiter = RateLimiter(most, window)
        clients = [_client(limiter), _client(limiter, "http://127.0.0.1:2")]
        arrived: list[float] = []
        running: list[gevent.Greenlet[..., Any]] = []

        def call(client: Any, chance: random.Random, limiter: RateLimiter, arrived: Any) -> None:
            admitted = admission.admit(client)
            answer: Any = None
            try:
                for _ in range(chance.randint(0, 3)):  # on its way, where a kill may strike
                    turn()
                arrived.append(by_hand.now)
                for _ in range(chance.randint(1, 3)):
                    turn()
                status = chance.choice([200, 200, 404, 503, 429])
                headers = {"retry-after": str(chance.choice([0, 1, 3]))}
                answer = types.SimpleNamespace(status_code=status, headers=headers)
            finally:
                admission.settle(client, admitted, answer)

        for _ in range(150):
            step = chance.random()
            if step < 0.5:
                running.append(gevent.spawn(call, chance.choice(clients), chance, limiter, arrived))
            elif step < 0.7 and running:
                chance.choice(running).kill(block=False)
            elif step < 0.75:
                # Upstream's own code takes a slot; where one is free this very moment, it would
                # look again and again, by a clock that stands still.
                limiter.acquire(timeout=-1)
            else:
                by_hand.turn(chance.choice([0.01, 0.5, 2.0]))
            if chance.random() < 0.3:
                run_all()
            assert limiter.current_usage <= most
        gaps = [late - early for early, late in zip(arrived, arrived[most:], strict=False)]
        assert min(gaps) >= window

        by_hand.turn(2000)
        assert all(greenlet.dead for greenlet in running)
        assert not by_hand.timers
        assert throttle_statistics()["waiting"] == 0
        for client in clients:  # wide again, and at full rate
            crowd = _crowd(client)
            crowd.come(most)
            for _ in range(most):
                _give_back(crowd)
            by_hand.turn(window + 0.1)
            assert len(crowd.through) == most


@pytest.fixture
def at_most_5_seconds() -> Iterator[None]:
    configure(admission_timeout=5)
    yield
    configure(admission_timeout=None)


def test_admission_timeout_names_the_limit_when_it_frees_and_what_to_do(
    by_hand: HandClock, at_most_5_seconds: None
) -> None:
    client = _client(RateLimiter(3, 60))
    crowd = _crowd(client)
    crowd.come(3)
    by_hand.turn(10)
    waiting = [gevent.spawn(admission.admit, client) for _ in range(2)]
    by_hand.turn(4.9)
    assert not any(call.dead for call in waiting)
    by_hand.turn(0.1)
    for call in waiting:
        assert isinstance(call.exception, AdmissionTimeoutError)
        assert isinstance(call.exception, TimeoutError)
    assert str(waiting[0].exception) == (
        "not sent within admission_timeout=5 s: the limit of 3 requests in 60 s is used up, and "
        "the next call may go in 45.0 s (1 other waiting). Send fewer requests, with batching() or "
        "the cache, or wait longer with configure(admission_timeout=)"
    )
    assert client._rate_limiter.current_usage == 3
    assert throttle_statistics()["waiting"] == 0
    assert not by_hand.timers


def test_admission_timeout_names_the_gate(by_hand: HandClock, at_most_5_seconds: None) -> None:
    client = _client(RateLimiter(3, 60))
    _refused(client, "40")
    call = gevent.spawn(admission.admit, client)
    by_hand.turn(5)
    assert str(call.exception) == (
        "not sent within admission_timeout=5 s: http://127.0.0.1:1 admits no calls (HTTP 429, "
        "Retry-After 40 s), and the next probe goes in 35.0 s. Try again later, or wait longer "
        "with configure(admission_timeout=)"
    )


def test_admission_timeout_names_the_gate_that_has_just_reopened(
    by_hand: HandClock, at_most_5_seconds: None
) -> None:
    client = _client(RateLimiter(500, 60))
    _refused(client, "1")
    crowd = _crowd(client)
    crowd.come(1)
    by_hand.turn(1)
    _give_back(crowd)
    crowd.come(3)
    assert crowd.through == [0, 1, 2]  # two in flight
    by_hand.turn(5)
    assert "http://127.0.0.1:1 has just reopened, for a few calls at a time" in str(
        crowd.greenlets[3].exception
    )


def test_a_client_without_a_slot_holds_no_probe(by_hand: HandClock) -> None:
    """Two clients of one server: the first in line at its gate has used up its own limit."""
    poor, rich = _client(RateLimiter(1, 20)), _client(RateLimiter(500, 60))
    admission.settle(poor, admission.admit(poor), _ok())
    _refused(rich, "1")
    crowd = _crowd(poor, rich)
    crowd.come(2)
    assert crowd.through == []
    by_hand.turn(1)
    assert crowd.through == [1]  # the probe
    assert poor._rate_limiter.current_usage == 1
    _give_back(crowd)
    by_hand.turn(20)
    assert crowd.through == [1, 0]
    assert poor._rate_limiter.current_usage == 1


def test_a_slot_that_a_closed_gate_leaves_unused_is_free_at_once(by_hand: HandClock) -> None:
    """A limiter is shared by the clients of all servers."""
    limiter = RateLimiter(1, 20)
    client, elsewhere = _client(limiter), _client(limiter, "http://127.0.0.2:1")
    admission.settle(client, admission.admit(client), _ok())
    _refused(client, "1")
    crowd = _crowd(client)
    crowd.come(1)
    by_hand.turn(1)  # gives the probe's permit back, and waits for the slot
    _refused(client, "300")
    by_hand.turn(20)
    assert crowd.through == []
    assert limiter.current_usage == 0
    assert gevent.spawn(admission.admit, elsewhere).get(timeout=BOUND).window is not None
    crowd.kill(0)
    assert throttle_statistics()["waiting"] == 0


def test_a_limiter_of_ones_own_is_asked_once(by_hand: HandClock) -> None:
    asked: list[float] = []

    def acquire() -> None:
        asked.append(by_hand.now)
        if len(asked) == 1:  # while it waits
            _refused(client, "3")

    client = _client(types.SimpleNamespace(acquire=acquire))
    crowd = _crowd(client)
    crowd.come(1)
    by_hand.turn(4)
    assert crowd.through == [0]
    assert len(asked) == 1


def test_admission_timeout_bounds_both_waits_together(
    by_hand: HandClock, at_most_5_seconds: None
) -> None:
    limiter = RateLimiter(1, 60)
    client = _client(limiter)
    _refused(client, "3")
    assert limiter.acquire()
    call = gevent.spawn(admission.admit, client)
    by_hand.turn(4.9)
    assert not call.dead  # it is through the gate, and waits for a slot
    by_hand.turn(0.1)
    assert isinstance(call.exception, AdmissionTimeoutError)
    again = _crowd(_client(RateLimiter(enabled=False)))
    again.come(1)
    assert again.results[0].permit.is_probe  # its place was given back


def test_a_timeout_in_line_leaves_the_others_their_turns(
    by_hand: HandClock, at_most_5_seconds: None
) -> None:
    client = _client(RateLimiter(1, 6))
    crowd = _crowd(client)
    crowd.come(1)
    early = gevent.spawn(admission.admit, client)
    by_hand.turn(3)
    crowd.come(1)
    by_hand.turn(2)
    assert isinstance(early.exception, AdmissionTimeoutError)
    assert crowd.through == [0]
    by_hand.turn(1.1)
    assert crowd.through == [0, 1]


def test_upstreams_own_waiter_reckons_with_those_in_flight(
    by_hand: HandClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all slots are in flight: the next is free in a window, and not in infinite time."""
    from pywats.core import throttle

    limiter = RateLimiter(1, 60)
    client = _client(limiter)
    admitted = admission.admit(client)
    assert not limiter.acquire(timeout=59)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            admission.settle(client, admitted, _ok())
        by_hand.now += seconds + 0.001

    monkeypatch.setattr(throttle, "time", types.SimpleNamespace(monotonic=by_hand, sleep=sleep))
    with caplog.at_level(logging.INFO, "pywats.core.throttle"):
        assert limiter.acquire(timeout=120)
    assert len(slept) == 60
    assert "Waiting 60.00s" in caplog.text
    assert "inf" not in caplog.text


def test_a_gate_that_nobody_leaves_is_forgotten(by_hand: HandClock) -> None:
    client = _client(RateLimiter(enabled=False))
    other = _client(RateLimiter(enabled=False), "http://127.0.0.1:2")
    _refused(client)
    by_hand.turn(361)
    assert gates.local.gates
    crowd = _crowd(other)
    crowd.come(1)
    assert not gates.local.gates


def test_a_forked_process_has_no_gates_of_its_parents_calls(by_hand: HandClock) -> None:
    client = _client(RateLimiter(enabled=False))
    _refused(client)
    by_hand.turn(5)
    probe = admission.admit(client)
    parents = _crowd(client)
    parents.come(2)
    assert throttle_statistics()["waiting"] == 2
    gates.forget_all()  # what happens in the child
    assert throttle_statistics()["waiting"] == 0
    crowd = _crowd(client)
    crowd.come(3)
    assert crowd.through == [0, 1, 2]
    admission.settle(client, probe, _ok())  # should a copied greenlet go on there after all
    assert throttle_statistics()["gates"] == {}
    for number in range(2):
        parents.kill(number)


def _ok() -> Any:
    return types.SimpleNamespace(status_code=200, headers={})
