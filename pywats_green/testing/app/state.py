"""All that the server remembers between requests."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timezone
from typing import Any

from pywats_green.testing.app import seed as seeds
from pywats_green.testing.app import seed_more as more
from pywats_green.testing.app.query import QuerySettings
from pywats_green.testing.app.table import Table
from pywats_green.testing.app.wsjf import header_of


def utc_now() -> str:
    """The time as WATS writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class State:
    """The tables of all domains.

    Args:
        seed: Decides the content; the same seed gives the same rows and the same new ids.
        settings: The caps of queries.
    """

    def __init__(self, seed: int, settings: QuerySettings) -> None:
        self.seed = seed
        self.settings = settings
        self._make_items()
        self._make_reports()
        self._make_rest()
        self._tables = [value for value in vars(self).values() if isinstance(value, Table)]
        self.reset()

    def reset(self) -> None:
        """Back to the seeded rows."""
        seed = self.seed
        self.random = random.Random(f"{seed}:state")  # noqa: S311 (ids of a test)
        self._numbers: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.asset_files: dict[str, dict[str, bytes]] = {}
        self.wsxf: dict[str, bytes] = {}
        self.file_contents = more.file_contents(seed)
        self.ticket_attachments = more.ticket_attachments(seed)
        for table in self._tables:
            table.reset()

    def _make_items(self) -> None:
        seed = self.seed
        self.products = Table(
            "partNumber",
            indexes=("productId",),
            seed=seeds.products(seeds.PRODUCTS, seed),
        )
        self.relations = Table("ProductRevisionRelationId")
        self.product_groups = Table("id", seed=more.product_groups)
        self.group_filters = Table("id", seed=more.group_filters)
        self.categories = Table("categoryId", seed=lambda: more.categories(seed))
        self.vendors = Table("vendorId", seed=lambda: more.vendors(seed))
        self.boms = Table("partNumber", "revision")
        self.assets = Table(
            "serialNumber",
            indexes=("assetId", "parentAssetId"),
            seed=seeds.assets(seeds.ASSETS, seed),
        )
        self.asset_types = Table("typeId", seed=lambda: seeds.asset_types(seed))
        self.asset_log = Table("logId", indexes=("assetId",))
        self.units = Table(
            "serialNumber",
            "partNumber",
            indexes=("parentSerialNumber",),
            seed=seeds.units(seeds.UNITS),
        )
        self.unit_changes = Table("id", indexes=("unitSerialNumber",), seed=more.unit_changes)
        self.batches = Table("batchNumber", seed=more.batches)
        self.serial_numbers = Table("serialNumber", indexes=("typeName",))

    def _make_reports(self) -> None:
        seed = self.seed
        numbers = range(seeds.REPORTS)
        self.reports = Table(
            "id", indexes=("sn", "pn"), seed=lambda: (seeds.report(n, seed) for n in numbers)
        )
        self.headers = Table(
            "uuid",
            indexes=("serialNumber", "partNumber"),
            seed=lambda: (header_of(seeds.report(n, seed)) for n in numbers),
        )

    def _make_rest(self) -> None:
        seed = self.seed
        self.packages = Table("packageId", indexes=("name",), seed=lambda: more.packages(seed))
        self.package_files = Table(
            "fileId", indexes=("packageId",), seed=lambda: more.package_files(seed)
        )
        self.package_folders = Table(
            "packageFolderId", indexes=("packageId",), seed=lambda: more.package_folders(seed)
        )
        self.virtual_folders = Table("folderId", seed=lambda: more.virtual_folders(seed))
        self.downloads = Table("logId", seed=more.downloads)
        self.tickets = Table("ticketId", seed=lambda: more.tickets(seed))
        self.users = Table("id", indexes=("userName",), seed=lambda: more.users(seed))
        self.definitions = Table("TestSequenceDefinitionId", seed=lambda: more.definitions(seed))
        self.definition_relations = Table(
            "TestSequenceRelationId",
            indexes=("TestSequenceDefinitionId",),
            seed=lambda: more.definition_relations(seed),
        )

    def seed_products(self, count: int) -> None:
        """Replace all products by `count` made ones, PN-00000 first."""
        self.products.seed_with(seeds.products(count, self.seed))

    def seed_assets(self, count: int) -> None:
        """Replace all assets by `count` made ones, AS-00000 first."""
        self.assets.seed_with(seeds.assets(count, self.seed))

    def seed_units(self, count: int) -> None:
        """Replace all units by `count` made ones, SN-00000 first."""
        self.units.seed_with(seeds.units(count))

    def new_guid(self) -> str:
        """A new id, the same sequence for the same seed."""
        bits = self.random.getrandbits(128)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"

    def next_number(self, kind: str, first: int = 1) -> int:
        """The next number of a counter that starts at `first`."""
        self._numbers[kind] += 1
        return self._numbers[kind] + first - 1

    def table(self, kind: str) -> Table:
        """A table by the name of its attribute.

        Raises:
            KeyError: There is no such table.
        """
        found: Any = getattr(self, kind, None)
        if not isinstance(found, Table):
            raise KeyError(kind)
        return found
