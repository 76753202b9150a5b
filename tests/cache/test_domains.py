"""The table of domains against the source of the installed upstream, and its rules one by one.

What upstream calls is read from its source: every call of the client in every repository, its
route worked out from upstream's own `Routes`. A call that cannot be worked out fails.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import pytest
import pywats
from pywats.core.routes import Routes

from pywats_green import configure, settings
from pywats_green.ttls import DOMAINS
from pywats_green.upstream.client.cache import UPSTREAM_TTL, ClientCache
from pywats_green.upstream.hooks.versions import installed_version
from pywats_green.upstream.tables.domains import (
    ALL_FAMILIES,
    FRESH_METHODS,
    RULES,
    rule_of,
    touched_by,
)
from pywats_green.upstream.tables.writes import WRITES

UPSTREAM = Path(pywats.__file__).parent


def family_of(path: str) -> str:
    return rule_of(path).family


def ttl_of(path: str, ttls: dict[str, float] | None = None) -> float | None:
    """Return the TTL for a client with upstream's defaults. None: its `cache_ttl`."""
    before = settings().ttl
    configure(ttl=ttls or {})
    try:
        ttl = ClientCache("http://127.0.0.1", UPSTREAM_TTL, 10)._ttl_of(rule_of(path), None)
    finally:
        configure(ttl=before)
    return None if ttl == UPSTREAM_TTL else ttl


TEN = {
    "product", "asset", "production", "report", "software", "analytics", "rootcause", "scim",
    "process", "manual_inspection",
}  # fmt: skip
VERBS = {"get", "post", "put", "delete", "patch"}
OLDEST = "0.5.0b6"


# --- upstream's source: which repository method makes which requests ---


