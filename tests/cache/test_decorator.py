import gc
import inspect
import weakref
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pywats import Product
from waiting import turn

from pywats_green import (
    ArgumentTypeError,
    CacheKeyError,
    CacheManager,
    InvalidArgumentError,
    Pool,
    cached,
)


def test_a_function_is_called_once_per_arguments() -> None:
    calls = []

    @cached(ttl=60)
    def double(number: int, *, by: int = 2) -> int:
        """Doubles."""
        calls.append(number)
        return number * by

    assert [double(1), double(1), double(2), double(1, by=3)] == [2, 2, 4, 3]
    assert calls == [1, 2, 1]
    assert double.__name__ == "double"
    assert double.__doc__ == "Doubles."


def test_types_are_told_apart() -> None:
    @cached()
    def kind(value: object) -> str:
        return type(value).__name__

    assert [kind(1), kind(1.0), kind(True)] == ["int", "float", "bool"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("ttl", "expires_at"), [(20, 20), (None, 10)])
def test_the_ttl_ends(ttl: float | None, expires_at: float) -> None:
    calls = []
    clock = Clock()

    @cached(ttl, cache=CacheManager(default_ttl=10, timer=clock))
    def now() -> int:
        calls.append(1)
        return len(calls)

    assert (now(), now()) == (1, 1)
    clock.now = expires_at - 1
    assert now() == 1
    clock.now = expires_at
    assert now() == 2


def test_a_ttl_of_0_is_not_stored_but_calls_are_still_shared() -> None:
    calls, gate = [], Event()

    @cached(ttl=0)
    def slow() -> int:
        calls.append(1)
        gate.wait()
        return len(calls)

    readers = [gevent.spawn(slow) for _ in range(3)]
    turn()
    gate.set()
    assert [reader.get(timeout=5) for reader in readers] == [1, 1, 1]
    assert slow() == 2


def test_a_cache_that_is_none_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="CacheManager"):
        cached(cache={})  # type: ignore[arg-type]


def test_parentheses_forgotten() -> None:
    with pytest.raises(ArgumentTypeError, match="with parentheses"):
        cached(lambda: 1)  # type: ignore[arg-type]


def test_exceptions_are_never_kept_and_none_only_when_asked() -> None:
    calls = []

    @cached()
    def fails() -> None:
        calls.append(1)
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
    assert len(calls) == 2

    def nothing() -> None:
        calls.append(1)

    for options, expected in (({}, 4), ({"cache_none": True}, 5)):
        function = cached(**options)(nothing)  # type: ignore[arg-type]
        function()
        function()
        assert len(calls) == expected


class Station:
    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0

    @cached(ttl=60)
    def describe(self, number: int = 0) -> str:
        self.calls += 1
        return f"{self.name} {number}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Station)

    def __hash__(self) -> int:
        return 1


def test_two_instances_never_share_even_when_they_are_equal() -> None:
    first, second = Station("first"), Station("second")
    assert first == second
    assert [first.describe(), second.describe(), first.describe()] == [
        "first 0",
        "second 0",
        "first 0",
    ]
    assert (first.calls, second.calls) == (1, 1)


def test_a_method_uses_the_cache_of_its_instance() -> None:
    cache = CacheManager()
    first, second = Station("first"), Station("second")
    first._cache = second._cache = cache  # type: ignore[attr-defined]
    assert [first.describe(), second.describe()] == ["first 0", "second 0"]
    assert cache.get_stats()["size"] == 2
    first.describe.invalidate()
    assert cache.get_stats()["size"] == 1
    second.describe()
    assert second.calls == 1


def test_a_cache_goes_with_its_instance() -> None:
    station = Station("gone")
    station.describe()
    reference = weakref.ref(station)
    del station
    gc.collect()
    assert reference() is None
    assert not Station.describe._instances


def test_a_shared_cache_is_shared_by_instances_on_purpose() -> None:
    cache = CacheManager()

    class Reader:
        calls = 0

        @cached(cache=cache)
        def read(self, key: str) -> str:
            Reader.calls += 1
            return key

    assert [Reader().read("a"), Reader().read("a")] == ["a", "a"]
    assert Reader.calls == 1


