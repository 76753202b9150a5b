"""Plays that create, read, update and delete in each domain, one call after another.

Through pywats, processes can only be read, reports cannot be updated, and tickets not deleted.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from lookups import client
from play import Play, Setting
from pywats import pyWATS
from pywats.domains.production.models import Unit

NUMBERS = itertools.count()  # keys are unique within a process
PART = "PN-00003"


def seeded(kind: int, number: int) -> str:
    """Return the id of a seeded row."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


ASSET_TYPE = uuid.UUID(seeded(0xF, 0))


class Deed(NamedTuple):
    """A kind of call.

    Attributes:
        make: Called with the client; returns a function that makes a call with a new key.
        before: Called with the client and the key to prepare the call; not timed.
    """

    make: Callable[[pyWATS], Callable[[str], object]]
    before: Callable[[pyWATS, str], object] | None = None


def again(call: Callable[[pyWATS], Callable[[Any], object]], read: Callable[[pyWATS], Any]) -> Deed:
    """Send an object repeatedly, as it was read."""

    def make(api: pyWATS) -> Callable[[str], object]:
        update, item = call(api), read(api)
        return lambda _: update(item)

    return Deed(make)


def read(call: Callable[[pyWATS], object]) -> Deed:
    return Deed(lambda api: lambda _: call(api))


def submitted(api: pyWATS) -> Callable[[str], object]:
    def submit(key: str) -> object:
        body = {"id": str(uuid.uuid4()), "type": "T", "pn": PART, "sn": key, "rev": "A"}
        return api.report.submit_report(body)

    return submit


def unit(key: str) -> Unit:
    return Unit(serial_number=key, part_number=PART, revision="A")


DEEDS: dict[str, Deed] = {
    "product create": Deed(lambda api: lambda key: api.product.create_product(key, "new")),
    "product read": read(lambda api: api.product.get_product(PART)),
    "product update": again(
        lambda api: api.product.update_product, lambda api: api.product.get_product("PN-00004")
    ),
    "product delete": Deed(
        lambda api: api.product.delete_product, lambda api, key: api.product.create_product(key)
    ),
    "asset create": Deed(lambda api: lambda key: api.asset.create_asset(key, ASSET_TYPE)),
    "asset read": read(lambda api: api.asset.get_asset_by_serial("AS-00003")),
    "asset update": again(
        lambda api: api.asset.update_asset, lambda api: api.asset.get_asset_by_serial("AS-00004")
    ),
    "asset delete": Deed(
        lambda api: lambda key: api.asset.delete_asset(serial_number=key),
        lambda api, key: api.asset.create_asset(key, ASSET_TYPE),
    ),
    "unit create": Deed(lambda api: lambda key: api.production.create_units([unit(key)])),
    "unit read": read(lambda api: api.production.get_unit("SN-00003", PART)),
    "unit update": again(lambda api: api.production.update_unit, lambda _: unit("SN-00003")),
    "unit delete": Deed(
        lambda api: lambda key: api.production.delete_unit(key, PART),
        lambda api, key: api.production.create_units([unit(key)]),
    ),
    "report submit": Deed(submitted),
    "report read": read(lambda api: api.report.get_report(seeded(5, 0))),
    "report headers": read(lambda api: api.report.get_headers_by_serial("SN-00000")),
    "process read": read(lambda api: api.process.get_process_by_code(100)),
    "package create": Deed(lambda api: api.software.create_package),
    "package read": read(lambda api: api.software.get_package_by_name("Package 0")),
    "package update": again(
        lambda api: api.software.update_package,
        lambda api: api.software.create_package(f"updated-{uuid.uuid4()}"),
    ),
    "package delete": Deed(
        lambda api: api.software.delete_package_by_name,
        lambda api, key: api.software.create_package(key),
    ),
    "ticket create": Deed(lambda api: api.rootcause.create_ticket),
    "ticket read": read(lambda api: api.rootcause.get_ticket(seeded(0x61, 1))),
    "ticket update": again(
        lambda api: api.rootcause.update_ticket,
        lambda api: api.rootcause.create_ticket("to be updated"),
    ),
}


def opened(deed: Deed, enable_cache: bool, setting: Setting) -> Play:
    api = client(setting, enable_cache=enable_cache)
    call = deed.make(api)
    ready: list[Any] = []

    def prepare(count: int) -> None:
        tag = f"{setting.flavour}-{uuid.uuid4().hex[:8]}"
        ready[:] = [f"{tag}-{next(NUMBERS)}" for _ in range(count)]
        if deed.before is not None:
            for key in ready:
                deed.before(api, key)

    return Play(lambda _: [call(key) for key in ready], prepare)


PLAYS: dict[str, Callable[[Setting], Play]] = {
    f"crud {name} {cached}": partial(opened, deed, cached == "cached")
    for name, deed in DEEDS.items()
    for cached in ("uncached", "cached")
}
