"""How services handle broken responses: each call under each fault, strict and lenient.

A fault is planted in the embedded server for the next request, whatever it is.
"""

from typing import Any
from uuid import UUID

from parity.rows import call, guid
from parity.tables.report import WSJF

CALLS = (
    ("product", call("get_product", "PN-00001")),
    ("product", call("get_box_build_template", "PN-00001", "A")),
    ("report", call("submit", WSJF)),
    ("report", call("query_uut_headers", top=2)),
    ("report", call("get_certificate", guid(0x5, 0))),
    ("asset", call("create_asset", "AS-NEW", UUID(guid(0xF, 0)))),
    ("production", call("is_unit_passing", "SN-00001", "PN-00001")),
    ("process", call("get_processes")),
    ("software", call("get_packages_by_tag_internal", "//*[PartNumber[.='PN-00001']]")),
    ("analytics", call("get_unit_flow")),
    ("scim", call("delete_user", guid(0x91, 0))),
)

FAULTS: dict[str, dict[str, Any]] = {
    **{f"status {status}": {"mode": "status", "status": status} for status in (
        304, 400, 401, 403, 404, 409, 418, 429, 500, 503,
    )},
    "429 with Retry-After": {"mode": "status", "status": 429, "retry_after": 1},
    "reset": {"mode": "reset"},
    "close": {"mode": "close"},
    "cut": {"mode": "cut"},
    "hang": {"mode": "hang"},
    "html": {"mode": "html"},
    "redirect": {"mode": "redirect", "status": 302, "location": "/api/App/Version"},
    "redirect to nowhere": {"mode": "redirect", "status": 307, "location": "/nowhere"},
}  # fmt: skip