def test_invalidate_one_and_all() -> None:
    calls = []

    @cached()
    def load(key: str) -> int:
        calls.append(key)
        return len(calls)

    load("a")
    load("b")
    load.invalidate("a")
    assert (load("a"), load("b")) == (3, 2)
    load.invalidate()
    assert (load("a"), load("b")) == (4, 5)


def test_functions_of_one_name_in_one_cache_do_not_disturb_each_other() -> None:
    cache = CacheManager()

    def make(module: str):
        def load(key: str) -> str:
            return f"{module} {key}"

        load.__module__ = module
        return cached(cache=cache)(load)

    one, other = make("mod"), make("othermod")
    assert (one("a"), other("a")) == ("mod a", "othermod a")
    one.invalidate()
    assert cache.get_stats()["size"] == 1


def test_closures_of_one_factory_in_one_cache_do_not_share() -> None:
    cache = CacheManager()

    def make(number: int):
        return cached(cache=cache)(lambda key: (number, key))

    one, other = make(1), make(2)
    assert (one("p"), other("p")) == ((1, "p"), (2, "p"))


def test_equal_instances_do_not_share_through_a_property_or_the_class() -> None:
    class Named(Station):
        @property
        @cached()
        def title(self) -> str:
            return self.name

    first, second = Named("first"), Named("second")
    assert (first.title, second.title) == ("first", "second")
    assert (Named.describe(first), Named.describe(second)) == ("first 0", "second 0")


def test_static_and_class_methods_above_it() -> None:
    class Reader:
        calls = 0

        @staticmethod
        @cached()
        def static(key: str) -> str:
            Reader.calls += 1
            return key

        @classmethod
        @cached()
        def of_class(cls, key: str) -> str:
            Reader.calls += 1
            return key

    assert [Reader.static("a"), Reader.static("a")] == ["a", "a"]
    of_class: Any = Reader.of_class  # no type checker binds an object to a class
    assert [of_class("a"), Reader().of_class("a")] == ["a", "a"]
    assert Reader.calls == 2


@pytest.mark.parametrize("kind", ["coroutine", "generator", "staticmethod", "no function"])
def test_what_gives_no_value_to_keep_is_refused_at_once(kind: str) -> None:
    async def coroutine() -> None: ...

    def generator():
        yield 1

    wrong = {
        "coroutine": coroutine,
        "generator": generator,
        "staticmethod": staticmethod(len),
        "no function": 5,
    }[kind]
    with pytest.raises(ArgumentTypeError):
        cached()(wrong)  # type: ignore[arg-type]


def test_a_bound_one_looks_like_its_method() -> None:
    bound = Station("s").describe
    assert bound.__name__ == "describe"
    assert str(inspect.signature(bound)) == "(number: int = 0) -> str"


def test_a_key_function_sees_the_arguments_without_self() -> None:
    class Reader:
        calls = 0

        @cached(key_func=tuple)
        def total(self, items: list[int]) -> int:
            self.calls += 1
            return sum(items)

    reader = Reader()
    assert [reader.total([1, 2]), reader.total([1, 2])] == [3, 3]
    assert reader.calls == 1


def test_an_unhashable_argument_says_what_to_do() -> None:
    @cached()
    def total(items: list[int]) -> int:
        return sum(items)

    with pytest.raises(CacheKeyError, match="total cannot be a key.*give @cached a key_func"):
        total([1])


def test_an_instance_without_weak_references_says_what_to_do() -> None:
    class Slotted:
        __slots__ = ()

        @cached()
        def read(self) -> int:
            return 1

    with pytest.raises(CacheKeyError, match="give @cached a cache"):
        Slotted().read()


def test_a_negative_ttl_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgumentError):
        cached(ttl=-1)(lambda: 1)


def test_greenlets_wait_for_one_call() -> None:
    calls = []

    @cached()
    def slow(key: str) -> str:
        calls.append(key)
        turn()
        return key

    assert Pool(20).map(slow, ["k"] * 20) == ["k"] * 20
    assert calls == ["k"]


def test_models_of_pywats_are_values() -> None:
    @cached()
    def product(number: str) -> Product:
        return Product(part_number=number)

    assert product("PN-1") is product("PN-1")
    assert product("PN-1").part_number == "PN-1"
