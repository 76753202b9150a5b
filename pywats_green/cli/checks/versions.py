"""Versions of installed packages, as comparable tuples."""

from __future__ import annotations

import platform
import re
from importlib import metadata

PYTHON = "Python"

Version = tuple[int, ...]


def installed(package: str) -> str | None:
    """Return the version of a package, or of `PYTHON` itself. None: it is not installed."""
    if package == PYTHON:
        return platform.python_version()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def parsed(version: str) -> Version:
    """Return the leading numbers of a version: (1, 0) for "1.0.dev3"."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
