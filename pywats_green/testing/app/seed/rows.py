"""The server's initial rows, determined by the seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pywats_green.testing.app.seed import items
from pywats_green.testing.app.table import Series
from pywats_green.testing.app.wsjf import header_of

CREATED = "2024-03-01T08:00:00Z"
MODIFIED = "2024-03-02T09:30:00Z"
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"

Guid = Callable[[int, int], str]
"""From a kind of thing and its number to its id."""


def few(count: int, make: Callable[[int, Guid], dict[str, Any]]) -> Callable[[int], Series]:
    """Return a series of rows generated from their numbers, 0 to `count` - 1."""

    def seeded(seed: int) -> Series:
        guid = partial(items.guid, seed=seed)
        return Series(count, lambda number: make(number, guid))

    return seeded


def file_content(number: int) -> bytes:
    """Return the content of a seeded file of a software package."""
    return f"content of seeded file {number}\n".encode()


def file_contents(seed: int) -> dict[str, bytes]:
    """Return the seeded files of software packages by id."""
    return {items.guid(0x52, number, seed): file_content(number) for number in range(8)}


def ticket_attachments(seed: int) -> dict[str, tuple[str, bytes]]:
    """Return the seeded attachments of tickets by id: file name and content."""
    return {
        items.guid(0x63, number, seed): ("trace.txt", f"trace of ticket {number}\n".encode())
        for number in range(1, 6)
    }


def _folder(number: int, guid: Guid) -> dict[str, Any]:
    folder = guid(0x53, number)
    return {
        "packageFolderId": folder,
        "packageId": guid(0x51, number),
        "parentFolderId": None,
        "name": "bin",
        "modified": MODIFIED,
        "packageFolderFiles": [_folder_file(folder, 2 * number + at, guid) for at in range(2)],
        "packageFolders": [],
    }


def _folder_file(folder: str, number: int, guid: Guid) -> dict[str, Any]:
    return {
        "packageFolderFileId": guid(0x54, number),
        "packageFolderId": folder,
        "repositoryFolderFileId": guid(0x52, number),
        "attributes": 8 if number % 2 == 0 else 0,
        "repositoryFolderFile": {
            "repositoryFolderFileId": guid(0x52, number),
            "name": f"file{number % 2}.txt",
            "fileModifiedDate": MODIFIED,
            "fileSize": len(file_content(number)),
            "checksum": "c2VlZA==",
            "valid": True,
            "version": 1,
            "fileVersion": "1.0",
            "description": "",
        },
    }


SEEDS: dict[str, Callable[[int], Series]] = {
    "products": partial(items.products, items.PRODUCTS),
    "assets": partial(items.assets, items.ASSETS),
    "units": partial(items.units, items.UNITS),
    "reports": lambda seed: Series(items.REPORTS, partial(items.report, seed=seed)),
    "headers": lambda seed: Series(
        items.REPORTS, lambda number: header_of(items.report(number, seed))
    ),
    "product_groups": few(
        3,
        lambda number, _: {
            "id": number + 1,
            "name": f"Group {number + 1}",
            "description": f"Product group no. {number + 1}",
            "isPublic": True,
        },
    ),
    "group_filters": few(
        3,
        lambda number, _: {
            "id": number + 1,
            "productGroupId": number + 1,
            "partNumber": f"PN-{number + 1:05d}",
            "revision": "%",
            "include": True,
        },
    ),
    "categories": few(
        3,
        lambda number, guid: {
            "categoryId": guid(0xC, number),
            "name": f"Category {number}",
            "description": f"Category {number}",
        },
    ),
    "vendors": few(
        2,
        lambda number, guid: {
            "vendorId": guid(0xD, number),
            "name": ("Acme", "Globex")[number],
        },
    ),
    "asset_types": few(
        3,
        lambda number, guid: {
            "typeName": ("Fixture", "Multimeter", "Station")[number],
            "typeId": guid(0xF, number),
            "runningCountLimit": 1000,
            "totalCountLimit": 100_000,
            "maintenanceInterval": 180.0,
            "calibrationInterval": 365.0,
            "warningThreshold": 80.0,
            "alarmThreshold": 95.0,
            "isReadonly": False,
            "icon": "fixture",
        },
    ),
    "unit_changes": few(
        5,
        lambda number, _: {
            "id": number + 1,
            "unitSerialNumber": f"SN-{number + 1:05d}",
            "newParentSerialNumber": None,
            "newPartNumber": f"PN-{number + 1:05d}",
            "newRevision": "B",
            "newUnitPhaseId": 2,
        },
    ),
    "batches": few(
        20, lambda number, _: {"batchNumber": f"B-{number:03d}", "batchSize": 50 + number}
    ),
    "packages": few(
        4,
        lambda number, guid: {
            "packageId": guid(0x51, number),
            "name": f"Package {number}",
            "description": f"Software package no. {number}",
            "version": number + 1,
            "status": ("Released", "Released", "Draft", "Pending")[number],
            "installOnRoot": False,
            "rootDirectory": None,
            "priority": number,
            "tags": [{"key": "line", "value": f"L{number % 2}"}],
            "createdUtc": CREATED,
            "modifiedUtc": MODIFIED,
            "createdBy": "seed",
            "modifiedBy": "seed",
        },
    ),
    "package_files": few(
        8,
        lambda number, guid: {
            "fileId": guid(0x52, number),
            "packageId": guid(0x51, number // 2),
            "filename": f"file{number % 2}.txt",
            "path": f"bin/file{number % 2}.txt",
            "size": len(file_content(number)),
            "checksum": f"{number:040x}",
            "createdUtc": CREATED,
            "modifiedUtc": MODIFIED,
            "attributes": "0",
        },
    ),
    "package_folders": few(4, _folder),
    "virtual_folders": few(
        2,
        lambda number, guid: {
            "folderId": guid(0x55, number),
            "parentId": None if number == 0 else guid(0x55, 0),
            "name": ("Root", "Stations")[number],
            "path": ("/", "/Stations")[number],
            "description": ("Folder Root", "Folder Stations")[number],
            "isRestricted": False,
        },
    ),
    "downloads": few(
        1,
        lambda number, _: {
            "logId": number + 1,
            "clientId": 1,
            "packageName": "Package 0",
            "downloadSize": 1024,
            "downloadedUtc": MODIFIED,
        },
    ),
    "tickets": few(
        5,
        lambda number, guid: {
            "ticketId": guid(0x61, number + 1),
            "ticketNumber": number + 1,
            "progress": "",
            "owner": "owner",
            "assignee": f"assignee {(number + 1) % 2}",
            "subject": f"Ticket {number + 1}",
            "status": 1 << number,
            "priority": (number + 1) % 3,
            "reportUuid": guid(0x5, number + 1),
            "createdUtc": CREATED,
            "updatedUtc": MODIFIED,
            "team": "Team A",
            "origin": "API",
            "tags": [{"key": "area", "value": "test"}],
            "history": [
                {
                    "updateId": guid(0x62, number + 1),
                    "updateUtc": CREATED,
                    "updateUser": "owner",
                    "content": "Opened",
                    "updateType": 0,
                    "attachments": [
                        {"attachmentId": guid(0x63, number + 1), "filename": "trace.txt"}
                    ],
                }
            ],
        },
    ),
    "users": few(
        25,
        lambda number, guid: {
            "schemas": [USER_SCHEMA],
            "id": guid(0x41, number),
            "userName": f"user{number}@example.com",
            "displayName": f"User {number}",
            "active": True,
            "externalId": f"ext-{number}",
            "name": {
                "formatted": f"User {number}",
                "givenName": "User",
                "familyName": str(number),
            },
            "emails": [{"value": f"user{number}@example.com", "type": "work", "primary": True}],
            "meta": {"resourceType": "User", "created": CREATED, "lastModified": MODIFIED},
        },
    ),
    "definitions": few(
        3,
        lambda number, guid: {
            "TestSequenceDefinitionId": guid(0x81, number),
            "VirtualFolderId": guid(0x55, 0),
            "Name": f"Inspection {number}",
            "Version": 1,
            "Description": f"Manual inspection no. {number}",
            "Created": CREATED,
            "CreatedBy": "seed",
            "CreatedBySite": "Headquarters",
            "Modified": MODIFIED,
            "ModifiedBy": "seed",
            "Status": (0, 2, 2)[number],
            "IsGlobal": (False, False, True)[number],
            "OnFailGotoCleanup": False,
            "OnFailRequireSubmit": False,
            "OnFailRequireRepair": 0,
            "LogOperator": True,
            "InstancesCount": number,
            "XAML": "<Activity />",
        },
    ),
    "definition_relations": few(
        3,
        lambda number, guid: {
            "TestSequenceRelationId": guid(0x82, number),
            "TestSequenceDefinitionId": guid(0x81, number),
            "EntitySchema": "Product",
            "EntityName": "Product",
            "EntityKey": "PartNumber",
            "EntityValue": f"PN-{number:05d}",
            "Status": 1,
            "ProductName": f"Product {number}",
            "TestSequenceProcessRelations": [],
            "TestSequenceSiteRelations": [],
        },
    ),
}
"""From the seed of the server to the first rows of a table."""
