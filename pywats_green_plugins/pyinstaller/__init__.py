"""Tells PyInstaller what a frozen program needs that its analysis cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# Not for frozen programs: these are for pytest, and for the command line.
_LEFT_OUT = ("pywats_green.__main__", "pywats_green.cli", "pywats_green.testing.plugin")

# The modules of pywats that `pywats_green` imports by name, to replace or to call something there.
PYWATS = (
    "pywats.core.async_client",
    "pywats.core.circuit_breaker",
    "pywats.core.client",
    "pywats.core.parallel",
    "pywats.core.retry",
    "pywats.core.throttle",
    "pywats.domains.analytics.async_service",
    "pywats.domains.asset.async_service",
    "pywats.domains.manual_inspection.async_service",
    "pywats.domains.process.async_service",
    "pywats.domains.product.async_service",
    "pywats.domains.product.sync_box_build",
    "pywats.domains.production.async_service",
    "pywats.domains.report.async_service",
    "pywats.domains.rootcause.async_service",
    "pywats.domains.scim.async_service",
    "pywats.domains.software.async_service",
    "pywats.pywats",
    "pywats.sync",
)


def get_hook_dirs() -> list[str]:
    """Return the folders with hooks; PyInstaller's entry point."""
    return [str(Path(__file__).parent)]


def modules_of(package: Path) -> Iterator[str]:
    """Yield the modules that a frozen program may import, without importing any.

    Args:
        package: The folder of `pywats_green`.
    """
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        if not any(name == out or name.startswith(f"{out}.") for out in _LEFT_OUT):
            yield name


def data_of(package: Path) -> Iterator[tuple[str, str]]:
    """Yield the files that the modules read, each with its folder in a frozen program.

    Args:
        package: The folder of `pywats_green`.
    """
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield str(path), str(path.parent.relative_to(package.parent))
