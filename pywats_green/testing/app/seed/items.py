"""Thousands of products, assets, units and reports, generated from their numbers."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from pywats_green.testing.app.table import Series, numbered

PRODUCTS = 5000
ASSETS = 2000
UNITS = 5000
REPORTS = 60
REPAIR_EVERY = 6
YIELD = 0.9
SHARED_PRODUCTS = 1000

PROCESSES = (
    (10, "Structural Test", "test"),
    (50, "Programming", "test"),
    (100, "End of line test", "test"),
    (200, "Burn-in", "test"),
    (300, "Assembly", "wip"),
    (500, "Repair", "repair"),
    (510, "RMA Repair", "repair"),
)
PHASES: list[dict[str, Any]] = [
    {"UnitPhaseId": 1 << bit, "Code": name, "Name": name, "Description": name}
    for bit, name in enumerate(
        (
            "Unknown",
            "Under Production",
            "Production Repair",
            "Service Repair",
            "Finalized",
            "Scrapped",
            "Extended Test",
            "Customization",
            "Repaired",
            "Missing",
            "In Storage",
            "Shipped",
        )
    )
]


def guid(kind: int, number: int, seed: int = 0) -> str:
    """Return a readable GUID of kind, seed and number."""
    return f"{kind:08x}-{seed & 0xFFFF:04x}-4000-8000-{number:012x}"


def _moment(number: int) -> str:
    day, second = number % 28 + 1, number % 60
    return f"2024-{number % 12 + 1:02d}-{day:02d}T{number % 24:02d}:30:{second:02d}Z"


def _by_guid(kind: int, seed: int) -> Callable[[str], list[int]]:
    def find(value: str) -> list[int]:
        try:
            number = int(value[-12:], 16)
        except ValueError:
            return []
        return [number] if value == guid(kind, number, seed) else []

    return find


def products(count: int, seed: int) -> Series:
    """Return the products, from `PN-00000`."""
    finders = {"partNumber": numbered("PN-"), "productId": _by_guid(0xA, seed)}
    return Series(count, partial(product, seed=seed), finders)


def assets(count: int, seed: int) -> Series:
    """Return the assets, from `AS-00000`."""
    finders = {"serialNumber": numbered("AS-"), "assetId": _by_guid(0xE, seed)}
    return Series(count, partial(asset, seed=seed), finders)


def units(count: int, seed: int = 0) -> Series:  # noqa: ARG001 (as the others)
    """Return the units, from `SN-00000`."""
    of_product = numbered("PN-")

    def by_product(value: str) -> list[int]:
        return [
            unit_number
            for number in of_product(value)
            if number < SHARED_PRODUCTS
            for unit_number in range(number, count, SHARED_PRODUCTS)
        ]

    return Series(count, unit, {"serialNumber": numbered("SN-"), "partNumber": by_product})


def product(number: int, seed: int = 0) -> dict[str, Any]:
    """Return a product, such as `PN-00000`, with two revisions."""
    part_number = f"PN-{number:05d}"
    product_id = guid(0xA, number, seed)
    return {
        "partNumber": part_number,
        "name": f"Product {number}",
        "description": f"Test board no. {number}",
        "nonSerial": False,
        "state": 1,
        "productId": product_id,
        "xmlData": f'<tags><tag key="family">F{number % 7}</tag></tags>',
        "productCategoryId": guid(0xC, number % 3, seed),
        "productCategoryName": f"Category {number % 3}",
        "revisions": [
            revision(part_number, product_id, name, 2 * number + at, seed)
            for at, name in enumerate(("A", "B"))
        ],
        "tags": [{"key": "family", "value": f"F{number % 7}"}],
    }


def revision(part_number: str, product_id: str, name: str, number: int, seed: int) -> Any:
    """Return a revision of a product."""
    return {
        "revision": name,
        "name": f"{part_number} rev {name}",
        "description": f"Revision {name}",
        "state": 1,
        "productRevisionId": guid(0xB, number, seed),
        "productId": product_id,
        "xmlData": "",
        "partNumber": part_number,
        "tags": [{"key": "release", "value": name}],
    }


def asset(number: int, seed: int = 0) -> dict[str, Any]:
    """Return an asset, such as `AS-00000`; every tenth is the parent of the next nine."""
    parent = number - number % 10 if number % 10 else None
    return {
        "assetId": guid(0xE, number, seed),
        "serialNumber": f"AS-{number:05d}",
        "typeId": guid(0xF, number % 3, seed),
        "parentAssetId": None if parent is None else guid(0xE, parent, seed),
        "parentSerialNumber": None if parent is None else f"AS-{parent:05d}",
        "assetName": f"Asset {number}",
        "partNumber": f"PN-{number % 100:05d}",
        "revision": "A",
        "ClientId": number % 5,
        "state": 1,
        "description": f"Asset no. {number}",
        "location": f"Line {number % 4}",
        "firstSeenDate": _moment(number),
        "lastSeenDate": _moment(number + 5),
        "lastMaintenanceDate": _moment(number + 1),
        "nextMaintenanceDate": _moment(number + 7),
        "lastCalibrationDate": _moment(number + 2),
        "nextCalibrationDate": _moment(number + 8),
        "totalCount": number * 3 % 5000,
        "runningCount": number % 500,
        "tags": [{"key": "owner", "value": f"team {number % 6}"}],
    }


def unit(number: int) -> dict[str, Any]:
    """Return a unit, such as `SN-00000`, of product `PN-` number modulo 1,000."""
    return {
        "serialNumber": f"SN-{number:05d}",
        "partNumber": f"PN-{number % SHARED_PRODUCTS:05d}",
        "revision": "A",
        "parentSerialNumber": None,
        "batchNumber": f"B-{number % 20:03d}",
        "serialDate": _moment(number),
        "currentLocation": f"Line {number % 4}",
        "xmlData": "",
        "unitPhaseId": 2,
        "unitPhase": "Under Production",
        "processCode": "100",
        "tags": [{"key": "lot", "value": f"L{number % 9}"}],
    }


def report(number: int, seed: int = 0) -> dict[str, Any]:
    """Return a report in WSJF: a UUT, every sixth a UUR."""
    rng = random.Random(f"{seed}:report:{number}")  # noqa: S311 (content of a test)
    repair = number % REPAIR_EVERY == REPAIR_EVERY - 1
    document: dict[str, Any] = {
        "id": guid(0x5, number, seed),
        "type": "R" if repair else "T",
        "pn": f"PN-{number % 10:05d}",
        "sn": f"SN-{number % 10:05d}",
        "rev": "A",
        "processCode": 500 if repair else 100,
        "result": "P" if rng.random() < YIELD else "F",
        "machineName": f"Station {number % 3}",
        "location": "Line 1",
        "purpose": "Production",
        "start": _moment(number),
        "miscInfos": [{"description": "Operator note", "text": f"note {number}"}],
    }
    if repair:
        document["subUnits"] = [{"pn": document["pn"], "rev": "A", "sn": document["sn"], "idx": 0}]
        document["uur"] = {
            "user": "repairer",
            "processCode": 100,
            "testOperationCode": 100,
            "refUUT": guid(0x5, number - 1, seed),
            "confirmDate": document["start"],
            "finalizeDate": document["start"],
            "execTime": 60.0,
            "active": True,
        }
        return document
    document["subUnits"] = [{"pn": "PN-00999", "rev": "A", "sn": f"SUB-{number:05d}"}]
    document["uut"] = {"user": "operator", "fixtureId": "F1", "execTime": round(rng.random(), 3)}
    document["root"] = _root(document["result"], rng)
    log = base64.b64encode(f"log of report {number}\n".encode()).decode()
    document["binaryData"] = [{"contentType": "text/plain", "name": "log.txt", "data": log}]
    return document


def _root(result: str, rng: random.Random) -> dict[str, Any]:
    return {
        "stepType": "SequenceCall",
        "name": "MainSequence Callback",
        "group": "M",
        "status": result,
        "seqCall": {"path": "C:/Main.seq", "name": "Main.seq", "version": "1.0.0"},
        "steps": [
            {
                "stepType": "ET_NLT",
                "name": "Supply voltage",
                "group": "M",
                "status": result,
                "numericMeas": [
                    {
                        "status": result,
                        "value": round(4.5 + rng.random(), 4),
                        "unit": "V",
                        "compOp": "GELE",
                        "highLimit": 5.5,
                        "lowLimit": 4.5,
                    }
                ],
            }
        ],
    }
