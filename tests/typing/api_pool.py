"""The types of `Pool` as a user's program sees them: read by mypy and pyright, never run."""

from collections.abc import Iterator
from concurrent.futures import Future, as_completed

import gevent.pool
import rich.progress
from pywats import Product, pyWATS
from pywats.core.client import Response
from pywats.shared.result import Failure, Success
from tqdm import tqdm
from typing_extensions import assert_type

from pywats_green import FailureTable, Pool, failure_table, get_many


def length(text: str) -> int:
    return len(text)


def add(one: int, two: int) -> int:
    return one + two


def mappings(pool: Pool, texts: list[str]) -> None:
    assert_type(pool.map(length, texts), list[int])
    assert_type(pool.map(length, (text for text in texts)), list[int])
    assert_type(pool.imap(length, texts), Iterator[int])
    assert_type(pool.imap(length, texts, maxsize=None), Iterator[int])
    assert_type(pool.imap_unordered(length, texts, maxsize=5), Iterator[int])
    assert_type(pool.imap(add, [1], [2]), Iterator[int])
    pool.map(length, [1])  # type: ignore[arg-type]
    pool.imap(length, 1)  # type: ignore[call-overload]


def futures(pool: Pool, text: str) -> None:
    future = pool.submit(length, text)
    assert_type(future, Future[int])
    assert_type(pool.submit(add, 1, two=2).result(timeout=1), int)
    for done in as_completed([future]):
        assert_type(done.result(), int)
    pool.submit(length, 1)  # type: ignore[arg-type]
    pool.submit(length)  # type: ignore[call-arg]


def results(pool: Pool, texts: list[str]) -> None:
    found = pool.map_results(length, texts, timeout=1.5, fail_fast=True, progress=True)
    assert_type(found, list[Success[int] | Failure])
    pool.map_results(length, texts, progress=lambda completed, total: None)
    pool.map_results(length, texts, progress=tqdm())
    pool.map_results(length, texts, progress=rich.progress.Progress())
    pool.map_results(length, texts, progress="bar")  # type: ignore[arg-type]
    pool.map_results(length, [1])  # type: ignore[arg-type]
    pool.map_results(length, texts, timeout="1")  # type: ignore[arg-type]
    pool.map_results(length, texts, timeouts=1)  # type: ignore[call-arg]
    for result in found:
        if isinstance(result, Failure):
            assert_type(result.error_code, str)
        else:
            assert_type(result, Success[int])
    assert_type(failure_table(found), FailureTable)
    assert_type(failure_table(found)[0].exception_type, str | None)
    failure_table(texts)  # type: ignore[arg-type]


def of_pywats(pool: Pool, api: pyWATS, part_numbers: list[str]) -> None:
    found = pool.map_results(api.product.get_product, part_numbers)
    assert_type(found, list[Success[Product | None] | Failure])
    assert_type(pool.map(api.product.get_product, part_numbers), list[Product | None])
    pool.map(api.product.get_product, [1])  # type: ignore[arg-type]
    assert_type(get_many(api, ["/api/App/Version"]), list[Response | BaseException])


def single_calls(pool: Pool) -> None:
    assert_type(pool.apply(length, ("a",)), int)
    greenlet = pool.spawn(length, "a")
    assert_type(greenlet.get(), int)
    pool.spawn(length, 1)  # type: ignore[arg-type]
    pool.spawn(length)  # type: ignore[call-arg]


def as_gevents(pool: gevent.pool.Pool) -> int:
    return pool.free_count()


def context_manager() -> None:
    with Pool(5) as pool:
        assert_type(pool, Pool)
    with Pool() as pool:
        assert_type(as_gevents(pool), int)
    Pool("5")  # type: ignore[arg-type]
