"""The write routes of upstream's ten domains, and the families of reads that each one changes.

Data only; look-ups are in `pywats_green.upstream.tables.domains`. tests/cache/test_domains.py
compares it with the installed upstream: every route it calls has a row, and every row is called.
"""

from __future__ import annotations

from typing import NamedTuple


class Write(NamedTuple):
    """One route that writes, or looks as if it did.

    Attributes:
        method: HTTP method.
        template: Path, with `{name}` for a variable segment.
        touches: Families whose reads may change. Empty for a route that only reads despite its
            method.
    """

    method: str
    template: str
    touches: tuple[str, ...]


# A POST or PUT whose body is merely a query.
_ASKS: tuple[str, ...] = ()

# Units include their product and revision with names, categories and tags; yields are listed by
# product name and group.
_PRODUCT = ("product", "production", "analytics")
# What a unit is built from: shown with the unit, checked against it, not part of any statistics.
_BUILD = ("product", "production")
# Statistics are filtered and listed by product group.
_GROUP = ("product", "analytics")
_VENDOR = ("product",)

# Unit flow, serial number history and batch yields are derived from units.
_UNIT = ("production", "analytics")
# Report headers follow a unit to its new part number.
_REBRAND = ("production", "analytics", "report")
# The serial number pool and the change log: neither units nor statistics.
_POOL = ("production",)

_ASSET = ("asset",)

# A report updates its unit, the statistics, and the usage counts of its assets. On some servers it
# also creates unknown products. "product" is left out all the same: on a line that reports, no
# product would ever stay cached, and all that is missed is a new name in a list, until its TTL.
_REPORT = ("report", "analytics", "production", "asset")

_SOFTWARE = ("software",)
_TICKET = ("rootcause",)
# Tickets show their assignee.
_USER = ("scim", "rootcause")
_INSPECTION = ("manual_inspection",)