class Placeholders(dict[str, Any]):
    """Names for `eval`; unknown ones are placeholders for a variable segment."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


class Call(NamedTuple):
    domain: str
    name: str  # of the repository's method
    verb: str
    template: str


class UnresolvedError(AssertionError):
    pass


def _classes(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, list[ast.AsyncFunctionDef]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node, [item for item in node.body if isinstance(item, ast.AsyncFunctionDef)]


def _is_client(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and node.attr == "_http_client"


def _requests(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Return all requests below a node by verb; fails on any other use of the client."""
    found = [
        (node.func.attr, node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _is_client(node.func.value)
        and node.func.attr in VERBS
    ]
    understood = {id(call.func.value) for _, call in found}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_client(node.targets[0]):
            understood.add(id(node.targets[0]))  # self._http_client = http_client
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(
            "getattr(self._http_client, 'token'"
        ):
            understood.add(id(node.args[0]))
    for node in ast.walk(tree):
        if _is_client(node) and id(node) not in understood:
            raise UnresolvedError(f"line {node.lineno}: {ast.unparse(node)} used in an unknown way")
    return found


def _endpoint(call: ast.Call) -> ast.expr:
    if call.args:
        return call.args[0]
    return next(keyword.value for keyword in call.keywords if keyword.arg == "endpoint")


def _templates(endpoint: ast.expr, method: ast.AsyncFunctionDef) -> set[str]:
    """Return the possible values of an endpoint, trying every assignment to local names."""
    names = Placeholders(Routes=Routes, str=lambda value: value)
    used = {node.id for node in ast.walk(endpoint) if isinstance(node, ast.Name)}
    found = {_evaluate(endpoint, names)}
    assignments = [
        node for node in ast.walk(method) if isinstance(node, (ast.Assign, ast.AugAssign))
    ]
    for node in sorted(assignments, key=lambda node: node.lineno):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id in used:
            value = _evaluate(node.value, names)
            more = isinstance(node, ast.AugAssign)
            names[target.id] = names[target.id] + value if more else value
            found.add(_evaluate(endpoint, names))
    templates = {template.partition("?")[0] for template in found if template.startswith("/api/")}
    if not templates:
        raise UnresolvedError(f"{method.name}, line {endpoint.lineno}: {ast.unparse(endpoint)}")
    return templates


def _evaluate(node: ast.expr, names: Placeholders) -> str:
    try:
        value = eval(compile(ast.Expression(node), "upstream", "eval"), {}, names)  # noqa: S307
    except Exception as exc:
        raise UnresolvedError(f"line {node.lineno}: {ast.unparse(node)}: {exc}") from exc
    if not isinstance(value, str):
        raise UnresolvedError(f"line {node.lineno}: {ast.unparse(node)} is no text")
    return value


def _calls_in(source: str, domain: str) -> Iterator[Call]:
    tree = ast.parse(source)
    _requests(tree)  # also outside of classes and coroutines nothing unknown is done
    for _, methods in _classes(tree):
        helpers: dict[str, str] = {}  # they pass an endpoint on: by name, with their verb
        for method in methods:
            parameters = {parameter.arg for parameter in method.args.args}
            for verb, call in _requests(method):
                endpoint = _endpoint(call)
                if isinstance(endpoint, ast.Name) and endpoint.id in parameters:
                    assert helpers.setdefault(method.name, verb) == verb
        for method in methods:
            if method.name in helpers:
                continue
            sent = _requests(method) + [
                (helpers[node.func.attr], node)
                for node in ast.walk(method)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in helpers
            ]
            for verb, call in sent:
                for template in _templates(_endpoint(call), method):
                    yield Call(domain, method.name, verb.upper(), template)


def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


CALLS = [
    call
    for path in sorted(UPSTREAM.glob("domains/*/async_repository.py"))
    for call in _calls_in(_source(path), path.parent.name)
]


def _shape(template: str) -> str:
    return re.sub(r"{\w+}", "{}", template)


CALLED_WRITES = {(call.verb, _shape(call.template)) for call in CALLS if call.verb != "GET"}
CALLED_READS = {(call.domain, call.template) for call in CALLS if call.verb == "GET"}

# GETs that change something at the server; what they do tells their documentation.
WRITING_GETS = {
    ("GET", "/api/internal/Software/Log"),
    ("GET", "/api/internal/ManualInspection/GetDefinitionCopy/{}"),
}

# Not called by the oldest version that is supported.
SINCE_0_6 = {
    ("DELETE", "/api/Product/{}"),
    ("DELETE", "/api/Product/{}/{}"),
    ("POST", "/api/Product/ProductGroup"),
    ("PUT", "/api/Product/ProductGroup"),
    ("DELETE", "/api/Product/ProductGroup/{}"),
    ("POST", "/api/Production/Unit"),
    ("PUT", "/api/Production/Unit"),
    ("DELETE", "/api/Production/Unit"),
    ("PUT", "/api/Production/ChangeUnit"),
    ("PUT", "/api/Production/UnitTag"),
    ("POST", "/api/internal/Production/GetAndReserveNewSerialNumbers"),
    ("POST", "/api/Software/VirtualFolder"),
    ("PUT", "/api/Software/VirtualFolder"),
    ("DELETE", "/api/Software/VirtualFolder/{}"),
    ("POST", "/api/App/ConnectionAndExecutionTime"),
}


def _rows(writes: Iterable[Any] = WRITES) -> set[tuple[str, str]]:
    return {(row.method, _shape(row.template)) for row in writes}


def _missing(rows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return (CALLED_WRITES | WRITING_GETS) - rows


def _dead(rows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    newer = SINCE_0_6 if installed_version() == OLDEST else set()
    return rows - CALLED_WRITES - WRITING_GETS - newer


# --- every write route has a row ---


def test_the_source_was_read() -> None:
    assert {call.domain for call in CALLS} == TEN
    methods = {(call.domain, call.name) for call in CALLS}
    assert len(methods) > 180
    assert len(CALLED_WRITES) > 80
    assert len(CALLED_READS) > 90
    # One of each way to write a route: constant, function, f-string, helper, local variable.
    assert Call("report", "post_wsjf", "POST", "/api/Report/WSJF") in CALLS
    assert Call("scim", "delete_user", "DELETE", "/api/SCIM/v2/Users/{user_id}") in CALLS
    assert ("PUT", "/api/internal/Product/PutProductTags") in CALLED_WRITES
    local = ("process", "/api/internal/Process/GetRepairOperation/{}")
    assert local in {(domain, _shape(template)) for domain, template in CALLED_READS}


def test_every_public_coroutine_of_a_repository_was_understood() -> None:
    understood = {(call.domain, call.name) for call in CALLS}
    for path in UPSTREAM.glob("domains/*/async_repository.py"):
        for _, methods in _classes(ast.parse(_source(path))):
            for method in methods:
                if not method.name.startswith("_"):
                    assert (path.parent.name, method.name) in understood


def test_every_write_route_has_a_row() -> None:
    assert not _missing(_rows())


def test_no_row_is_dead() -> None:
    assert not _dead(_rows())


def test_no_row_stands_twice() -> None:
    assert len(_rows()) == len(WRITES)


@pytest.mark.parametrize("row", WRITES, ids=lambda row: f"{row.method} {row.template}")
def test_a_removed_row_would_be_missed(row: Any) -> None:
    shape = (row.method, _shape(row.template))
    if shape not in CALLED_WRITES | WRITING_GETS:
        assert installed_version() == OLDEST  # `test_no_row_is_dead` knows it
        return
    assert _missing(_rows(other for other in WRITES if other is not row)) == {shape}


def test_an_added_row_would_be_dead() -> None:
    added = ("PUT", "/api/Product/{}/Colour")
    assert _dead(_rows() | {added}) == {added}


HEAD = """
class AsyncRepository:
    def __init__(self, http_client):
        self._http_client = http_client
    async def _internal_post(self, endpoint, data=None):
        return await self._http_client.post(endpoint, data=data)
"""


@pytest.mark.parametrize(
    "body",
    [
        "return await self._http_client.post(self._route(x))",
        "return await self._http_client.post(Routes.Nowhere.X)",
        "return await self._http_client.post(x)",
        "return await self._http_client.post(prefix + name)",
        "return await self._http_client.request('POST', Routes.Asset.BASE)",
        "client = self._http_client",
        "return await self._internal_post(make_route(x))",
        "return await self._internal_post(x)",
    ],
)
def test_a_call_that_cannot_be_worked_out_fails(body: str) -> None:
    with pytest.raises(UnresolvedError):
        list(_calls_in(f"{HEAD}    async def save(self):\n        {body}\n", "asset"))


def test_what_can_be_worked_out_is() -> None:
    body = """
    async def save(self, asset_id):
        endpoint = Routes.Asset.asset(asset_id)
        if asset_id:
            endpoint = f"{endpoint}/State"
        endpoint += f"/{asset_id}?x=1"
        return await self._internal_post(endpoint=endpoint)
    async def drop(self, asset_id):
        return await self._http_client.delete(f"{Routes.Asset.BASE}/{asset_id}")
"""
    assert set(_calls_in(HEAD + body, "asset")) == {
        Call("asset", "save", "POST", "/api/Asset/{asset_id}"),
        Call("asset", "save", "POST", "/api/Asset/{asset_id}/State"),
        Call("asset", "save", "POST", "/api/Asset/{asset_id}/State/{asset_id}"),
        Call("asset", "drop", "DELETE", "/api/Asset/{asset_id}"),
    }


def _filled(template: str) -> str:
    return re.sub(r"{\w+}", "0f8fad5b-d9cb", template)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.domain}.{call.name}")
def test_a_call_finds_its_row(call: Call) -> None:
    shape = (call.verb, _shape(call.template))
    row = next((row for row in WRITES if (row.method, _shape(row.template)) == shape), None)
    touched = touched_by(call.verb, _filled(call.template))
    if row is None:
        assert (call.verb, touched) == ("GET", ())
    elif row.touches:
        assert touched == (*row.touches, "other")
        assert family_of(call.template) in touched
        assert call.domain in touched
    else:
        assert touched == ()


def test_rows_name_known_families() -> None:
    assert ALL_FAMILIES == DOMAINS
    assert set(ALL_FAMILIES) == TEN | {"app", "other"}
    for row in WRITES:
        assert set(row.touches) <= set(ALL_FAMILIES)
        assert len(set(row.touches)) == len(row.touches)
        assert row.method in {"GET", "POST", "PUT", "DELETE", "PATCH"}
    assert {rule.family for rule in RULES} == set(ALL_FAMILIES) - {"other"}


# --- every read route has a family and a TTL ---

# Upstream's analytics repository also asks for what belongs elsewhere.
ELSEWHERE = {
    ("analytics", "/api/App/Version"): "app",
    ("analytics", "/api/App/Levels"): "app",
    ("analytics", "/api/App/Processes"): "process",
    ("analytics", "/api/App/ProductGroups"): "product",
}


@pytest.mark.parametrize(("domain", "template"), sorted(CALLED_READS))
def test_a_read_belongs_to_its_domain(domain: str, template: str) -> None:
    assert family_of(_filled(template)) == ELSEWHERE.get((domain, template), domain)


def _all_routes(holder: type) -> Iterator[str]:
    for name, value in vars(holder).items():
        if inspect.isclass(value):
            yield from _all_routes(value)
        elif isinstance(value, staticmethod):
            parameters = inspect.signature(value.__func__).parameters
            yield value.__func__(*(f"{{{parameter}}}" for parameter in parameters))
        elif isinstance(value, str) and value.startswith("/api/") and not name.startswith("__"):
            yield value


def test_no_rule_is_dead() -> None:
    routes = {f"{route}/".lower() for route in _all_routes(Routes)}
    since_0_6 = {"/api/Products", "/api/internal/Software/DownloadFile"}
    dead = {
        rule.prefix
        for rule in RULES
        if not any(route.startswith(f"{rule.prefix}/".lower()) for route in routes)
    }
    assert dead == (since_0_6 if installed_version() == OLDEST else set())


def test_no_rule_stands_twice_or_says_nothing() -> None:
    prefixes = [rule.prefix for rule in RULES]
    assert len({prefix.lower() for prefix in prefixes}) == len(prefixes)
    for rule in RULES:
        assert rule_of(f"{rule.prefix}/X1") is rule
        assert rule.ttl is None or rule.ttl >= 0
        assert not rule.fixed or rule.ttl == 0
        outer = rule_of(rule.prefix.rpartition("/")[0])
        assert (outer.family, outer.ttl, outer.fixed) != rule[1:]


# --- the rules, one by one ---

MINUTES = None  # the client's own TTL
NEVER = 0.0
HOUR = 3600.0


@pytest.mark.parametrize(
    ("path", "family", "ttl"),
    [
        # master data
        ("/api/Product/X1", "product", MINUTES),
        ("/api/Product/Query", "product", MINUTES),
        ("/api/internal/Product/GetProductInfo", "product", MINUTES),
        ("/api/App/ProductGroups", "product", MINUTES),
        # an asset's state and counts
        ("/api/Asset/A-1", "asset", NEVER),
        ("/api/Asset", "asset", NEVER),
        ("/api/Asset/Status", "asset", NEVER),
        ("/api/Asset/SubAssets", "asset", NEVER),
        ("/api/internal/Blob/Asset/List/1", "asset", NEVER),
        ("/api/Asset/Types", "asset", MINUTES),
        # a unit's state on the line, and free numbers
        ("/api/Production/Unit/S1/X1", "production", NEVER),
        ("/api/Production/Unit/Query", "production", NEVER),
        ("/api/Production/UnitVerification", "production", NEVER),
        ("/api/Production/Units/Changes", "production", NEVER),
        ("/api/Production/CheckChildUnits", "production", NEVER),
        ("/api/Production/SerialNumbers/ByRange", "production", NEVER),
        ("/api/Production/Batches", "production", NEVER),
        ("/api/internal/Production/GetUnitInfo", "production", NEVER),
        ("/api/internal/Production/SerialNumbers/Ranges", "production", NEVER),
        ("/api/internal/Production/isConnected", "production", NEVER),
        # the set-up of a plant
        ("/api/Production/SerialNumbers/Types", "production", MINUTES),
        ("/api/internal/Production/GetSites", "production", MINUTES),
        ("/api/internal/Mes/GetUnitPhases", "production", HOUR),
        ("/api/App/Processes", "process", HOUR),
        ("/api/Process/Processes", "process", HOUR),
        ("/api/internal/Process/GetRepairOperation/1", "process", HOUR),
        # headers grow, a report stays
        ("/api/Report/Query/Header", "report", NEVER),
        ("/api/Report/Query/HeaderByMiscInfo", "report", NEVER),
        ("/api/App/UutReport", "analytics", NEVER),
        ("/api/Report/Wsjf/1", "report", MINUTES),
        ("/api/Report/Wsxf/1", "report", MINUTES),
        ("/api/Report/Attachment", "report", MINUTES),
        # packages, and what decides over them
        ("/api/Software/PackagesByTag", "software", MINUTES),
        ("/api/Software/VirtualFolders", "software", MINUTES),
        ("/api/internal/Software/GetRevokedPackages", "software", NEVER),
        ("/api/internal/Software/GetAvailablePackages", "software", NEVER),
        ("/api/internal/Software/CheckFile", "software", NEVER),
        ("/api/internal/Software/Log", "software", NEVER),
        # figures, and the state of a session
        ("/api/App/TopFailed", "analytics", MINUTES),
        ("/api/App/VolumeYield", "analytics", MINUTES),
        ("/api/internal/App/MeasurementList", "analytics", MINUTES),
        ("/api/internal/UnitFlow/Nodes", "analytics", NEVER),
        ("/api/internal/UnitFlow/Links", "analytics", NEVER),
        ("/api/internal/UnitFlow/Units", "analytics", NEVER),
        # people
        ("/api/RootCause/Ticket", "rootcause", NEVER),
        ("/api/RootCause/Tickets", "rootcause", NEVER),
        ("/api/RootCause/Attachment", "rootcause", MINUTES),
        ("/api/SCIM/v2/Users/userName=ann", "scim", NEVER),
        ("/api/SCIM/v2/Token", "scim", NEVER),
        # inspections: definitions, and those that are going on
        (
            "/api/internal/ManualInspection/GetTestSequenceDefinition",
            "manual_inspection",
            MINUTES,
        ),
        ("/api/internal/ManualInspection/GetMiDetails/1", "manual_inspection", NEVER),
        ("/api/internal/ManualInspection/GetMiDetailsNew/1", "manual_inspection", NEVER),
        ("/api/internal/ManualInspection/GetDefinitionCopy/1", "manual_inspection", NEVER),
        # a probe must reach the server
        ("/api/App/Version", "app", NEVER),
        ("/api/App/Levels", "app", MINUTES),
        # not known
        ("/api/Wonder", "other", NEVER),
        ("/api", "other", NEVER),
        ("/", "other", NEVER),
        ("", "other", NEVER),
        ("https://wats.example/api/Product/X1", "other", NEVER),
    ],
)
def test_family_and_ttl(path: str, family: str, ttl: float | None) -> None:
    assert family_of(path) == family
    assert ttl_of(path) == ttl


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/api/ProductX/1", "other"),
        ("/api/Product", "product"),
        ("/api/Products/Revisions", "product"),
        ("/api/internal/Blob/Assets", "asset"),
        ("/api/internal/Blob/AssetX", "other"),
        ("/api/App/ProcessesX", "analytics"),
        ("/api/Report/Wsjf2/1", "report"),
    ],
)
def test_prefixes_count_by_whole_segments(path: str, family: str) -> None:
    assert family_of(path) == family


