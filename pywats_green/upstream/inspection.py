"""What users can ask about, and do with, the caches of their clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pywats_green.cache import CacheManager
from pywats_green.queue.processor_statistics import queue_statistics
from pywats_green.upstream.pool import Pool, require_items

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.core.client import HttpClient
    from pywats.shared.result import Failure, Success


def cache_of(client: pyWATS | HttpClient) -> CacheManager | None:
    """Return the cache of a client.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.

    Returns:
        Its cache; None where caching is off, or the client is not green.
    """
    cache = getattr(getattr(client, "_http_client", client), "_cache", None)
    return cache if isinstance(cache, CacheManager) else None


def warm(
    api: pyWATS, part_numbers: Iterable[str], *, concurrency: int = 50
) -> list[Success[Any] | Failure]:
    """Fill the cache of a client for a line: its products, and the processes.

    Args:
        api: The client.
        part_numbers: Of the products made there.
        concurrency: How many requests at once, 1 or more.

    Returns:
        A `Success` or a `Failure` for each part number, in order.

    Raises:
        InvalidArgumentError: `concurrency` is not a whole number of at least 1, or
            `part_numbers` is a single text.
        PyWATSError: The processes could not be read; then no product was asked for.
    """
    numbers = require_items("part_numbers", part_numbers)
    with Pool(concurrency) as pool:
        pool.apply(api.process.get_processes)
        return pool.map_results(api.product.get_product, numbers)


def stats() -> dict[str, dict[str, Any]]:
    """Return the statistics of this process.

    Returns:
        By room. "cache": those of all live clients' caches, added up (see
        `CacheManager.get_stats`; `caches` is how many they are). "queue": those of all live
        queue processors (depth, age of the oldest in seconds, in flight, rate per second).
    """
    from pywats_green.upstream.caching import cache_statistics  # noqa: PLC0415  # imports pywats

    return {"cache": cache_statistics(), "queue": queue_statistics()}
