"""Imports only point down, and upstream's private names are used in one package only."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pywats_green

PACKAGE = Path(pywats_green.__file__).parent

# From the leaves up. A package may import those in the lines above its own, and itself.
FLOORS = [
    {
        "_version",
        "arguments",
        "config",
        "exceptions",
        "causes",
        "light_httpx",
        "locks",
        "no_loop",
        "progress",
        "redaction",
        "retry_after",
        "pauses",
        "table",
        "timers",
        "ttls",
    },
    {"patching", "bridge", "lent_loop", "context", "events", "admission_time", "wsgi"},
    {"pool", "cache", "transport", "queue", "batching", "profiler", "throttle", "observe"},
    {"fleet"},
    {"upstream"},
    {"testing"},
    {"cli"},
    {"__init__", "__main__"},
]
# Siblings of this floor meet through arguments.
SIBLINGS = FLOORS[2]
# The packages inside upstream, likewise: hooks call the client, never vice versa.
UPSTREAM_FLOORS = ["tables", "client", "hooks", "features"]
# What a package may import from the top level: public names, like any program.
USES_THE_SHOP_WINDOW = {"cli", "testing", "__main__"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def _imported_names(path: Path) -> Iterator[list[str]]:
    """Yield the names that a module imports from this package, split into parts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            # `from pywats_green import pool` imports a package, `... import Pool` does not.
            names = [node.module or ""]
            if node.module == "pywats_green":
                names = [f"pywats_green.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == "pywats_green":
                yield rest


def _imported_rooms(path: Path) -> Iterator[str]:
    for room, *_ in ([*name, "__init__"] for name in _imported_names(path)):
        yield room if any(room in rooms for rooms in FLOORS) else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_point_down(path: Path) -> None:
    room = _room(path)
    for imported in _imported_rooms(path):
        if imported == room or (imported == "__init__" and room in USES_THE_SHOP_WINDOW):
            continue
        assert _floor(imported) < _floor(room) or (
            _floor(imported) == _floor(room) and room not in SIBLINGS
        ), f"{room} imports {imported}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if _room(path) == "upstream" and path.parent.name != "upstream"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_imports_in_upstream_only_point_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[1]
    below = UPSTREAM_FLOORS[: UPSTREAM_FLOORS.index(room) + 1]
    for name in _imported_names(path):
        if name[:1] == ["upstream"]:
            assert set(name[1:2]) & set(below), f"{room} imports {'.'.join(name)}"


PRIVATE_NAMES = re.compile(
    r"\b(_run_sync|AsyncHttpClient|_http_client|SyncServiceWrapper|_cache_started"
    r"|_ensure_cache_started|_execute_request|_sync_config|_rate_limiter|_retry_config)\b"
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_upstream_stand_in_one_room(path: Path) -> None:
    if _room(path) != "upstream":
        assert not PRIVATE_NAMES.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pywats_is_imported_in_one_room(path: Path) -> None:
    if _room(path) in ("upstream", "cli", "testing"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        assert not any(name.split(".")[0] == "pywats" for name in names)


def test_a_module_fits_into_one_room() -> None:
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in MODULES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert not long, "is there a second room inside?"


def test_a_prefix_that_three_files_share_is_a_room() -> None:
    prefixes = Counter(
        f"{path.parent.relative_to(PACKAGE).as_posix()}/{path.stem.split('_')[0]}_*"
        for path in MODULES
        if "_" in path.stem.strip("_")
    )
    assert not {prefix for prefix, count in prefixes.items() if count >= 3}


def test_the_version_stands_in_one_place() -> None:
    from importlib import metadata

    assert pywats_green.__version__ == metadata.version("pywats-green")


def test_every_public_name_has_a_docstring() -> None:
    for name in pywats_green.__all__:
        assert name == "__version__" or getattr(pywats_green, name).__doc__
