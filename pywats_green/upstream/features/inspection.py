"""What users can ask about, and do with, their clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from pywats_green.cache import CacheManager
from pywats_green.exceptions import InvalidArgumentError
from pywats_green.pool import PoolStats, pool_statistics
from pywats_green.queue.drain.statistics import QueueStats, queue_statistics
from pywats_green.upstream.features.pool import Pool, require_items
from pywats_green.upstream.hooks.seams import is_installed

if TYPE_CHECKING:
    import requests
    from pywats import pyWATS
    from pywats.core.client import HttpClient
    from pywats.shared.result import Failure, Success

    from pywats_green.transport.pools import TransportStats
    from pywats_green.upstream.client.cache import CachesStats
    from pywats_green.upstream.client.gates import ThrottleStats


def cache_of(client: pyWATS | HttpClient) -> CacheManager | None:
    """Return the cache of a client.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.

    Returns:
        Its cache; None where caching is off, or the client is not green.
    """
    cache = getattr(getattr(client, "_http_client", client), "_cache", None)
    return cache if isinstance(cache, CacheManager) else None


def session_of(client: pyWATS | HttpClient) -> requests.Session:
    """Return the requests session that owns the configuration of a client.

    What is set on it counts from the next call on: `verify`, `cert`, `proxies`, `headers` (those
    of pywats come before them), `cookies`, `auth`, `params`, `hooks`, adapters mounted on it.
    With an adapter of another kind, or with `auth`, `params` or hooks, requests itself sends,
    which takes longer. Of a `.netrc` nothing is taken.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.

    Returns:
        The session. It belongs to the client and lives as long.

    Raises:
        InvalidArgumentError: The client is not green.
    """
    # They import pywats, which importing the package when disabled does not.
    from pywats.core.client import HttpClient  # noqa: PLC0415

    from pywats_green.upstream.client.exchange import exchange_of  # noqa: PLC0415
    from pywats_green.upstream.client.green import GreenHttpClient  # noqa: PLC0415

    http_client = getattr(client, "_http_client", client)
    is_green = isinstance(http_client, GreenHttpClient)
    if not (is_green or (is_installed() and isinstance(http_client, HttpClient))):
        raise InvalidArgumentError(
            f"{type(client).__name__} is not a green client: make a pyWATS or a HttpClient after "
            "importing pywats_green"
        )
    return exchange_of(http_client).transport.session


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
        ArgumentTypeError: `concurrency` is no whole number.
        InvalidArgumentError: `concurrency` is less than 1, or `part_numbers` is a single text.
        PyWATSError: The processes could not be read; then no product was asked for.
    """
    numbers = require_items("part_numbers", part_numbers)
    with Pool(concurrency) as pool:
        pool.apply(api.process.get_processes)
        return pool.map_results(api.product.get_product, numbers)


class Stats(TypedDict):
    """The statistics of this process, by room.

    Attributes:
        cache: Of the caches of all live clients.
        pool: Of the live Pools.
        throttle: What calls wait for.
        transport: Of the connections.
        queue: Of the live queue processors.
    """

    cache: CachesStats
    pool: PoolStats
    throttle: ThrottleStats
    transport: TransportStats
    queue: QueueStats


def stats() -> Stats:
    """Return the statistics of this process."""
    # These import pywats, and what it needs.
    from pywats_green.transport.pools import transport_statistics  # noqa: PLC0415
    from pywats_green.upstream.client.cache import cache_statistics  # noqa: PLC0415
    from pywats_green.upstream.client.gates import throttle_statistics  # noqa: PLC0415

    return {
        "cache": cache_statistics(),
        "pool": pool_statistics(),
        "throttle": throttle_statistics(),
        "transport": transport_statistics(),
        "queue": queue_statistics(),
    }
