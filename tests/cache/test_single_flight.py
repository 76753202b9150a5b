import itertools
import random
import traceback
from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent.event import Event
from waiting import turn, until

from pywats_green import CacheManager, CacheRecursionError, Pool
from pywats_green.cache import StaleRules


@pytest.fixture
def cache() -> CacheManager:
    return CacheManager()


def _spawn(count, func, *args):
    greenlets = [gevent.spawn(func, *args) for _ in range(count)]
    turn()
    return greenlets


def _until_nothing_loads(cache: CacheManager) -> None:
    until(lambda: not cache._loads.under_way())


def test_many_readers_of_a_cold_key_load_once(cache: CacheManager) -> None:
    calls, gate = [], Event()

    def loader() -> str:
        calls.append(1)
        gate.wait()
        return "value"

    readers = Pool(50).map_async(lambda _: cache.get_or_load("k", loader), range(50))
    until(lambda: cache.get_stats()["coalesced"] == 49)
    gate.set()
    assert readers.get(timeout=60) == ["value"] * 50
    assert len(calls) == 1
    stats = cache.get_stats()
    assert (stats["misses"], stats["coalesced"], stats["hits"]) == (1, 49, 0)
    assert stats["hit_rate"] == 0.98


def test_a_failure_reaches_all_at_once_and_is_not_kept(cache: CacheManager) -> None:
    calls, gate = [], Event()

    def fails() -> None:
        calls.append(1)
        gate.wait()
        raise LookupError("gone")

    def read() -> str:
        try:
            return cache.get_or_load("k", fails)  # type: ignore[return-value]
        except LookupError as exc:
            return str(exc)

    readers = _spawn(20, read)
    gate.set()
    gevent.joinall(readers, timeout=1, raise_error=True)
    assert [reader.value for reader in readers] == ["gone"] * 20
    assert len(calls) == 1
    assert cache.get_or_load("k", lambda: "now there") == "now there"


def test_other_keys_are_not_woken_or_held_up(cache: CacheManager) -> None:
    gate = Event()
    slow = gevent.spawn(cache.get_or_load, "slow", lambda: gate.wait() and "slow")
    turn()
    assert cache.get_or_load("quick", lambda: "quick") == "quick"
    gate.set()
    assert slow.get() == "slow"


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_a_killed_leader_hands_over_to_one_follower(cache: CacheManager, kills: int) -> None:
    gate = Event()
    started: list[Any] = []

    def loader() -> str:
        started.append(gevent.getcurrent())
        gate.wait()
        return "value"

    readers = _spawn(5, cache.get_or_load, "k", loader)
    for number in range(kills):
        assert len(started) == number + 1
        started[number].kill()
        turn()
    gate.set()
    survivors = [reader for reader in readers if reader not in started[:kills]]
    assert [reader.get(timeout=1) for reader in survivors] == ["value"] * (5 - kills)
    assert len(started) == kills + 1
    assert cache.get("k") == "value"


def test_a_killed_leader_without_followers_leaves_nothing(cache: CacheManager) -> None:
    (reader,) = _spawn(1, cache.get_or_load, "k", lambda: gevent.sleep(60))
    reader.kill()
    assert cache.get_or_load("k", lambda: "value") == "value"


def test_a_follower_that_is_killed_when_it_is_handed_the_lead_hands_it_on(
    cache: CacheManager,
) -> None:
    gate = Event()
    started: list[Any] = []

    def loader() -> str:
        started.append(gevent.getcurrent())
        gate.wait()
        return "value"

    leader, second, third = _spawn(3, cache.get_or_load, "k", loader)
    leader.kill(block=False)
    second.kill(block=False)
    gate.set()
    assert third.get(timeout=1) == "value"


