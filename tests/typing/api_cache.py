"""The types of the cache as a user's program sees them: read by mypy and pyright, never run.

Each ignored error is one that a type checker must find: both report those that they do not.
"""

from pywats import Product, pyWATS
from typing_extensions import assert_type

from pywats_green import CacheManager, cache_control, cache_of, cached


@cached(ttl=60)
def describe(number: int, *, short: bool = False) -> str:
    return f"{number} {short}"


assert_type(describe(1), str)
assert_type(describe(1, short=True), str)
describe("1")  # type: ignore[arg-type]
describe()  # type: ignore[call-arg]
describe(1, brief=True)  # type: ignore[call-arg]
assert_type(describe.__name__, str)
describe.invalidate()
describe.invalidate(1, short=True)
describe.invalidate("1")  # type: ignore[call-overload]


class Station:
    def __init__(self, api: pyWATS) -> None:
        self._api = api
        self._cache = CacheManager(max_size=100)

    @cached()
    def product(self, part_number: str) -> Product | None:
        return self._api.product.get_product(part_number)

    @property
    @cached(ttl=None, cache_none=True)
    def name(self) -> str:
        return "station"

    @staticmethod
    @cached(key_func=tuple)
    def total(numbers: list[int]) -> int:
        return sum(numbers)


def stations(station: Station) -> None:
    assert_type(station.product("PN-1"), Product | None)
    station.product(1)  # type: ignore[arg-type]
    station.product()  # type: ignore[call-arg]
    station.product("PN-1", "A")  # type: ignore[call-arg]
    station.product.invalidate()
    station.product.invalidate("PN-1")
    station.product.invalidate(1)  # type: ignore[call-overload]
    assert_type(Station.product(station, "PN-1"), Product | None)
    Station.product("PN-1")  # type: ignore[call-arg, arg-type]
    assert_type(station.name, str)
    assert_type(Station.total([1]), int)
    Station.total(["1"])  # type: ignore[list-item]


cached(ttl="60")  # type: ignore[arg-type]
cached(max_size=5)  # type: ignore[call-arg]
cached(cache={})  # type: ignore[arg-type]


@cached  # type: ignore[arg-type]
def without_parentheses() -> int:
    return 1


def managers(manager: CacheManager, api: pyWATS) -> None:
    assert_type(manager.get_or_load("key", lambda: 1), int)
    manager.get_or_load("key", lambda number: number)  # type: ignore[misc, arg-type]
    manager.get_or_load("key", lambda: 1, life=5)  # type: ignore[call-arg]
    manager.set("key", 1, ttl=None)
    manager.set("key", 1, ttl=0)
    manager.set("key", 1, ttl="5")  # type: ignore[arg-type]
    manager.set(["key"], 1)  # type: ignore[arg-type]
    assert_type(manager.delete("key"), bool)
    assert_type(manager.invalidate("/api/Product"), int)
    CacheManager(one_life=True)  # type: ignore[call-arg]
    CacheManager(max_size="5")  # type: ignore[arg-type]
    assert_type(cache_of(api), CacheManager | None)
    with cache_control(ttl=5, refresh=True):
        pass
    with cache_control(life=5):  # type: ignore[call-arg]
        pass
