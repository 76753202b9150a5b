"""The server's state."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from pywats_green.testing.app.odata.query import QuerySettings
from pywats_green.testing.app.seed.rows import SEEDS, file_contents, ticket_attachments
from pywats_green.testing.app.table import Row, Table

TABLES: dict[str, Callable[..., Table]] = {
    "products": partial(Table, "partNumber", indexes=("productId",), noun="Product"),
    "relations": partial(Table, "ProductRevisionRelationId", noun="Relation"),
    "product_groups": partial(Table, "id", noun="Product group"),
    "group_filters": partial(Table, "id"),
    "categories": partial(Table, "categoryId"),
    "vendors": partial(Table, "vendorId", noun="Vendor"),
    "boms": partial(Table, "partNumber", "revision"),
    "assets": partial(Table, "serialNumber", indexes=("assetId", "parentAssetId"), noun="Asset"),
    "asset_types": partial(Table, "typeId"),
    "asset_log": partial(Table, "logId", indexes=("assetId",)),
    "units": partial(
        Table, "serialNumber", "partNumber", indexes=("parentSerialNumber",), noun="Unit"
    ),
    "unit_changes": partial(Table, "id", indexes=("unitSerialNumber",), noun="Change"),
    "batches": partial(Table, "batchNumber"),
    "serial_numbers": partial(Table, "serialNumber", indexes=("typeName",)),
    "reports": partial(Table, "id", indexes=("sn", "pn"), noun="Report"),
    "headers": partial(Table, "uuid", indexes=("serialNumber", "partNumber")),
    "packages": partial(Table, "packageId", indexes=("name",), noun="Package"),
    "package_files": partial(Table, "fileId", indexes=("packageId",), noun="File"),
    "package_folders": partial(Table, "packageFolderId", indexes=("packageId",), noun="Folder"),
    "virtual_folders": partial(Table, "folderId", noun="Folder"),
    "downloads": partial(Table, "logId"),
    "tickets": partial(Table, "ticketId", noun="Ticket"),
    "users": partial(Table, "id", indexes=("userName",), noun="User"),
    "definitions": partial(Table, "TestSequenceDefinitionId", noun="Definition"),
    "definition_relations": partial(
        Table,
        "TestSequenceRelationId",
        indexes=("TestSequenceDefinitionId",),
        noun="Relation",
    ),
}

FIRST_IDS = {"product_groups": 100, "asset_log": 1, "unit_changes": 1, "downloads": 2}
"""Tables with numeric ids, and the id of their first new row; other tables use GUIDs."""


def utc_now() -> str:
    """Return the current time in WATS' format."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class State(dict[str, Table]):
    """The tables by name, files, and counters.

    Args:
        seed: Determines the content: the same seed gives the same rows and new ids.
        settings: Limits of queries.
    """

    def __init__(self, seed: int, settings: QuerySettings) -> None:
        self.seed = seed
        self.settings = settings
        for name, make in TABLES.items():
            self[name] = make(seed=SEEDS[name](seed) if name in SEEDS else None)
        self.reset()

    def reset(self) -> None:
        """Restore the seeded rows."""
        self.random = random.Random(f"{self.seed}:state")  # noqa: S311 (ids of a test)
        self._numbers: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.asset_files: dict[str, dict[str, bytes]] = {}
        self.wsxf: dict[str, bytes] = {}
        self.file_contents = file_contents(self.seed)
        self.ticket_attachments = ticket_attachments(self.seed)
        for table in self.values():
            table.reset()

    def new_guid(self) -> str:
        """Return a new id; the sequence depends only on the seed."""
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"

    def next_number(self, kind: str, first: int = 1) -> int:
        """Return the next number of a counter that starts at `first`."""
        self._numbers[kind] += 1
        return self._numbers[kind] + first - 1

    def insert(self, name: str, values: Mapping[str, Any]) -> Row:
        """Store a row in a table, with a new id if it has none."""
        key = self[name].key[0]
        number: Any = values.get(key)
        if not number:
            first = FIRST_IDS.get(name)
            number = self.new_guid() if first is None else self.next_number(name, first)
        return self[name].upsert({**values, key: number})