@pytest.mark.parametrize(
    "path",
    [
        "/API/APP/PROCESSES",
        "/api/app/processes/",
        "api/App/Processes",
        "//api//App/Processes",
        "/api/App/Processes?includeTestOperations=true",
        "/api/App/Processes/?next=/api/Product",
        "/api/App/Processes#/api/Product",
        "/api/%41pp/Process%65s",
        "/api%2FApp%2fProcesses",
        "/api\\App\\Processes",
    ],
)
def test_a_path_is_read_as_the_server_does(path: str) -> None:
    assert (family_of(path), ttl_of(path)) == ("process", HOUR)
    assert touched_by("PUT", path) == ALL_FAMILIES


@pytest.mark.parametrize(
    "path",
    [
        "/api/Product/../Asset",
        "/api/Product/./Asset",
        "/api/Product/%2e%2E/Asset",
        "/api/Product/..%2FAsset",
        "/api/Product/..\\Asset",
        "/api/Product/..",
    ],
)
def test_a_path_that_climbs_is_not_known(path: str) -> None:
    assert (family_of(path), ttl_of(path)) == ("other", NEVER)
    assert touched_by("DELETE", path) == ALL_FAMILIES


@pytest.mark.parametrize("part_number", ["X.1", "..X", "X..1", ".X", "A%20B", "A B", "Ä", "100%"])
def test_names_of_any_spelling(part_number: str) -> None:
    assert family_of(f"/api/Product/{part_number}") == "product"
    assert touched_by("DELETE", f"/api/Product/{part_number}/A.1") == (
        "product", "production", "analytics", "other",
    )  # fmt: skip