def test_a_followers_own_deadline_does_not_cancel_the_leader(cache: CacheManager) -> None:
    gate = Event()
    (leader,) = _spawn(1, cache.get_or_load, "k", lambda: gate.wait() and "value")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        cache.get_or_load("k", lambda: "mine")
    gate.set()
    assert leader.get(timeout=1) == "value"


@pytest.mark.parametrize("inner", ["directly", "through a Pool"])
def test_recursion_raises_instead_of_waiting_for_itself(cache: CacheManager, inner: str) -> None:
    def loader() -> object:
        if inner == "directly":
            return cache.get_or_load("k", lambda: 1)
        return Pool(2).map(lambda _: cache.get_or_load("k", lambda: 1), range(2))

    with gevent.Timeout(1), pytest.raises(CacheRecursionError, match="'k' itself"):
        cache.get_or_load("k", loader)
    assert cache.get_or_load("k", lambda: 2) == 2


def test_what_a_load_started_may_read_its_key_later(cache: CacheManager) -> None:
    """It has the context of the load, but is no longer part of it once that has landed."""
    late: list[gevent.Greenlet] = []  # type: ignore[type-arg]
    gate = Event()

    def read_later() -> str:
        gate.wait()
        return cache.get_or_load("k", lambda: "mine")

    def loader() -> str:
        late.append(Pool(1).spawn(read_later))
        return "first"

    assert cache.get_or_load("k", loader) == "first"
    cache.delete("k")
    again = Event()
    (other,) = _spawn(1, cache.get_or_load, "k", lambda: again.wait() and "second")
    gate.set()
    turn()
    again.set()
    assert (other.get(timeout=1), late[0].get(timeout=1)) == ("second", "second")


def test_the_tracebacks_of_followers_do_not_grow(cache: CacheManager) -> None:
    gate = Event()

    def fails() -> None:
        gate.wait()
        raise LookupError

    def depth() -> int:
        try:
            cache.get_or_load("k", fails)
        except LookupError as exc:
            return len(traceback.extract_tb(exc.__traceback__))
        return 0

    readers = _spawn(50, depth)
    gate.set()
    assert max(reader.get(timeout=1) for reader in readers) < 10


def test_a_load_may_load_other_keys_and_other_caches(cache: CacheManager) -> None:
    other = CacheManager()

    def loader() -> str:
        return cache.get_or_load("b", lambda: "b") + other.get_or_load("a", lambda: "a")

    assert cache.get_or_load("a", loader) == "ba"


@pytest.mark.parametrize("how", ["delete", "invalidate", "clear", "set"])
def test_a_value_that_was_overtaken_is_handed_out_but_not_kept(
    cache: CacheManager, how: str
) -> None:
    gate = Event()
    (early,) = _spawn(1, cache.get_or_load, "key", lambda: gate.wait() and "old")
    {
        "delete": lambda: cache.delete("key"),
        "invalidate": lambda: cache.invalidate("ke"),
        "clear": cache.clear,
        "set": lambda: cache.set("key", "new"),
    }[how]()
    # A later reader must not join a load that started before.
    assert cache.get_or_load("key", lambda: "new") == "new"
    gate.set()
    assert early.get(timeout=1) == "old"
    assert cache.get("key") == "new"


# --- stale values -------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _raise(error: Exception) -> None:
    raise error


