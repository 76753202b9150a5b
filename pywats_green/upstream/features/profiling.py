"""`profile_queries()`: the profiler, combined with knowledge of pywats."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from types import CodeType
from typing import Any

from pywats_green.batching import current_scope
from pywats_green.profiler import BatchAdvice, Call, CallerFinder, QueryProfile, record_calls

_finder = CallerFinder("pywats", "pywats.domains.")


@contextmanager
def profile_queries() -> Iterator[QueryProfile]:
    """Record the calls of green clients in a block, and find avoidable ones.

    Records the calls of this greenlet, and those made through a `pywats_green.Pool` used inside
    the block, if they end before it does. Threads and greenlets of `gevent.spawn` start with an
    empty context, so their calls are not recorded; nor are those of pywats' `parallel_execute` and
    `AsyncWATS`. Blocks can be nested; each records.

    At most 100,000 calls are kept (about 400 bytes each); later ones are counted as `dropped`.
    Outside such a block, nothing is recorded and there is no overhead.

    Yields:
        The profile: `calls`, `requests`, `by_route()`, `findings` (and by kind: `n_plus_one`,
        `duplicates`, `sequential`), `report()` and `to_json()`. It can be used inside the block
        and afterwards.
    """
    with record_calls(_finder, current_scope) as recorded:
        yield QueryProfile(recorded, _Adviser())


# Methods that look up one object, where there is a call for many.
_FETCHES = {
    "api.product.get_product": "products = pywats_green.fetch_products(api, part_numbers)",
    "api.asset.get_asset_by_serial": "assets = pywats_green.fetch_assets(api, serial_numbers)",
    "api.asset.get_asset": "assets = pywats_green.fetch_assets(api, serial_numbers)",
    "api.production.get_unit": "units = pywats_green.fetch_units(api, pairs)",
    "api.report.query_headers": "headers = pywats_green.fetch_report_headers(api, ids)",
    "api.report.query_uut_headers": "headers = pywats_green.fetch_report_headers(api, ids)",
    "api.report.query_uur_headers": "headers = pywats_green.fetch_report_headers(api, ids)",
}

# Methods that save one object, where many can be saved with one request.
_BULK = {
    "api.product.bulk_save_revisions": "pywats_green.configure(bulk_writes=True)",
    "api.product.create_product": "api.product.bulk_save_products(products)",
    "api.product.update_product": "api.product.bulk_save_products(products)",
    "api.production.update_unit": "api.production.create_units(units)",
    "api.production.create_batch": "api.production.save_batches(batches)",
    "api.production.update_batch": "api.production.save_batches(batches)",
}


_BOX_BUILD = "template.save"  # contains the loop itself


class _Adviser:
    """Implements the profiler's `Adviser`. Upstream is only imported when needed."""

    def route_of(self, endpoint: str) -> str:
        from pywats_green.upstream.tables.routes import template_of  # noqa: PLC0415

        return template_of(endpoint)

    def name_of(self, service: CodeType) -> str:
        return _services()[0].get(service, service.co_name)

    def is_write(self, call: Call) -> bool:
        from pywats_green.upstream.tables.domains import touched_by  # noqa: PLC0415

        return bool(touched_by(call.method, call.endpoint))

    def can_fan_out(self, call: Call) -> bool:
        return call.service is None or inspect.iscoroutinefunction(_method(call))

    def batch(self, calls: list[Call]) -> BatchAdvice | None:
        from pywats_green.upstream.tables.batch_forms import look_up_of  # noqa: PLC0415

        service = calls[0].service
        if service in _BULK:
            return BatchAdvice(len(calls), _BULK[service])
        found = [look_up_of(call.endpoint, call.params) for call in calls if call.method == "GET"]
        forms = [look_up[0] for look_up in found if look_up is not None]
        if 2 * len(forms) < len(calls):
            return None
        limit = min(form.limit for form in forms)
        inside = f"with pywats_green.batching():\n    found = {self.fan_out(calls)}"
        if service not in _FETCHES:
            return BatchAdvice(limit, inside)
        return BatchAdvice(limit, f"{_FETCHES[service]}\n# or, an answer for each key:\n{inside}")

    def fan_out(self, calls: list[Call]) -> str:
        first = calls[0]
        if first.service == _BOX_BUILD:
            return "pywats_green.configure(bulk_writes=True)"
        method = _method(first)
        if method is not None:
            return f"pywats_green.Pool(50).map({_of_one_item(first.service, method)})"
        if first.method == "GET":
            return "pywats_green.get_many(api, paths)"
        return (
            f"pywats_green.Pool(50).map(lambda item: client.{first.method.lower()}(*item), items)"
        )

    def once(self, call: Call) -> str:
        from pywats_green.upstream.tables.domains import rule_of  # noqa: PLC0415

        asked = f"found = {call.service or 'client.get'}(...)  # once, and hand the result on"
        if rule_of(call.endpoint).ttl == 0:
            return f"{asked}\n# or @pywats_green.cached(ttl=5) on the function that asks"
        if call.cache is None:
            return f"api = pyWATS(..., enable_cache=True)\n# or {asked}"
        return asked


def _of_one_item(service: str | None, method: Callable[..., Any]) -> str:
    """Format a method and its items as arguments for `Pool.map`."""
    required = [
        name
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty and name != "self"
    ]
    if len(required) == 1:
        return f"{service}, {_plural(required[0])}"
    if not required:
        return f"lambda options: {service}(**options), all_options"
    if len(required) == 2:  # noqa: PLR2004
        return f"lambda pair: {service}(*pair), pairs"
    return f"lambda arguments: {service}(*arguments), all_arguments"


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _method(call: Call) -> Callable[..., Any] | None:
    return None if call.service is None else _services()[1].get(call.service)


@lru_cache(maxsize=1)
def _services() -> tuple[dict[CodeType, str], dict[str, Callable[..., Any]]]:
    """Return the methods of upstream's services: names by code object, functions by name."""
    from pywats.domains.product.async_service import AsyncBoxBuildTemplate  # noqa: PLC0415
    from pywats.pywats import pyWATS  # noqa: PLC0415

    methods = {_BOX_BUILD: inspect.unwrap(AsyncBoxBuildTemplate.save)}
    for domain, attribute in vars(pyWATS).items():
        if not isinstance(attribute, property):
            continue
        try:
            module = import_module(f"pywats.domains.{domain}.async_service")
        except ModuleNotFoundError:
            continue  # a property that is not a domain
        for service in vars(module).values():
            if not (inspect.isclass(service) and service.__name__.endswith("Service")):
                continue
            for name, method in inspect.getmembers(service, inspect.isfunction):
                methods[f"api.{domain}.{name}"] = inspect.unwrap(method)
    return {method.__code__: name for name, method in methods.items()}, methods