def test_a_user_sets_ttls_by_family() -> None:
    ttls = {"production": 5.0, "process": 0.0, "other": 60.0}
    assert ttl_of("/api/Production/Unit/S1/X1", ttls) == 5.0
    assert ttl_of("/api/internal/Mes/GetUnitPhases", ttls) == 5.0
    assert ttl_of("/api/App/Processes", ttls) == 0.0
    assert ttl_of("/api/Wonder", ttls) == 60.0
    assert ttl_of("/api/Product/X1", ttls) is None
    assert ttl_of("/api/Asset/A-1", ttls) == 0.0
    assert ttl_of("/api/Asset/A-1", {}) == 0.0


@pytest.mark.parametrize(
    "path",
    [
        "/api/App/Version",
        "/api/internal/Production/isConnected",
        "/api/internal/Software/isConnected",
        "/api/SCIM/v2/Token",
        "/api/internal/UnitFlow/Nodes",
        "/api/internal/ManualInspection/GetMiDetailsNew/1",
        *(_filled(path.replace("{}", "{id}")) for _, path in sorted(WRITING_GETS)),
    ],
)
def test_some_ttls_are_not_for_the_user_to_set(path: str) -> None:
    assert ttl_of(path, dict.fromkeys(ALL_FAMILIES, 60.0)) == 0.0


