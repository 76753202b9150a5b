"""The seeded rows of the smaller tables: groups, batches, software, tickets, users, sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pywats_green.testing.app.seed import guid

GLOBAL_DEFINITION = 2
CREATED = "2024-03-01T08:00:00Z"
MODIFIED = "2024-03-02T09:30:00Z"


def product_groups() -> Iterator[dict[str, Any]]:
    """Groups 1 to 3."""
    for number in range(1, 4):
        yield {
            "id": number,
            "name": f"Group {number}",
            "description": f"Product group no. {number}",
            "isPublic": True,
        }


def group_filters() -> Iterator[dict[str, Any]]:
    """One filter a group."""
    for number in range(1, 4):
        yield {
            "id": number,
            "productGroupId": number,
            "partNumber": f"PN-{number:05d}",
            "revision": "%",
            "include": True,
        }


def categories(seed: int) -> Iterator[dict[str, Any]]:
    """Product categories."""
    for number in range(3):
        name = f"Category {number}"
        yield {"categoryId": guid(0xC, number, seed), "name": name, "description": name}


def vendors(seed: int) -> Iterator[dict[str, Any]]:
    """Vendors of components."""
    for number, name in enumerate(("Acme", "Globex")):
        yield {"vendorId": guid(0xD, number, seed), "name": name}


def batches() -> Iterator[dict[str, Any]]:
    """Batches "B-000" to "B-019"."""
    for number in range(20):
        yield {"batchNumber": f"B-{number:03d}", "batchSize": 50 + number}


def unit_changes() -> Iterator[dict[str, Any]]:
    """A few changes of units, numbered from 1."""
    for number in range(1, 6):
        yield {
            "id": number,
            "unitSerialNumber": f"SN-{number:05d}",
            "newParentSerialNumber": None,
            "newPartNumber": f"PN-{number:05d}",
            "newRevision": "B",
            "newUnitPhaseId": 2,
        }


def packages(seed: int) -> Iterator[dict[str, Any]]:
    """Software packages "Package 0" to "Package 3", the first two released."""
    for number in range(4):
        yield {
            "packageId": guid(0x51, number, seed),
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
        }


def package_files(seed: int) -> Iterator[dict[str, Any]]:
    """Two files a package."""
    for number in range(8):
        yield {
            "fileId": guid(0x52, number, seed),
            "packageId": guid(0x51, number // 2, seed),
            "filename": f"file{number % 2}.txt",
            "path": f"bin/file{number % 2}.txt",
            "size": len(file_content(number)),
            "checksum": f"{number:040x}",
            "createdUtc": CREATED,
            "modifiedUtc": MODIFIED,
            "attributes": "0",
        }


def file_content(number: int) -> bytes:
    """What a seeded file holds."""
    return f"content of seeded file {number}\n".encode()


def file_contents(seed: int) -> dict[str, bytes]:
    """The seeded files by id."""
    return {guid(0x52, number, seed): file_content(number) for number in range(8)}


def package_folders(seed: int) -> Iterator[dict[str, Any]]:
    """The folder "bin" of each package, with the package's files."""
    for number in range(4):
        folder_id, package_id = guid(0x53, number, seed), guid(0x51, number, seed)
        yield {
            "packageFolderId": folder_id,
            "packageId": package_id,
            "parentFolderId": None,
            "name": "bin",
            "modified": MODIFIED,
            "packageFolderFiles": [
                _folder_file(folder_id, 2 * number + at, seed) for at in range(2)
            ],
            "packageFolders": [],
        }


def _folder_file(folder_id: str, number: int, seed: int) -> dict[str, Any]:
    return {
        "packageFolderFileId": guid(0x54, number, seed),
        "packageFolderId": folder_id,
        "repositoryFolderFileId": guid(0x52, number, seed),
        "attributes": 8 if number % 2 == 0 else 0,
        "repositoryFolderFile": {
            "repositoryFolderFileId": guid(0x52, number, seed),
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


def virtual_folders(seed: int) -> Iterator[dict[str, Any]]:
    """A root folder and one in it."""
    for number, (name, path) in enumerate((("Root", "/"), ("Stations", "/Stations"))):
        yield {
            "folderId": guid(0x55, number, seed),
            "parentId": None if number == 0 else guid(0x55, 0, seed),
            "name": name,
            "path": path,
            "description": f"Folder {name}",
            "isRestricted": False,
        }


def downloads() -> Iterator[dict[str, Any]]:
    """A log of downloads."""
    yield {
        "logId": 1,
        "clientId": 1,
        "packageName": "Package 0",
        "downloadSize": 1024,
        "downloadedUtc": MODIFIED,
    }


def tickets(seed: int) -> Iterator[dict[str, Any]]:
    """Tickets 1 to 5, their statuses in turn."""
    for number in range(1, 6):
        yield {
            "ticketId": guid(0x61, number, seed),
            "ticketNumber": number,
            "progress": "",
            "owner": "owner",
            "assignee": f"assignee {number % 2}",
            "subject": f"Ticket {number}",
            "status": 1 << (number - 1),
            "priority": number % 3,
            "reportUuid": guid(0x5, number, seed),
            "createdUtc": CREATED,
            "updatedUtc": MODIFIED,
            "team": "Team A",
            "origin": "API",
            "tags": [{"key": "area", "value": "test"}],
            "history": [
                {
                    "updateId": guid(0x62, number, seed),
                    "updateUtc": CREATED,
                    "updateUser": "owner",
                    "content": "Opened",
                    "updateType": 0,
                    "attachments": [
                        {"attachmentId": guid(0x63, number, seed), "filename": "trace.txt"}
                    ],
                }
            ],
        }


def ticket_attachments(seed: int) -> dict[str, tuple[str, bytes]]:
    """The seeded attachments by id: file name and content."""
    return {
        guid(0x63, number, seed): ("trace.txt", f"trace of ticket {number}\n".encode())
        for number in range(1, 6)
    }


def users(seed: int) -> Iterator[dict[str, Any]]:
    """Users "user0@example.com" and so on; enough for more than one page."""
    for number in range(25):
        yield {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": guid(0x41, number, seed),
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
        }


def definitions(seed: int) -> Iterator[dict[str, Any]]:
    """Manual inspection definitions 0 to 2, the last a global one."""
    for number in range(3):
        yield {
            "TestSequenceDefinitionId": guid(0x81, number, seed),
            "VirtualFolderId": guid(0x55, 0, seed),
            "Name": f"Inspection {number}",
            "Version": 1,
            "Description": f"Manual inspection no. {number}",
            "Created": CREATED,
            "CreatedBy": "seed",
            "CreatedBySite": "Headquarters",
            "Modified": MODIFIED,
            "ModifiedBy": "seed",
            "Status": (0, 2, 2)[number],
            "IsGlobal": number == GLOBAL_DEFINITION,
            "OnFailGotoCleanup": False,
            "OnFailRequireSubmit": False,
            "OnFailRequireRepair": 0,
            "LogOperator": True,
            "InstancesCount": number,
            "XAML": "<Activity />",
        }


def definition_relations(seed: int) -> Iterator[dict[str, Any]]:
    """One relation a definition, to a product."""
    for number in range(3):
        yield {
            "TestSequenceRelationId": guid(0x82, number, seed),
            "TestSequenceDefinitionId": guid(0x81, number, seed),
            "EntitySchema": "Product",
            "EntityName": "Product",
            "EntityKey": "PartNumber",
            "EntityValue": f"PN-{number:05d}",
            "Status": 1,
            "ProductName": f"Product {number}",
            "TestSequenceProcessRelations": [],
            "TestSequenceSiteRelations": [],
        }