WRITES = tuple(Write(*row) for row in (
    # product
    ("PUT", "/api/Product", _PRODUCT),
    ("PUT", "/api/Product/Products", _PRODUCT),
    ("PUT", "/api/Product/Revision", _PRODUCT),
    ("PUT", "/api/Product/Revisions", _PRODUCT),
    ("DELETE", "/api/Product/{partNumber}", _PRODUCT),
    ("DELETE", "/api/Product/{partNumber}/{revision}", _PRODUCT),
    ("PUT", "/api/internal/Product/PutProductCategories", _PRODUCT),
    ("PUT", "/api/internal/Product/PutProductTags", _PRODUCT),
    ("PUT", "/api/internal/Product/PutRevisionTags", _PRODUCT),
    ("PUT", "/api/Product/BOM", _BUILD),
    ("PUT", "/api/internal/Product/BOM", _BUILD),
    ("POST", "/api/internal/Product/PostProductRevisionRelation", _BUILD),
    ("PUT", "/api/internal/Product/PutProductRevisionRelation", _BUILD),
    ("DELETE", "/api/internal/Product/DeleteProductRevisionRelation", _BUILD),
    ("PUT", "/api/Product/Group", _GROUP),
    ("POST", "/api/Product/ProductGroup", _GROUP),
    ("PUT", "/api/Product/ProductGroup", _GROUP),
    ("DELETE", "/api/Product/ProductGroup/{groupId}", _GROUP),
    ("PUT", "/api/Product/Vendors", _VENDOR),
    ("DELETE", "/api/Product/Vendors/{vendorId}", _VENDOR),

    # asset
    ("PUT", "/api/Asset", _ASSET),
    ("DELETE", "/api/Asset", _ASSET),
    ("PUT", "/api/Asset/State", _ASSET),
    ("PUT", "/api/Asset/Count", _ASSET),
    ("POST", "/api/Asset/ResetRunningCount", _ASSET),
    ("PUT", "/api/Asset/SetRunningCount", _ASSET),
    ("PUT", "/api/Asset/SetTotalCount", _ASSET),
    ("POST", "/api/Asset/Calibration", _ASSET),
    ("POST", "/api/Asset/Calibration/External", _ASSET),
    ("POST", "/api/Asset/Maintenance", _ASSET),
    ("POST", "/api/Asset/Maintenance/External", _ASSET),
    ("POST", "/api/Asset/Message", _ASSET),
    ("PUT", "/api/Asset/Types", _ASSET),
    ("POST", "/api/internal/Blob/Asset", _ASSET),
    ("DELETE", "/api/internal/Blob/Assets", _ASSET),

    # production
    ("PUT", "/api/Production/Units", _UNIT),
    ("POST", "/api/Production/Unit", _UNIT),
    ("PUT", "/api/Production/Unit", _UNIT),
    ("DELETE", "/api/Production/Unit", _UNIT),
    ("PUT", "/api/Production/ChangeUnit", _REBRAND),
    ("PUT", "/api/Production/UnitTag", _UNIT),
    ("PUT", "/api/Production/SetUnitPhase", _UNIT),
    ("PUT", "/api/Production/SetUnitProcess", _UNIT),
    ("POST", "/api/Production/AddChildUnit", _UNIT),
    ("POST", "/api/Production/RemoveChildUnit", _UNIT),
    ("POST", "/api/internal/Production/CreateUnit", _UNIT),
    ("POST", "/api/internal/Production/AddChildUnit", _UNIT),
    ("POST", "/api/internal/Production/RemoveChildUnit", _UNIT),
    ("POST", "/api/internal/Production/RemoveAllChildUnits", _UNIT),
    ("PUT", "/api/Production/Batch", _UNIT),
    ("PUT", "/api/Production/Batches", _UNIT),
    ("DELETE", "/api/Production/Units/Changes/{changeId}", _POOL),
    ("PUT", "/api/Production/SerialNumbers", _POOL),
    ("POST", "/api/Production/SerialNumbers/Take", _POOL),
    ("POST", "/api/internal/Production/GetAndReserveNewSerialNumbers", _POOL),
    ("PUT", "/api/internal/Production/SerialNumbers/Free", _POOL),
    ("DELETE", "/api/internal/Production/SerialNumbers/Free", _POOL),

    # report
    ("POST", "/api/Report/WSJF", _REPORT),
    ("POST", "/api/Report/WSXF", _REPORT),

    # software
    ("POST", "/api/Software/Package", _SOFTWARE),
    ("PUT", "/api/Software/Package/{packageId}", _SOFTWARE),
    ("DELETE", "/api/Software/Package/{packageId}", _SOFTWARE),
    ("DELETE", "/api/Software/PackageByName", _SOFTWARE),
    ("POST", "/api/Software/PackageStatus/{packageId}", _SOFTWARE),
    ("POST", "/api/Software/Package/UploadZip/{packageId}", _SOFTWARE),
    ("POST", "/api/Software/Package/FileAttribute/{fileId}", _SOFTWARE),
    ("POST", "/api/Software/VirtualFolder", _SOFTWARE),
    ("PUT", "/api/Software/VirtualFolder", _SOFTWARE),
    ("DELETE", "/api/Software/VirtualFolder/{folderId}", _SOFTWARE),
    ("POST", "/api/internal/Software/PostPackageFolder", _SOFTWARE),
    ("POST", "/api/internal/Software/UpdatePackageFolder", _SOFTWARE),
    ("POST", "/api/internal/Software/DeletePackageFolder", _SOFTWARE),
    ("POST", "/api/internal/Software/DeletePackageFolderFiles", _SOFTWARE),
    ("GET", "/api/internal/Software/Log", _SOFTWARE),  # records a download

    # analytics: queries too long for a query string
    ("POST", "/api/App/DynamicYield", _ASKS),
    ("POST", "/api/App/VolumeYield", _ASKS),
    ("POST", "/api/App/HighVolume", _ASKS),
    ("POST", "/api/App/HighVolumeByProductGroup", _ASKS),
    ("POST", "/api/App/WorstYield", _ASKS),
    ("POST", "/api/App/WorstYieldByProductGroup", _ASKS),
    ("POST", "/api/App/DynamicRepair", _ASKS),
    ("POST", "/api/App/TopFailed", _ASKS),
    ("POST", "/api/App/TestStepAnalysis", _ASKS),
    ("POST", "/api/App/ConnectionAndExecutionTime", _ASKS),
    ("POST", "/api/App/Measurements", _ASKS),
    ("POST", "/api/App/AggregatedMeasurements", _ASKS),
    ("POST", "/api/App/OeeAnalysis", _ASKS),
    ("POST", "/api/App/SerialNumberHistory", _ASKS),
    ("POST", "/api/App/UutReport", _ASKS),
    ("POST", "/api/App/UurReport", _ASKS),
    ("POST", "/api/internal/App/MeasurementList", _ASKS),
    ("POST", "/api/internal/App/StepStatusList", _ASKS),
    ("POST", "/api/internal/App/TopFailed", _ASKS),
    ("POST", "/api/internal/Trigger/GetAlarmAndNotificationLogs", _ASKS),
    # These store their result on the server for GET UnitFlow/Nodes, Links and Units, which are
    # therefore never cached (RULES); the statistics do not change.
    ("POST", "/api/internal/UnitFlow", _ASKS),
    ("POST", "/api/internal/UnitFlow/SN", _ASKS),
    ("POST", "/api/internal/UnitFlow/SplitBy", _ASKS),
    ("POST", "/api/internal/UnitFlow/UnitOrder", _ASKS),

    # rootcause
    ("POST", "/api/RootCause/Ticket", _TICKET),
    ("PUT", "/api/RootCause/Ticket", _TICKET),
    ("POST", "/api/RootCause/ArchiveTickets", _TICKET),
    ("POST", "/api/RootCause/Attachment", _TICKET),

    # scim
    ("POST", "/api/SCIM/v2/Users", _USER),
    ("PATCH", "/api/SCIM/v2/Users/{id}", _USER),
    ("DELETE", "/api/SCIM/v2/Users/{id}", _USER),

    # process: upstream writes nothing there

    # manual_inspection
    ("POST", "/api/internal/ManualInspection/PostDefinition", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/PutDefinitionNew", _INSPECTION),
    ("GET", "/api/internal/ManualInspection/GetDefinitionCopy/{id}", _INSPECTION),  # creates it
    ("POST", "/api/internal/ManualInspection/PostRelation", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/PutRelation", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/DeleteRelationNew", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/PutSequence", _INSPECTION),
    ("DELETE", "/api/internal/ManualInspection/DeleteSequence/{id}", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/PutTestSequenceDefinitionXaml", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/PutStringTest", _INSPECTION),
    ("PUT", "/api/internal/ManualInspection/ValidateMiscInfo", _ASKS),
))  # fmt: skip