# --- what writes touch ---


@pytest.mark.parametrize(
    ("method", "path", "touched"),
    [
        ("POST", "/api/Report/WSJF", {"report", "analytics", "production", "asset"}),
        ("POST", "/api/Report/Wsxf", {"report", "analytics", "production", "asset"}),
        ("PUT", "/api/Production/Units", {"production", "analytics"}),
        ("POST", "/api/internal/Production/CreateUnit", {"production", "analytics"}),
        ("POST", "/api/internal/Production/AddChildUnit", {"production", "analytics"}),
        ("PUT", "/api/Production/ChangeUnit", {"production", "analytics", "report"}),
        ("POST", "/api/Production/SerialNumbers/Take", {"production"}),
        ("PUT", "/api/Product", {"product", "production", "analytics"}),
        ("DELETE", "/api/Product/X1", {"product", "production", "analytics"}),
        ("DELETE", "/api/Product/X1/A", {"product", "production", "analytics"}),
        ("DELETE", "/api/Product/Vendors/7", {"product"}),
        ("DELETE", "/api/Product/ProductGroup/7", {"product", "analytics"}),
        ("POST", "/api/internal/Product/PostProductRevisionRelation", {"product", "production"}),
        ("POST", "/api/Asset/Calibration/External", {"asset"}),
        ("DELETE", "/api/internal/Blob/Assets", {"asset"}),
        ("PUT", "/api/Software/Package/7", {"software"}),
        ("POST", "/api/Software/Package/UploadZip/7", {"software"}),
        ("POST", "/api/internal/Software/DeletePackageFolder", {"software"}),
        ("GET", "/api/internal/Software/Log?packageId=7", {"software"}),
        ("POST", "/api/RootCause/ArchiveTickets", {"rootcause"}),
        ("PATCH", "/api/SCIM/v2/Users/7", {"scim", "rootcause"}),
        ("PUT", "/api/internal/ManualInspection/DeleteRelationNew", {"manual_inspection"}),
        ("GET", "/api/internal/ManualInspection/GetDefinitionCopy/7", {"manual_inspection"}),
    ],
)
def test_what_a_write_touches(method: str, path: str, touched: set[str]) -> None:
    for spelling in (path, path.lower(), path.upper(), path.replace("?", "/?")):
        assert set(touched_by(method, spelling)) == touched | {"other"}
        assert set(touched_by(method.lower(), f"{spelling}{'' if '?' in path else '/?x=1'}")) == (
            touched | {"other"}
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/App/DynamicYield"),
        ("POST", "/api/App/TopFailed"),
        ("POST", "/api/internal/App/TopFailed"),
        ("POST", "/api/App/UurReport"),
        ("POST", "/api/internal/UnitFlow"),
        ("POST", "/api/internal/UnitFlow/SplitBy"),
        ("POST", "/api/internal/Trigger/GetAlarmAndNotificationLogs"),
        ("PUT", "/api/internal/ManualInspection/ValidateMiscInfo"),
    ],
)
def test_a_question_touches_nothing(method: str, path: str) -> None:
    assert touched_by(method, path) == ()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
