"""Whether another program has a file open, which only Windows tells."""

from __future__ import annotations

import importlib
import os
from typing import Any

_WINAPI: Any = importlib.import_module("_winapi") if os.name == "nt" else None

_READ, _WRITE = 0x80000000, 0x40000000
_OPEN_EXISTING = 3
_ACCESS_DENIED = 5
_HELD = (32, 33)  # sharing violation, lock violation


def is_open_elsewhere(path: str, winapi: Any = _WINAPI) -> bool:
    """Return whether a program has a file open, by opening it for writing without sharing.

    A copy in Explorer has its full size from the start, so size and mtime are not enough there.

    Args:
        path: The file.
        winapi: The functions of Windows. None: the system does not tell.

    Returns:
        False, too, if the file is gone or the system does not tell.
    """
    if winapi is None:
        return False
    for access in (_READ | _WRITE, _READ):  # a file may be read-only; a writer shows all the same
        try:
            winapi.CloseHandle(winapi.CreateFile(path, access, 0, 0, _OPEN_EXISTING, 0, 0))
        except OSError as error:
            number = getattr(error, "winerror", None)
            if number != _ACCESS_DENIED:
                return number in _HELD
        else:
            return False
    return False  # nobody may read it, which its conversion will say
