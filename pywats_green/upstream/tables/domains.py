"""What may be cached of upstream's domains, for how long, and what a write invalidates.

A family is a set of reads that are invalidated together: one per domain, `app` for information
about the server, `other` for unknown paths. The write routes are in
`pywats_green.upstream.tables.writes`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pywats_green.ttls import DOMAINS
from pywats_green.upstream.tables.paths import PathTrie, segments_of
from pywats_green.upstream.tables.writes import WRITES

ALL_FAMILIES = DOMAINS


class Rule(NamedTuple):
    """How the reads below a path are cached.

    Attributes:
        prefix: Path prefix; the longest match applies.
        family: Family of the reads.
        ttl: Seconds for which an answer is cached. None: the client's `cache_ttl`. 0: not cached,
            unless the user sets a TTL for the family.
        fixed: Whether user settings are ignored: the read has side effects, probes the server, or
            changes without a write route in the table.
    """

    prefix: str
    family: str
    ttl: float | None
    fixed: bool = False


_CLIENTS = None
_HOUR = 3600.0
_LIVE = 0.0

_UNKNOWN = Rule("", "other", _LIVE)  # unknown what changes it, and what depends on it

RULES = (
    # Master data: edited at a desk now and then, read by every station all day. Writes of this
    # process show at once; those of others may take a while.
    Rule("/api/Product", "product", _CLIENTS),
    Rule("/api/Products", "product", _CLIENTS),
    Rule("/api/internal/Product", "product", _CLIENTS),
    Rule("/api/App/ProductGroups", "product", _CLIENTS),

    # May this fixture be used? That depends on its state, next calibration and counts, which every
    # station and every report changes. A five-minute-old yes invalidates a test.
    Rule("/api/Asset", "asset", _LIVE),
    Rule("/api/Assets", "asset", _LIVE),
    Rule("/api/internal/Blob/Asset", "asset", _LIVE),
    Rule("/api/internal/Blob/Assets", "asset", _LIVE),
    Rule("/api/Asset/Types", "asset", _CLIENTS),  # intervals and limits: master data

    # Where a unit is, what it passed, what it consists of, which serial number is free: the next
    # step on the line depends on it, and another station may have changed it a moment ago.
    Rule("/api/Production", "production", _LIVE),
    Rule("/api/internal/Production", "production", _LIVE),
    Rule("/api/internal/Mes", "production", _LIVE),
    # Plant configuration, like the processes: names of phases, number types and sites.
    Rule("/api/internal/Mes/GetUnitPhases", "production", _HOUR),
    Rule("/api/Production/Phases", "production", _HOUR),
    Rule("/api/Production/SerialNumbers/Types", "production", _CLIENTS),
    Rule("/api/internal/Production/GetSites", "production", _CLIENTS),
    Rule("/api/internal/Production/isConnected", "production", _LIVE, fixed=True),  # a probe

    # Headers answer "was this unit tested, and did it pass?" and so gate the next step; every
    # report of every station adds to them. A submitted report never changes.
    Rule("/api/Report", "report", _LIVE),
    Rule("/api/Report/Wsjf", "report", _CLIENTS),
    Rule("/api/Report/Wsxf", "report", _CLIENTS),
    Rule("/api/Report/Attachment", "report", _CLIENTS),
    Rule("/api/Report/Attachments", "report", _CLIENTS),
    Rule("/api/Report/Certificate", "report", _CLIENTS),

    # Packages are made at a desk, like products. Never cached: what decides whether a station may
    # keep using one or can skip an upload, and files, which are large and read once.
    Rule("/api/Software", "software", _CLIENTS),
    Rule("/api/internal/Software", "software", _CLIENTS),
    Rule("/api/internal/Software/GetRevokedPackages", "software", _LIVE),
    Rule("/api/internal/Software/GetAvailablePackages", "software", _LIVE),
    Rule("/api/internal/Software/CheckFile", "software", _LIVE),
    Rule("/api/internal/Software/DownloadFile", "software", _LIVE),
    Rule("/api/internal/Software/isConnected", "software", _LIVE, fixed=True),  # a probe
    Rule("/api/internal/Software/Log", "software", _LIVE, fixed=True),  # a GET that writes

    # Aggregates over many reports: one more hardly changes them, and they are expensive for the
    # server. Lists of single reports are like the headers.
    Rule("/api/App", "analytics", _CLIENTS),
    Rule("/api/Analytics", "analytics", _CLIENTS),
    Rule("/api/internal/App", "analytics", _CLIENTS),
    Rule("/api/App/UutReport", "analytics", _LIVE),
    Rule("/api/App/UurReport", "analytics", _LIVE),
    Rule("/api/App/SerialNumberHistory", "analytics", _LIVE),
    Rule("/api/internal/Trigger", "analytics", _LIVE),  # alarms
    # The answer to the last POST of this session, from any of its clients.
    Rule("/api/internal/UnitFlow", "analytics", _LIVE, fixed=True),

    # A ticket is a conversation. Answering one writes all of it back, so a comment missing from a
    # stale copy would be lost.
    Rule("/api/RootCause", "rootcause", _LIVE),
    Rule("/api/RootCause/Attachment", "rootcause", _CLIENTS),  # a file under a GUID of its own

    # A locked-out user must be locked out at once.
    Rule("/api/SCIM", "scim", _LIVE),
    Rule("/api/SCIM/v2/Token", "scim", _LIVE, fixed=True),  # creates a new secret on each call

    # Plant configuration: changes with a project, not with a shift.
    Rule("/api/Process", "process", _HOUR),
    Rule("/api/internal/Process", "process", _HOUR),
    Rule("/api/App/Processes", "process", _HOUR),

    # Definitions are made at a desk and released. A running inspection is state of a unit, which
    # writes to units and reports change; conflicts gate a release.
    Rule("/api/internal/ManualInspection", "manual_inspection", _CLIENTS),
    Rule("/api/internal/ManualInspection/GetMiDetails", "manual_inspection", _LIVE, fixed=True),
    Rule("/api/internal/ManualInspection/GetMiDetailsNew", "manual_inspection", _LIVE, fixed=True),
    Rule("/api/internal/ManualInspection/GetInstancesCount", "manual_inspection", _LIVE,
         fixed=True),
    Rule("/api/internal/ManualInspection/GetRelationConflicts", "manual_inspection", _LIVE),
    Rule("/api/internal/ManualInspection/GetRelationConflictsNew", "manual_inspection", _LIVE),
    Rule("/api/internal/ManualInspection/GetDefinitionCopy", "manual_inspection", _LIVE,
         fixed=True),  # a GET that writes

    Rule("/api/App/Levels", "app", _CLIENTS),
    Rule("/api/App/Version", "app", _LIVE, fixed=True),  # pyWATS.test_connection() reads it
)  # fmt: skip

FRESH_METHODS: frozenset[tuple[str, str]] = frozenset(
    (service, method)
    for service, methods in {
        # Read-modify-write, or writes that depend on what was read.
        "AsyncProductService": (
            "create_revision", "add_subunit", "set_product_tags", "add_product_tag",
            "set_revision_tags", "add_revision_tag",
            # Reads what the template's save() changes.
            "get_box_build_template",
        ),
        "AsyncBoxBuildTemplate": ("add_subunit", "reload"),
        "AsyncAssetService": ("add_child_asset",),
        "AsyncRootCauseService": ("add_comment", "change_status", "assign_ticket"),
        # Change the station's disk according to what they read.
        "AsyncSoftwareService": ("install", "install_many", "check_for_updates", "cleanup_revoked"),
        # Exist to read fresh data. The service caches phases itself and asks the server only if
        # it has none or is told to.
        "AsyncProcessService": ("refresh",),
        "AsyncProductionService": ("get_phases",),
    }.items()
    for method in methods
)  # fmt: skip
"""Methods of upstream's services whose reads must bypass the cache: (class, method)."""