@pytest.mark.parametrize(
    "path", ["/api/Product/X1", "/api/Product", "/api/Report/WSJF", "/api/Wonder", "/"]
)
def test_a_read_touches_nothing(method: str, path: str) -> None:
    assert touched_by(method, path) == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/Wonder"),
        ("POST", "/api/Product"),  # known to PUT alone
        ("PATCH", "/api/Product/X1"),
        ("DELETE", "/api/Product/A/B/C"),  # a part number with a slash in it
        ("POST", "/api/RootCause/Ticket/7/Comment"),  # in Routes, called by nothing
        ("POST", "/api/Client/Register"),
        ("POST", "/"),
        ("POST", ""),
        ("MKCOL", "/api/Report/WSJF"),
    ],
)
def test_a_write_without_a_row_touches_everything(method: str, path: str) -> None:
    assert touched_by(method, path) == ALL_FAMILIES


# --- what reads, changes and writes must read fresh ---

# They read and write, and yet need not read fresh.
NEED_NOT_BE_FRESH = {
    ("AsyncProductionService", "set_unit_phase"): (
        "reads the list of phases to tell a phase's id by its name; the service itself keeps that "
        "list for as long as it lives, and nothing of it is written back"
    ),
}
# Fresh for another reason than a write that follows.
FRESH_BY_MEANING = {
    ("AsyncProductService", "get_box_build_template"): "save() of the template writes later",
    ("AsyncBoxBuildTemplate", "add_subunit"): "save() of the template writes later",
    ("AsyncBoxBuildTemplate", "reload"): "documented to read from the server",
    ("AsyncProcessService", "refresh"): "documented to read from the server",
    ("AsyncProductionService", "get_phases"): "force_refresh is documented so",
    ("AsyncSoftwareService", "check_for_updates"): "decides what is installed",
    ("AsyncSoftwareService", "cleanup_revoked"): "deletes from the station's disk",
}
FRESH_SINCE_0_6 = {
    ("AsyncSoftwareService", method)
    for method in ("install", "install_many", "check_for_updates", "cleanup_revoked")
}
READ, WRITE = "read", "write"

