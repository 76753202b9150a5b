"""Functions to inspect and configure clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from pywats_green.arguments import require_items
from pywats_green.cache import CacheManager
from pywats_green.exceptions import InvalidArgumentError
from pywats_green.pool import PoolStats, pool_statistics
from pywats_green.queue.drain.statistics import QueueStats, queue_statistics
from pywats_green.upstream.features.pool import Pool, require_client
from pywats_green.upstream.hooks.seams import is_installed

if TYPE_CHECKING:
    import requests
    from pywats import pyWATS
    from pywats.core.client import HttpClient
    from pywats.shared.result import Failure, Success

    from pywats_green.transport.pools import TransportStats
    from pywats_green.upstream.client.cache import CachesStats
    from pywats_green.upstream.client.gates import ThrottleStats
    from pywats_green.upstream.client.limits import FleetState, LimitState


def cache_of(client: pyWATS | HttpClient) -> CacheManager | None:
    """Return the cache of a client.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.

    Returns:
        Its cache; None if caching is off or the client is not green.
    """
    cache = getattr(getattr(client, "_http_client", client), "_cache", None)
    return cache if isinstance(cache, CacheManager) else None


def session_of(client: pyWATS | HttpClient) -> requests.Session:
    """Return the requests session that holds the configuration of a client.

    Changes take effect with the next call: `verify`, `cert`, `proxies`, `headers` (pywats' own
    take precedence), `cookies`, `auth`, `params`, `hooks` and mounted adapters. With foreign
    adapters, `auth`, `params` or hooks, requests itself sends the requests, which is slower.
    A `.netrc` is ignored.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.

    Returns:
        The session. It belongs to the client and lives as long as the client.

    Raises:
        InvalidArgumentError: The client is not green.
        NativeThreadError: It belongs to another native thread.
    """
    # Imported here, so that importing the disabled package does not import pywats.
    from pywats.core.client import HttpClient  # noqa: PLC0415

    from pywats_green.upstream.client.exchange import exchange_of  # noqa: PLC0415
    from pywats_green.upstream.client.green import GreenHttpClient  # noqa: PLC0415

    http_client = getattr(client, "_http_client", client)
    is_green = isinstance(http_client, GreenHttpClient)
    if not (is_green or (is_installed() and isinstance(http_client, HttpClient))):
        raise InvalidArgumentError(
            f"{type(client).__name__} is not a green client: create a pyWATS or HttpClient after "
            "importing pywats_green"
        )
    return exchange_of(http_client).transport.session


def warm(
    api: pyWATS, part_numbers: Iterable[str], *, concurrency: int = 50
) -> list[Success[Any] | Failure]:
    """Warm the cache of a client for a production line: its products, and the processes.

    Args:
        api: The client.
        part_numbers: Part numbers of the products made there.
        concurrency: Maximum requests in flight, 1 or more.

    Returns:
        A `Success` or `Failure` for each part number, in order.

    Raises:
        ArgumentTypeError: `api` is not a `pyWATS`, `part_numbers` is not an iterable or is a single
            string, or `concurrency` is not an integer.
        InvalidArgumentError: `concurrency` is less than 1.
        PyWATSError: The processes could not be read; no product was requested.
    """
    require_client(api)
    numbers = require_items("part_numbers", part_numbers)
    with Pool(concurrency) as pool:
        pool.apply(api.process.get_processes)
        return pool.map_results(api.product.get_product, numbers)


class Stats(TypedDict):
    """The statistics of this process.

    Attributes:
        cache: The caches of all live clients.
        pool: All live Pools.
        throttle: What calls are waiting for.
        limits: How much of each rate limit is used.
        fleet: The limits that this process shares with others.
        transport: The connections.
        queue: All live queue processors.
    """

    cache: CachesStats
    pool: PoolStats
    throttle: ThrottleStats
    limits: list[LimitState]
    fleet: list[FleetState]
    transport: TransportStats
    queue: QueueStats


def stats() -> Stats:
    """Return the statistics of this process."""
    # Imported here, because they import pywats.
    from pywats_green.transport.pools import transport_statistics  # noqa: PLC0415
    from pywats_green.upstream.client.cache import cache_statistics  # noqa: PLC0415
    from pywats_green.upstream.client.gates import throttle_statistics  # noqa: PLC0415
    from pywats_green.upstream.client.limits import fleet_statistics, limit_statistics  # noqa: PLC0415

    return {
        "cache": cache_statistics(),
        "pool": pool_statistics(),
        "throttle": throttle_statistics(),
        "limits": limit_statistics(),
        "fleet": fleet_statistics(),
        "transport": transport_statistics(),
        "queue": queue_statistics(),
    }