_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def _last_name(template: str) -> str:
    return re.escape([part for part in segments_of(template) if not part.startswith("{")][-1])


_RULES_BY_PREFIX = {tuple(segments_of(rule.prefix)): rule for rule in RULES}


def _writes_by_method() -> dict[str, PathTrie[tuple[str, ...]]]:
    tries: defaultdict[str, PathTrie[tuple[str, ...]]] = defaultdict(PathTrie)
    for method, template, touches in WRITES:
        # Unknown paths may show the effect of any write.
        tries[method].add(template, (*touches, "other") if touches else ())
    return dict(tries)


_WRITES_BY_METHOD = _writes_by_method()


@lru_cache(maxsize=4096)  # a program repeats its paths
def rule_of(path: str) -> Rule:
    """Return how the reads of a path are cached.

    Args:
        path: As passed to a client, such as "/api/Product/X1"; a query is ignored.

    Returns:
        The rule with the longest prefix; for an unknown path, one of family "other".
    """
    segments = tuple(segments_of(path))
    for end in range(len(segments), 0, -1):
        rule = _RULES_BY_PREFIX.get(segments[:end])
        if rule is not None:
            return rule
    return _UNKNOWN


_INNER_FIRST = sorted(RULES, key=lambda rule: -rule.prefix.count("/"))

usual_rule: Callable[[str], re.Match[str] | None] = re.compile(
    r"(?!.*(?:[%\\]|[^\x00-\x7f]|//|/\.))/?(?:"
    + "|".join(f"({re.escape(rule.prefix[1:])})" for rule in _INNER_FIRST)
    + r")(?=[/?#]|$)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
).match
"""Matches paths in their usual spelling; the match's `lastindex` is the index in `RULE_OF_GROUP`.

Spares new paths the look-up in Python. None: use `rule_of`.
"""

RULE_OF_GROUP: tuple[Rule, ...] = (_UNKNOWN, *_INNER_FIRST)

# Finds what every path of a writing GET contains in any spelling; spares most GETs the look-up.
get_may_write: Callable[[str], object] = re.compile(
    "|".join([r"%|\\", *{_last_name(path) for method, path, _ in WRITES if method == "GET"}]),
    re.IGNORECASE,
).search


@lru_cache(maxsize=4096)
def touched_by(method: str, path: str) -> tuple[str, ...]:
    """Return the families whose reads a request may change.

    Args:
        method: HTTP method.
        path: As for `rule_of`.

    Returns:
        Nothing for a read. For a write, the families of its row; `ALL_FAMILIES` if it has none,
        to be safe. A few GETs write and have rows.
    """
    method = method.upper()
    writes = _WRITES_BY_METHOD.get(method)
    touched = None if writes is None else writes.find(path)
    if touched is not None:
        return touched
    return () if method in _READ_METHODS else ALL_FAMILIES