REPOSITORY_EVENTS: dict[tuple[str, str], set[str]] = {}
for _call in CALLS:
    _events = REPOSITORY_EVENTS.setdefault((_call.domain, _call.name), set())
    if touched_by(_call.verb, _filled(_call.template)):
        _events.add(WRITE)
    elif _call.verb == "GET":  # a POST that asks is never served from the cache
        _events.add(READ)

REPOSITORIES = {"_repository", "_repo"}
# Who stands behind an attribute of a service, where it is another service.
COLLEAGUES = {"_service": "AsyncProductService", "_installer": "PackageInstaller"}


def _service_methods() -> Iterator[tuple[str, str, ast.AsyncFunctionDef]]:
    paths = {*UPSTREAM.glob("domains/*/*.py")} - {*UPSTREAM.glob("domains/*/async_repository.py")}
    for path in sorted(paths):
        for owner, methods in _classes(ast.parse(_source(path))):
            if not owner.name.startswith("Sync"):
                for method in methods:
                    yield path.parent.name, owner.name, method


SERVICES: dict[tuple[str, str], list[tuple[str, ast.AsyncFunctionDef]]] = {}
for _domain, _owner, _method in _service_methods():
    SERVICES.setdefault((_owner, _method.name), []).append((_domain, _method))


def _events_of(owner: str, name: str, above: frozenset[tuple[str, str]] = frozenset()) -> set[str]:
    """Return the reads and writes of a service's method and all it calls, in any order."""
    events: set[str] = set()
    if (owner, name) in above:
        return events
    above |= {(owner, name)}
    for domain, method in SERVICES.get((owner, name), []):
        understood: set[int] = set()
        for node in ast.walk(method):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            target, called = node.func.value, node.func.attr
            holder = target.attr if isinstance(target, ast.Attribute) else None
            if holder in REPOSITORIES:
                understood.add(id(target))
                events |= REPOSITORY_EVENTS[domain, called]
            elif holder in COLLEAGUES:
                events |= _events_of(COLLEAGUES[holder], called, above)
            elif isinstance(target, ast.Name) and target.id == "self":
                events |= _events_of(owner, called, above)
        for node in ast.walk(method):
            if isinstance(node, ast.Attribute) and node.attr in REPOSITORIES:
                assert id(node) in understood, f"{owner}.{name}: a repository goes astray"
    return events


