"""What may be cached of upstream's domains, for how long, and what a write makes out of date.

A family is a set of reads that are invalidated together: one per domain, `app` for what the server
says of itself, `other` for paths that are not known here. The write routes are in
`pywats_green.upstream.tables.writes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pywats_green.config import DOMAINS
from pywats_green.upstream.tables.paths import segments_of
from pywats_green.upstream.tables.writes import WRITES

ALL_FAMILIES = DOMAINS


class Rule(NamedTuple):
    """How the reads below a path are cached.

    Attributes:
        prefix: The path, without what follows; of all that fit, the longest counts.
        family: What they belong to.
        ttl: Seconds that an answer is cached for; None: the client's own `cache_ttl`; 0: not
            cached, unless the user sets a TTL for the family.
        fixed: Whatever the user sets, the TTL stays: a read that acts, that tells whether the
            server is there, or whose changes no write route of the table tells of.
    """

    prefix: str
    family: str
    ttl: float | None
    fixed: bool = False


_CLIENTS = None
_HOUR = 3600.0
_LIVE = 0.0

_UNKNOWN = Rule("", "other", _LIVE)  # nobody here knows what changes it, nor what it decides

RULES = (
    # Master data. People change it at a desk, now and then, and every station asks for it all
    # day. For its own process's writes a client need not wait; for others' it may, a while.
    Rule("/api/Product", "product", _CLIENTS),
    Rule("/api/Products", "product", _CLIENTS),
    Rule("/api/internal/Product", "product", _CLIENTS),
    Rule("/api/App/ProductGroups", "product", _CLIENTS),

    # May this fixture be used? Its state, its next calibration and its counts decide that, and
    # every station and every report changes them. A five minutes old yes is a wrong test.
    Rule("/api/Asset", "asset", _LIVE),
    Rule("/api/Assets", "asset", _LIVE),
    Rule("/api/internal/Blob/Asset", "asset", _LIVE),
    Rule("/api/internal/Blob/Assets", "asset", _LIVE),
    Rule("/api/Asset/Types", "asset", _CLIENTS),  # intervals and limits, as master data

    # Where a unit is, what it passed, what it is made of, which serial number is free: the next
    # step on the line hangs on it, and another station may have changed it a moment ago.
    Rule("/api/Production", "production", _LIVE),
    Rule("/api/internal/Production", "production", _LIVE),
    Rule("/api/internal/Mes", "production", _LIVE),
    # The plant's set-up, as the processes: the names of phases, number types and sites.
    Rule("/api/internal/Mes/GetUnitPhases", "production", _HOUR),
    Rule("/api/Production/Phases", "production", _HOUR),
    Rule("/api/Production/SerialNumbers/Types", "production", _CLIENTS),
    Rule("/api/internal/Production/GetSites", "production", _CLIENTS),
    Rule("/api/internal/Production/isConnected", "production", _LIVE, fixed=True),  # a probe

    # "Has this unit been tested, and how did it end?" is asked of the headers, as a gate; they
    # grow with every report of every station. A report itself stays as it was submitted.
    Rule("/api/Report", "report", _LIVE),
    Rule("/api/Report/Wsjf", "report", _CLIENTS),
    Rule("/api/Report/Wsxf", "report", _CLIENTS),
    Rule("/api/Report/Attachment", "report", _CLIENTS),
    Rule("/api/Report/Attachments", "report", _CLIENTS),
    Rule("/api/Report/Certificate", "report", _CLIENTS),

    # Packages are made at a desk, like products. What decides that a station may go on using
    # one, or need not upload a file, is asked of the server; files are read once and large.
    Rule("/api/Software", "software", _CLIENTS),
    Rule("/api/internal/Software", "software", _CLIENTS),
    Rule("/api/internal/Software/GetRevokedPackages", "software", _LIVE),
    Rule("/api/internal/Software/GetAvailablePackages", "software", _LIVE),
    Rule("/api/internal/Software/CheckFile", "software", _LIVE),
    Rule("/api/internal/Software/DownloadFile", "software", _LIVE),
    Rule("/api/internal/Software/isConnected", "software", _LIVE, fixed=True),  # a probe
    Rule("/api/internal/Software/Log", "software", _LIVE, fixed=True),  # a GET that writes

    # Figures over many reports: one more or less changes none of them much, and asking is dear
    # for the server. Lists of single reports are the headers again.
    Rule("/api/App", "analytics", _CLIENTS),
    Rule("/api/Analytics", "analytics", _CLIENTS),
    Rule("/api/internal/App", "analytics", _CLIENTS),
    Rule("/api/App/UutReport", "analytics", _LIVE),
    Rule("/api/App/UurReport", "analytics", _LIVE),
    Rule("/api/App/SerialNumberHistory", "analytics", _LIVE),
    Rule("/api/internal/Trigger", "analytics", _LIVE),  # alarms
    # The answer to the last POST of this session, whoever of its clients made it.
    Rule("/api/internal/UnitFlow", "analytics", _LIVE, fixed=True),

    # A ticket is a conversation. Who reads one to answer writes all of it back, so a comment
    # that was not yet in an old copy would be lost.
    Rule("/api/RootCause", "rootcause", _LIVE),
    Rule("/api/RootCause/Attachment", "rootcause", _CLIENTS),  # a file under a GUID of its own

    # A user who was locked out must be out.
    Rule("/api/SCIM", "scim", _LIVE),
    Rule("/api/SCIM/v2/Token", "scim", _LIVE, fixed=True),  # makes a new secret at each call

    # The plant's set-up: changes with a project, not with a shift.
    Rule("/api/Process", "process", _HOUR),
    Rule("/api/internal/Process", "process", _HOUR),
    Rule("/api/App/Processes", "process", _HOUR),

    # Definitions are made at a desk and released; an inspection that is going on is the state
    # of a unit, which units' and reports' writes change, and conflicts are a gate to a release.
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
    Rule("/api/App/Version", "app", _LIVE, fixed=True),  # pyWATS.test_connection() asks for it
)  # fmt: skip

FRESH_METHODS: frozenset[tuple[str, str]] = frozenset(
    (service, method)
    for service, methods in {
        # They read, change and write back, or write what hangs on what they read.
        "AsyncProductService": (
            "create_revision", "add_subunit", "set_product_tags", "add_product_tag",
            "set_revision_tags", "add_revision_tag",
            # Reads what the template's save() will change.
            "get_box_build_template",
        ),
        "AsyncBoxBuildTemplate": ("add_subunit", "reload"),
        "AsyncAssetService": ("add_child_asset",),
        "AsyncRootCauseService": ("add_comment", "change_status", "assign_ticket"),
        # They change the station's disk after what they read.
        "AsyncSoftwareService": ("install", "install_many", "check_for_updates", "cleanup_revoked"),
        # Fresh is what they are for; the service keeps phases itself and asks the server only
        # where it has none or is told to.
        "AsyncProcessService": ("refresh",),
        "AsyncProductionService": ("get_phases",),
    }.items()
    for method in methods
)  # fmt: skip
"""Methods of upstream's services whose reads must come from the server: (class, method)."""

