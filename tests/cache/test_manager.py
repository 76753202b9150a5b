"""The cache against a simple model, under a hand-turned clock."""

import math
from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pywats_green import CacheManager, InvalidArgumentError


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
LIVES = st.sampled_from([None, 0, 0.5, 1, 5, 20, math.inf])


class CacheMachine(RuleBasedStateMachine):
    """An ordered dict with expiries is what the cache must look like from outside."""

    @initialize(max_size=st.integers(0, 4), one_life=st.booleans())
    def start(self, max_size: int, one_life: bool) -> None:
        self.clock = Clock()
        self.max_size, self.one_life = max_size, one_life
        self.cache = CacheManager(max_size, 5.0, timer=self.clock, one_life=one_life)
        self.model: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.counter = 0
        self.hits = self.misses = 0

    def _expire(self) -> None:
        for key in [key for key, (_, until) in self.model.items() if until <= self.clock.now]:
            del self.model[key]

    def _store(self, key: str, value: int, life: float) -> None:
        self._expire()
        if life == 0 or self.max_size == 0:
            self.model.pop(key, None)
            return
        if key not in self.model and len(self.model) >= self.max_size:
            self.model.popitem(last=False)
        self.model[key] = (value, self.clock.now + life)
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

    @rule(key=KEYS, life=LIVES)
    def set(self, key: str, life: float | None) -> None:
        self.counter += 1
        life = None if self.one_life else life
        self.cache.set(key, self.counter, life)
        self._store(key, self.counter, 5.0 if life is None else life)

    @rule(key=KEYS, life=LIVES)
    def load(self, key: str, life: float | None) -> None:
        self.counter += 1
        life = None if self.one_life else life
        expected = self._read(key)
        found = self.cache.get_or_load(key, lambda: self.counter, life)
        if expected is None:
            expected = self.counter
            self._store(key, self.counter, 5.0 if life is None else life)
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


# --- one by one ---------------------------------------------------------------------------------


def test_lru_evicts_what_was_not_used_for_longest(cache: CacheManager) -> None:
    for key in "abc":
        cache.set(key, key)
    cache.get("a")
    cache.set("d", "d")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    assert cache.get_stats()["evictions"] == 1


def test_a_life_per_entry(cache: CacheManager, clock: Clock) -> None:
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


@pytest.mark.parametrize("ttl", [-1, -0.1, float("nan"), "5"])
def test_a_bad_life_is_refused(cache: CacheManager, ttl: float) -> None:
    with pytest.raises(InvalidArgumentError, match="0 or more seconds"):
        cache.set("a", 1, ttl=ttl)
    with pytest.raises(InvalidArgumentError):
        cache.get_or_load("a", lambda: 1, ttl)
    with pytest.raises(InvalidArgumentError):
        CacheManager(default_ttl=ttl)
    assert cache.get_stats()["size"] == 0


@pytest.mark.parametrize("options", [{"max_size": -1}, {"max_size": 1.5}, {"max_bytes": -1}])
def test_a_bad_size_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError, match="whole number"):
        CacheManager(**options)  # type: ignore[arg-type]


def test_one_life_refuses_another(clock: Clock) -> None:
    cache = CacheManager(default_ttl=5, timer=clock, one_life=True)
    cache.set("a", 1, ttl=5)
    with pytest.raises(InvalidArgumentError, match="live 5"):
        cache.set("a", 1, ttl=6)


def test_an_unhashable_key_is_pythons_own_error(cache: CacheManager) -> None:
    for call in (cache.get, cache.delete, lambda key: cache.set(key, 1)):
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
