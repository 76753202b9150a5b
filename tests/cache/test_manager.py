"""The cache compared with a simple model, with a manual clock."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import monkey
from gevent.event import Event
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pywats_green import (
    ArgumentTypeError,
    CacheManager,
    InvalidArgumentError,
    cache_control,
    cached,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> CacheManager:
    return CacheManager(max_size=3, default_ttl=10.0, timer=clock)


# --- the model ----------------------------------------------------------------------------------

KEYS = st.sampled_from("abcdef")
TTLS = st.sampled_from([None, 0, 0.5, 1, 5, 20, math.inf])


class CacheMachine(RuleBasedStateMachine):
    """From outside, the cache must look like an ordered dict with expiries."""

    @initialize(max_size=st.integers(0, 4), max_bytes=st.sampled_from([None, 10**9]))
    def start(self, max_size: int, max_bytes: int | None) -> None:
        self.clock = Clock()
        self.max_size = max_size
        self.cache = CacheManager(max_size, 5.0, timer=self.clock, max_bytes=max_bytes)
        self.model: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.counter = 0
        self.hits = self.misses = 0

    def _expire(self) -> None:
        for key in [key for key, (_, until) in self.model.items() if until <= self.clock.now]:
            del self.model[key]

    def _store(self, key: str, value: int, ttl: float) -> None:
        self._expire()
        if ttl == 0 or self.max_size == 0:
            self.model.pop(key, None)
            return
        if key not in self.model and len(self.model) >= self.max_size:
            self.model.popitem(last=False)
        self.model[key] = (value, self.clock.now + ttl)
        self.model.move_to_end(key)

    def _read(self, key: str) -> int | None:
        self._expire()
        if key not in self.model:
            self.misses += 1
            return None
        self.hits += 1
        self.model.move_to_end(key)
        return self.model[key][0]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.cache.get(key) == self._read(key)

    @rule(key=KEYS, ttl=TTLS)
    def set(self, key: str, ttl: float | None) -> None:
        self.counter += 1
        self.cache.set(key, self.counter, ttl)
        self._store(key, self.counter, 5.0 if ttl is None else ttl)

    @rule(key=KEYS, ttl=TTLS)
    def load(self, key: str, ttl: float | None) -> None:
        self.counter += 1
        expected = self._read(key)
        found = self.cache.get_or_load(key, lambda: self.counter, ttl)
        if expected is None:
            expected = self.counter
            self._store(key, self.counter, 5.0 if ttl is None else ttl)
        assert found == expected

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self._expire()
        assert self.cache.delete(key) is (self.model.pop(key, None) is not None)

    @rule(pattern=st.sampled_from(["a", "b", "", "zz", None]))
    def invalidate(self, pattern: str | None) -> None:
        self._expire()
        doomed = [key for key in self.model if pattern is None or pattern in key]
        assert self.cache.invalidate(pattern) == len(doomed)
        for key in doomed:
            del self.model[key]

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 6.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.model.clear()

    @invariant()
    def statistics(self) -> None:
        self._expire()
        stats = self.cache.get_stats()
        assert (stats["size"], stats["hits"], stats["misses"]) == (
            len(self.model), self.hits, self.misses,
        )  # fmt: skip


CacheMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCacheMachine = CacheMachine.TestCase


# --- expiry in steps ----------------------------------------------------------------------------


class CountedClock(Clock):
    """Counts the entries that are checked, by counting comparisons of times."""

    looks = 0

    def __call__(self) -> float:
        reading = Reading(self.now)
        reading.clock = self
        return reading


class Reading(float):
    """A clock reading that counts its comparisons."""

    clock: CountedClock

    def __lt__(self, other: float) -> bool:
        self.clock.looks += 1
        return super().__lt__(other)


@pytest.mark.parametrize("ttls", [[60], [60, 61, 62], range(60, 2060)], ids=["1", "3", "2,000"])
def test_no_call_pays_for_all_that_expires_together(ttls: list[int]) -> None:
    clock = CountedClock()
    cache = CacheManager(max_size=5000, timer=clock)
    for number in range(5000):
        cache.set(number, number, ttls[number % len(ttls)])
    clock.now += 5000
    most, calls = 0, 0
    while cache._entries.expirations < 5000:
        clock.looks = 0
        assert cache.get(calls) is None
        assert cache.get_or_load("loaded", lambda: 1, 0) == 1
        cache.set("other", calls)
        most, calls = max(most, clock.looks), calls + 1
    assert most <= 20  # all three together, whatever is due
    assert calls <= 1 + 5000 // 4
    stats = cache.get_stats()
    assert (stats["size"], stats["expirations"], stats["evictions"]) == (1, 5000, 0)


def test_statistics_count_what_has_expired_a_thousand_at_a_time(clock: Clock) -> None:
    cache = CacheManager(max_size=2500, timer=clock)
    for number in range(2500):
        cache.set(number, number)
    clock.now += 300
    assert [cache.size for _ in range(4)] == [1500, 500, 0, 0]
    assert cache.get_stats()["expirations"] == 2500


@pytest.mark.parametrize("max_bytes", [None, 1000])
def test_what_has_expired_makes_room_before_what_lives(clock: Clock, max_bytes: int | None) -> None:
    cache = CacheManager(max_size=1000, timer=clock, max_bytes=max_bytes)
    for number in range(500):
        cache.set(f"long {number}", b"x", ttl=3600)
    for number in range(500):
        cache.set(f"short {number}", b"x", ttl=1)
    clock.now += 1
    for number in range(500):
        cache.set(f"new {number}", b"x", ttl=3600)
    assert cache.get("long 0") == b"x"
    stats = cache.get_stats()
    assert (stats["size"], stats["expirations"], stats["evictions"]) == (1000, 500, 0)


def test_an_expired_entry_that_is_written_over_counts_as_expired(clock: Clock) -> None:
    cache = CacheManager(max_size=5000, timer=clock)
    for number in range(5000):
        cache.set(number, number)
    clock.now += 300
    for number in reversed(range(5000)):
        cache.set(number, number)
    stats = cache.get_stats()
    assert (stats["size"], stats["expirations"], stats["evictions"]) == (5000, 5000, 0)


def test_what_is_dropped_leaves_nothing_behind(clock: Clock) -> None:
    cache = CacheManager(max_size=10, timer=clock)
    for number in range(1000):
        cache.set(number % 50, number, ttl=number)
        cache.delete(number % 7)
    cache.clear()
    assert not cache._entries._queues


# --- greenlets and threads ----------------------------------------------------------------------


def test_native_threads_may_share_a_cache() -> None:
    cache = CacheManager(max_size=50)
    start = monkey.get_original("_thread", "start_new_thread")
    new_lock = monkey.get_original("_thread", "allocate_lock")
    ended, failures = [new_lock() for _ in range(4)], []

    def work(done: object) -> None:
        try:
            for number in range(3000):
                cache.set(number % 80, number)
                cache.get((number * 7) % 80)
                cache.get_or_load((number * 3) % 80, lambda: 1)
                if number % 100 == 0:
                    cache.invalidate("1")
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            done.release()  # type: ignore[attr-defined]

    for done in ended:
        done.acquire()
        start(work, (done,))
    for done in ended:
        assert done.acquire(timeout=60)
    assert not failures
    stats = cache.get_stats()
    assert stats["hits"] + stats["misses"] + stats["coalesced"] == 4 * 2 * 3000
    assert stats["size"] == len(cache._entries) <= 50


def test_user_code_that_switches_under_the_lock_blocks_nobody(cache: CacheManager) -> None:
    """The lock is native, so a thread waiting for itself would deadlock."""
    inside, gate = Event(), Event()

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            if self is not other:
                inside.set()
                gate.wait()
            return self is other

    cache.set(Key(), "first")
    other = gevent.spawn(cache.get, Key())
    inside.wait()
    with gevent.Timeout(5):
        cache.set("b", 2)
        assert cache.get("b") == 2
    gate.set()
    assert other.get(timeout=5) is None


# --- one by one ---------------------------------------------------------------------------------


def test_lru_evicts_what_was_not_used_for_longest(cache: CacheManager) -> None:
    for key in "abc":
        cache.set(key, key)
    cache.get("a")
    cache.set("d", "d")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    assert cache.get_stats()["evictions"] == 1


def test_a_ttl_per_entry(cache: CacheManager, clock: Clock) -> None:
    cache.set("short", 1, ttl=2)
    cache.set("default", 1)
    cache.set("ever", 1, ttl=math.inf)
    clock.now += 5
    assert [key for key in ("short", "default", "ever") if cache.get(key)] == ["default", "ever"]
    clock.now += 1e9
    assert cache.get("ever") == 1
    assert cache.get_stats()["expirations"] == 2


def test_bound_by_bytes(clock: Clock) -> None:
    cache = CacheManager(max_size=100, max_bytes=10, timer=clock)
    cache.set("a", b"12345")
    cache.set("b", b"12345")
    cache.set("c", b"1")
    assert cache.get("a") is None
    assert (cache.get("b"), cache.get("c")) == (b"12345", b"1")
    assert cache.get_stats()["bytes"] == 6


def test_empty_values_do_not_escape_the_bound_in_bytes() -> None:
    cache = CacheManager(max_size=1000, max_bytes=10)
    for number in range(100):
        cache.set(number, b"")
    assert cache.get_stats()["size"] == 10


def test_bound_by_entries_counts_beside_bytes() -> None:
    cache = CacheManager(max_size=3, max_bytes=10**6)
    for number in range(10):
        cache.set(number, b"x")
    assert cache.get_stats()["size"] == 3


def test_a_value_larger_than_the_whole_bound_is_not_kept_and_hides_no_old_one() -> None:
    cache = CacheManager(max_bytes=4)
    cache.set("a", b"old")
    cache.set("other", b"x")
    cache.set("a", b"much too large")
    assert cache.get("a", "nothing") == "nothing"
    assert cache.get("other") == b"x"
    assert cache.get_or_load("b", lambda: b"much too large") == b"much too large"
    assert cache.get("b") is None


def test_none_is_a_value_for_set_but_not_for_a_loader(cache: CacheManager) -> None:
    cache.set("a", None)
    assert cache.get("a", "default") is None
    calls = []
    for _ in range(2):
        assert cache.get_or_load("b", lambda: calls.append(1)) is None
    assert len(calls) == 2
    cache.get_or_load("b", lambda: calls.append(1), keep=lambda _: True)
    cache.get_or_load("b", lambda: calls.append(1))
    assert len(calls) == 3


BAD_TTLS = [
    (-1, InvalidArgumentError, "0 or more seconds"),
    (-0.1, InvalidArgumentError, "0 or more seconds"),
    (float("nan"), InvalidArgumentError, "0 or more seconds"),
    ("5", ArgumentTypeError, "number of seconds"),
    (True, ArgumentTypeError, "number of seconds"),
]


@pytest.mark.parametrize(("ttl", "error", "text"), BAD_TTLS)
def test_a_bad_ttl_is_refused(
    cache: CacheManager, ttl: float, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        cache.set("a", 1, ttl=ttl)
    with pytest.raises(error, match=text):
        cache.get_or_load("a", lambda: 1, ttl)
    with pytest.raises(error, match=text):
        CacheManager(default_ttl=ttl)
    with pytest.raises(error, match=text):
        cached(ttl=ttl)
    with pytest.raises(error, match=text), cache_control(ttl=ttl):
        pass
    assert cache.get_stats()["size"] == 0


BAD_SIZES = [
    ({"max_size": -1}, InvalidArgumentError),
    ({"max_bytes": -1}, InvalidArgumentError),
    ({"max_size": 1.5}, ArgumentTypeError),
    ({"max_size": True}, ArgumentTypeError),
    ({"max_size": None}, ArgumentTypeError),
    ({"max_bytes": "5"}, ArgumentTypeError),
]


@pytest.mark.parametrize(("options", "error"), BAD_SIZES)
def test_a_bad_size_is_refused(options: dict[str, int], error: type[Exception]) -> None:
    with pytest.raises(error, match="must be an integer"):
        CacheManager(**options)  # type: ignore[arg-type]


def test_a_ttl_of_0_is_not_stored_and_none_is_the_default(
    cache: CacheManager, clock: Clock
) -> None:
    for store in (cache.set, lambda key, value, ttl: cache.get_or_load(key, lambda: value, ttl)):
        cache.clear()
        store("zero", 1, 0)
        store("default", 1, None)
        assert (cache.get("zero"), cache.get("default")) == (None, 1)
        clock.now += 10
        assert cache.get("default") is None
    cache.set("a", 1)
    cache.set("a", 2, ttl=0)
    assert cache.get("a") is None


def test_an_unhashable_key_is_pythons_own_error(cache: CacheManager) -> None:
    calls: list[Callable[[Any], object]] = [cache.get, cache.delete, lambda key: cache.set(key, 1)]
    for call in calls:
        with pytest.raises(TypeError, match="unhashable"):
            call([])
    assert cache.get_or_load("a", lambda: 1) == 1


def test_a_clock_that_goes_backwards_only_delays_expiry(cache: CacheManager, clock: Clock) -> None:
    cache.set("a", 1)
    clock.now -= 500
    assert cache.get("a") == 1
    cache.set("b", 1)
    clock.now += 505
    assert (cache.get("a"), cache.get("b")) == (1, None)
    clock.now += 5
    assert cache.get("a") is None


def test_invalidate_finds_keys_by_their_text(cache: CacheManager) -> None:
    cache.set(("GET", "/api/Product/1"), 1)
    cache.set("GET:/api/Asset/1", 2)
    assert cache.invalidate("/api/Product") == 1
    assert cache.invalidate("nothing like it") == 0
    assert cache.get("GET:/api/Asset/1") == 2
    assert cache.invalidate() == 1


def test_statistics_have_all_their_names(cache: CacheManager) -> None:
    assert cache.get_stats() == {
        "size": 0, "max_size": 3, "bytes": None, "max_bytes": None, "hits": 0, "misses": 0,
        "hit_rate": 0.0, "evictions": 0, "expirations": 0, "coalesced": 0, "stale_served": 0,
    }  # fmt: skip
