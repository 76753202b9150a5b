"""Batch fetch: many keys, few queries, one dict.

The look-ups are upstream's own calls, made inside `batching()` in groups that fit into one query
each. So proof, caching, limits and exactness are those of `batching()`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pywats import pyWATS
from pywats.core.exceptions import EmptyResponseError, NotFoundError
from pywats.core.routes import Routes
from pywats.domains.asset import Asset
from pywats.domains.product import Product
from pywats.domains.production import Unit
from pywats.domains.report import ReportHeader, ReportType

from pywats_green.arguments import require_items
from pywats_green.batching import FEWEST, Key, batching
from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError
from pywats_green.pool import Pool, Raised
from pywats_green.upstream.client.batches import learned_of
from pywats_green.upstream.features.pool import require_client
from pywats_green.upstream.tables.batch_forms import BatchForm, look_up_of

K = TypeVar("K", bound=Hashable)
M = TypeVar("M")

_PAIR = 2  # parts of a unit's key


class _LookUp(NamedTuple):
    """The request for one key.

    Attributes:
        endpoint: Endpoint that the service calls.
        params: Query parameters that it sends.
        args: Arguments for the service's method.
    """

    endpoint: str
    params: Mapping[str, Any] | None
    args: tuple[Any, ...]


def fetch_products(
    api: pyWATS, part_numbers: Iterable[str], *, concurrency: int = 200
) -> dict[str, Product]:
    """Fetch many products with as few requests as the server allows.

    Each result is what `api.product.get_product` returns, a separate object per key. Keys in the
    client's cache are not requested. docs/guides/batching.md lists what can be batched.

    Args:
        api: The client.
        part_numbers: The keys; consumed completely first, duplicates dropped.
        concurrency: Maximum look-ups in flight, 1 or more. Each look-up in a query counts, so
            this also bounds the requests in flight.

    Returns:
        The products by part number, in the order of the keys. Missing products, for which the
        single call returns None or raises `NotFoundError` or `EmptyResponseError`, are omitted.

    Raises:
        ArgumentTypeError: `part_numbers` is a single string or contains anything but strings,
            `api` is not a `pyWATS`, or `concurrency` is not an integer.
        InvalidArgumentError: `concurrency` is less than 1.
        Exception: Whatever a single call raises, such as `ValueError` for a blank key. The first
            error ends the fetch and cancels what is in flight.
    """
    keys = {key: _path(Routes.Product.product, key) for key in _texts("part_numbers", part_numbers)}
    return _fetch(api, lambda: api.product.get_product, keys, concurrency)


def fetch_assets(
    api: pyWATS, serial_numbers: Iterable[str], *, concurrency: int = 200
) -> dict[str, Asset]:
    """Fetch many assets with as few requests as the server allows.

    Like `fetch_products`, with the results of `api.asset.get_asset_by_serial`.

    Args:
        api: The client.
        serial_numbers: The keys.
        concurrency: Maximum look-ups in flight, 1 or more.

    Returns:
        The assets by serial number, in the order of the keys; missing assets are omitted.

    Raises:
        ArgumentTypeError, InvalidArgumentError: As `fetch_products`.
        Exception: Whatever a single call raises.
    """
    keys = {key: _path(Routes.Asset.asset, key) for key in _texts("serial_numbers", serial_numbers)}
    return _fetch(api, lambda: api.asset.get_asset_by_serial, keys, concurrency)


def fetch_units(
    api: pyWATS, pairs: Iterable[tuple[str, str]], *, concurrency: int = 200
) -> dict[tuple[str, str], Unit]:
    """Fetch many units with as few requests as the server allows.

    Like `fetch_products`, with the results of `api.production.get_unit`.

    Args:
        api: The client.
        pairs: The keys: (serial number, part number).
        concurrency: Maximum look-ups in flight, 1 or more.

    Returns:
        The units by pair, in the order of the pairs; missing units are omitted.

    Raises:
        ArgumentTypeError: As `fetch_products`, or a key is not a pair of strings.
        InvalidArgumentError: As `fetch_products`.
        Exception: Whatever a single call raises.
    """
    items = require_items("pairs", pairs)  # type: ignore[arg-type]
    keys = {pair: _path(Routes.Production.unit, *pair) for pair in map(_pair, items)}
    return _fetch(api, lambda: api.production.get_unit, keys, concurrency)


def fetch_report_headers(
    api: pyWATS,
    ids: Iterable[str | UUID],
    *,
    report_type: ReportType | str = ReportType.UUT,
    concurrency: int = 200,
) -> dict[str | UUID, ReportHeader]:
    """Fetch many report headers by report id, with as few requests as the server allows.

    Like `fetch_products`, with the results of
    `api.report.query_headers(report_type, odata_filter="uuid eq ...")`; upstream has no call for a
    single header.

    Args:
        api: The client.
        ids: The keys.
        report_type: As for `query_headers`: a `ReportType`, "uut" or "uur". One query reads only
            one type.
        concurrency: Maximum look-ups in flight, 1 or more.

    Returns:
        The headers by id as passed, in the order of the ids. Missing reports and those of the
        other type are omitted.

    Raises:
        ArgumentTypeError: As `fetch_products`, or an id is neither a string nor a UUID.
        InvalidArgumentError: As `fetch_products`, or an id is not a GUID, or the report type is
            neither of the two.
        Exception: Whatever a single call raises.
    """
    kind = _report_type(report_type)
    keys = {key: _header(kind, key) for key in require_items("ids", ids)}  # type: ignore[arg-type]

    def get(condition: str) -> ReportHeader | None:
        found = api.report.query_headers(kind, odata_filter=condition)
        return found[0] if found else None

    return _fetch(api, lambda: get, keys, concurrency)  # type: ignore[arg-type]


def _texts(name: str, keys: Iterable[str]) -> list[str]:
    texts = require_items(name, keys)
    for text in texts:
        if not isinstance(text, str):
            raise ArgumentTypeError(f"{name} must contain strings, not {text!r}")
    return texts


def _pair(given: Any) -> tuple[str, str]:
    is_pair = isinstance(given, (tuple, list)) and len(given) == _PAIR
    if not (is_pair and all(isinstance(part, str) for part in given)):
        raise ArgumentTypeError(f"pairs must contain (serial number, part number), not {given!r}")
    return given[0], given[1]


def _path(route: Callable[..., str], *key: str) -> _LookUp:
    return _LookUp(route(*key), None, key)


def _report_type(given: ReportType | str) -> ReportType:
    if isinstance(given, str) and not isinstance(given, ReportType):
        given = {"uut": ReportType.UUT, "uur": ReportType.UUR}.get(given.lower(), given)
    if not isinstance(given, ReportType):
        raise InvalidArgumentError(f"report_type must be 'uut' or 'uur', not {given!r}")
    return given


def _header(kind: ReportType, identifier: str | UUID) -> _LookUp:
    if not isinstance(identifier, (str, UUID)):
        raise ArgumentTypeError(f"ids must contain GUIDs, not {identifier!r}")
    try:
        condition = f"uuid eq {UUID(str(identifier))}"
    except ValueError:
        raise InvalidArgumentError(f"ids must contain GUIDs, not {identifier!r}") from None
    params = {"reportType": kind.value, "$filter": condition}
    return _LookUp(Routes.Report.QUERY_HEADER, params, (condition,))


def _fetch(
    api: pyWATS,
    method: Callable[[], Callable[..., M | None]],
    keys: Mapping[K, _LookUp],
    concurrency: int,
) -> dict[K, M]:
    """Look keys up, batched where possible.

    Args:
        api: The client.
        method: Returns the service method that looks up one key.
        keys: The request for each key.
        concurrency: Maximum look-ups in flight.
    """
    require_client(api)
    pool = Pool(concurrency)
    get = method()
    found: dict[K, M | None] = {}

    def look_up(key: K) -> None:
        try:
            found[key] = get(*keys[key].args)
        except (NotFoundError, EmptyResponseError):
            found[key] = None

    def look_up_all(group: Sequence[K]) -> None:
        _settled(Pool(concurrency).settle(look_up, group, fail_fast=True))

    client: Any = api._http_client  # type: ignore[attr-defined]
    groups, alone = _grouped(client, keys, concurrency)
    if groups:
        at_once = Pool(max(concurrency // max(map(len, groups)), 1))
        with batching(window=0):
            _settled(at_once.settle(look_up_all, groups, fail_fast=True))
    _settled(pool.settle(look_up, alone, fail_fast=True))
    return {key: model for key in keys if (model := found[key]) is not None}


def _grouped(client: Any, keys: Mapping[K, _LookUp], most: int) -> tuple[list[list[K]], list[K]]:
    """Split keys into groups that fit into one query each, and keys to look up singly."""
    by_form: defaultdict[BatchForm, defaultdict[Key, list[K]]] = defaultdict(
        lambda: defaultdict(list)
    )
    alone: list[K] = []
    for key, (endpoint, params, _) in keys.items():
        asked = look_up_of(endpoint, params)
        if asked is None:
            alone.append(key)
        else:
            form, written = asked
            by_form[form][written].append(key)  # an id can be spelled in several ways
    groups: list[list[K]] = []
    for form, written_keys in by_form.items():
        allowed = learned_of(client, form).allows(most)
        if allowed < FEWEST:
            alone += chain(*written_keys.values())
        else:
            queries = form.queries(written_keys, client.base_url, allowed)
            groups += [list(chain(*map(written_keys.__getitem__, query))) for query in queries]
    return groups, alone


def _settled(results: Sequence[object]) -> None:
    """Raise the first error, disregarding look-ups that were cancelled because of it."""
    raised = [result for result in results if isinstance(result, Raised)]
    for result in raised:
        if not result.is_cancelled:
            raise result.error
    if raised:
        raise raised[0].error
