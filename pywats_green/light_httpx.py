"""Imports httpx without its command line: that imports click and rich, and takes twice as long."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_COMMAND_LINE = "httpx._main"


def import_httpx() -> None:
    """Import httpx, unless that has happened; its command line, only when it is called."""
    if "httpx" in sys.modules:
        return
    absent: Any = None  # so Python refuses the import, as httpx allows
    sys.modules[_COMMAND_LINE] = absent
    try:
        httpx: Any = importlib.import_module("httpx")
    finally:
        del sys.modules[_COMMAND_LINE]
    httpx.main = _main


def _main(*args: Any, **kwargs: Any) -> Any:
    httpx: Any = importlib.import_module("httpx")
    httpx.main = importlib.import_module(_COMMAND_LINE).main
    return httpx.main(*args, **kwargs)