READ_AND_WRITE = {method for method in SERVICES if _events_of(*method) == {READ, WRITE}}


def test_the_services_were_read() -> None:
    owners = {owner for owner, _ in SERVICES}
    assert {f"Async{name}Service" for name in (
        "Product", "Asset", "Production", "Report", "Software", "Analytics", "RootCause", "Scim",
        "Process", "ManualInspection",
    )} | {"AsyncBoxBuildTemplate"} <= owners  # fmt: skip
    assert _events_of("AsyncProductService", "get_product") == {READ}
    assert _events_of("AsyncProductService", "update_product") == {WRITE}
    assert _events_of("AsyncProductService", "add_product_tag") == {READ, WRITE}
    assert _events_of("AsyncBoxBuildTemplate", "save") == {WRITE}
    assert _events_of("AsyncBoxBuildTemplate", "reload") == {READ}
    assert _events_of("AsyncAnalyticsService", "get_unit_flow") == set()
    assert ("AsyncAssetService", "add_child_asset") in READ_AND_WRITE


def test_every_method_that_reads_and_writes_reads_fresh() -> None:
    services = {method for method in READ_AND_WRITE if method[0] != "PackageInstaller"}
    assert services == (FRESH_METHODS - FRESH_BY_MEANING.keys() | NEED_NOT_BE_FRESH.keys()) - (
        FRESH_SINCE_0_6 if installed_version() == OLDEST else set()
    )
    assert not FRESH_METHODS & NEED_NOT_BE_FRESH.keys()
    assert FRESH_BY_MEANING.keys() <= FRESH_METHODS


def test_fresh_methods_exist() -> None:
    missing = FRESH_METHODS - SERVICES.keys()
    assert missing == (FRESH_SINCE_0_6 if installed_version() == OLDEST else set())
    for owner, _ in FRESH_METHODS - missing:
        assert owner.startswith("Async")


def test_what_is_fresh_reads() -> None:
    for method in FRESH_METHODS & SERVICES.keys():
        assert READ in _events_of(*method)