def test_stale_if_error_stands_in_within_its_window(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    cache = CacheManager(default_ttl=10, timer=clock)
    rules = StaleRules(if_error=100, errors=(ConnectionError,))
    cache.get_or_load("k", lambda: "good", stale=rules)
    clock.now = 50
    for _ in range(3):
        assert cache.get_or_load("k", lambda: _raise(ConnectionError()), stale=rules) == "good"
    with pytest.raises(KeyError):
        cache.get_or_load("k", lambda: _raise(KeyError()), stale=rules)
    assert cache.get_stats()["stale_served"] == 3
    assert caplog.text.count("serving the last good answers") == 1
    assert cache.get("k") is None  # a plain read never sees it
    clock.now = 111
    with pytest.raises(ConnectionError):
        cache.get_or_load("k", lambda: _raise(ConnectionError()), stale=rules)


def test_stale_if_error_takes_a_bad_value_for_a_failure_and_says_so_again_after_a_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    cache = CacheManager(default_ttl=10, timer=clock)
    rules = StaleRules(if_error=100, is_failure=lambda value: value == 503)
    keep = lambda value: value != 503  # noqa: E731
    assert cache.get_or_load("k", lambda: 503, keep=keep, stale=rules) == 503
    cache.get_or_load("k", lambda: 200, keep=keep, stale=rules)
    for round_ in (1, 2):
        clock.now += 20
        assert cache.get_or_load("k", lambda: 503, keep=keep, stale=rules) == 200
        assert cache.get_or_load("k", lambda: 200, keep=keep, stale=rules) == 200
        assert caplog.text.count("serving the last good answers") == round_


def test_stale_while_revalidate_renews_once_however_many_read() -> None:
    clock, gate, calls = Clock(), Event(), itertools.count(1)
    cache = CacheManager(default_ttl=10, timer=clock)
    rules = StaleRules(while_revalidate=100)
    cache.get_or_load("k", lambda: "old", stale=rules)
    clock.now = 50

    def renew() -> str:
        gate.wait()
        return f"new {next(calls)}"

    read = [cache.get_or_load("k", renew, stale=rules) for _ in range(20)]
    assert read == ["old"] * 20
    gate.set()
    _until_nothing_loads(cache)
    assert cache.get_or_load("k", renew, stale=rules) == "new 1"
    assert cache.get_stats()["stale_served"] == 20


def test_a_renewal_that_fails_is_tried_again_and_prints_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    cache = CacheManager(default_ttl=10, timer=clock)
    rules = StaleRules(while_revalidate=100)
    cache.get_or_load("k", lambda: "old", stale=rules)
    clock.now = 50
    assert cache.get_or_load("k", lambda: _raise(OSError()), stale=rules) == "old"
    _until_nothing_loads(cache)
    assert cache.get_or_load("k", lambda: "new", stale=rules) == "old"
    _until_nothing_loads(cache)
    assert cache.get_or_load("k", lambda: "newer", stale=rules) == "new"
    assert capsys.readouterr().err == ""


# --- everything at once -------------------------------------------------------------------------


def test_readers_writers_kills_and_expiry_never_show_an_older_value() -> None:
    """A reader never sees a value older than the last write that ended before it started."""
    rng = random.Random(7)
    ticks = itertools.count()
    cache = CacheManager(max_size=5, default_ttl=40, timer=lambda: next(ticks))
    truth = dict.fromkeys("abcdefgh", 0)
    failures: list[str] = []

    def read(key: str) -> None:
        began = truth[key]

        def loader() -> int:
            value = truth[key]
            gevent.sleep(rng.uniform(0.001, 0.004))
            if rng.random() < 0.1:
                raise LookupError
            return value

        try:
            value = cache.get_or_load(key, loader)
        except LookupError:
            return
        if value < began:
            failures.append(f"{key}: {value} after {began}")

    def write(key: str) -> None:
        truth[key] += 1
        cache.delete(key)

    def worker() -> None:
        for _ in range(60):
            key = rng.choice("abcdefgh")
            if rng.random() < 0.2:
                write(key)
            else:
                with suppress(gevent.Timeout), gevent.Timeout(rng.choice([0.001, 1.0])):
                    read(key)
            gevent.sleep(0.001)

    workers = [gevent.spawn(worker) for _ in range(60)]
    for _ in range(40):
        gevent.sleep(0.003)
        victim = rng.randrange(len(workers))
        workers[victim].kill()
        workers[victim] = gevent.spawn(worker)
    gevent.joinall(workers, timeout=100, raise_error=True)
    assert not failures
    assert not cache._loads.under_way()