_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Node:
    """The table by segments of the path, for rules and writes alike."""

    __slots__ = ("any_segment", "rule", "segments", "writes")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.segments: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        self.writes: dict[str, tuple[str, ...]] = {}

    def below(self, segment: str) -> _Node:
        """The node of one more segment, made where it is missing."""
        if not segment.startswith("{"):
            return self.segments.setdefault(segment, _Node(self.rule))
        if self.any_segment is None:
            self.any_segment = _Node(self.rule)
        return self.any_segment


def _last_name(template: str) -> str:
    return re.escape([part for part in segments_of(template) if not part.startswith("{")][-1])


def _build() -> _Node:
    root = _Node(_UNKNOWN)
    for rule in sorted(RULES, key=lambda rule: rule.prefix.count("/")):  # outer ones first
        node = root
        for segment in segments_of(rule.prefix):
            node = node.below(segment)
        node.rule = rule
    for method, template, touches in WRITES:
        node = root
        for segment in segments_of(template):
            node = node.below(segment)
        # Where a write changes anything, paths that are not known here may show it too.
        node.writes[method] = (*touches, "other") if touches else ()
    return root


_ROOT = _build()


@lru_cache(maxsize=4096)  # the paths of a program come again and again
def rule_of(path: str) -> Rule:
    """Return how the reads of a path are cached.

    Args:
        path: As given to a client, such as "/api/Product/X1"; a query does not count.

    Returns:
        The rule with the longest prefix; for an unknown path one of the family "other".
    """
    node = _ROOT
    for segment in segments_of(path):
        below = node.segments.get(segment)
        if below is None:
            break
        node = below
    return node.rule


_INNER_FIRST = sorted(RULES, key=lambda rule: -rule.prefix.count("/"))

usual_rule: Callable[[str], re.Match[str] | None] = re.compile(
    r"(?!.*(?:[%\\]|[^\x00-\x7f]|//|/\.))/?(?:"
    + "|".join(f"({re.escape(rule.prefix[1:])})" for rule in _INNER_FIRST)
    + r")(?=[/?#]|$)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
).match
"""Finds the rule of a path that is spelled as usual; `RULE_OF_GROUP` has it by `lastindex`.

A path that was never seen before costs no look-up in Python. None: ask `rule_of`.
"""

RULE_OF_GROUP: tuple[Rule, ...] = (_UNKNOWN, *_INNER_FIRST)

# Finds what every path has whose GET writes, however spelled: nearly all GETs need no look-up.
get_may_write: Callable[[str], object] = re.compile(
    "|".join([r"%|\\", *{_last_name(path) for method, path, _ in WRITES if method == "GET"}]),
    re.IGNORECASE,
).search


@lru_cache(maxsize=4096)
def touched_by(method: str, path: str) -> tuple[str, ...]:
    """Return the families whose reads may show another value after a request.

    Args:
        method: HTTP method.
        path: As for `rule_of`.

    Returns:
        Nothing for a read; what its row says for a write; `ALL_FAMILIES` for a write without a
        row, so that nothing stays out of date for the lack of one. A few GETs write, and have
        rows.
    """
    method = method.upper()
    touched = _find(_ROOT, method, segments_of(path), 0)
    if touched is not None:
        return touched
    return () if method in _READ_METHODS else ALL_FAMILIES


def _find(node: _Node, method: str, segments: list[str], at: int) -> tuple[str, ...] | None:
    """Walk down to the row of a request: by name where there is one, else by placeholder."""
    if at == len(segments):
        return node.writes.get(method)
    for below in (node.segments.get(segments[at]), node.any_segment):
        if below is not None:
            touched = _find(below, method, segments, at + 1)
            if touched is not None:
                return touched
    return None
