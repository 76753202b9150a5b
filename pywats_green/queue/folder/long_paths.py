r"""Paths longer than 260 characters, which Windows takes only if they are spelled \\?\C:\....

Most stations have not switched on its long paths, and the queue adds up to 255 characters to its
folder: a report that could be put might not fit any more under the name that it has when claimed.
"""

from __future__ import annotations

import ntpath
import os
from pathlib import Path

_EXTENDED = "\\\\?\\"
_SHARE = "\\\\?\\UNC\\"
_DEVICE = "\\\\.\\"

# The first two as in the repr of a path, which is what the text of an OSError has.
_PLAIN = (
    (repr(_SHARE)[1:-1], "\\\\\\\\"),
    (repr(_EXTENDED)[1:-1], ""),
    (_SHARE, "\\\\"),
    (_EXTENDED, ""),
)


def extended(path: Path) -> Path:
    """Return a path below which there may be long ones; only on Windows is it another one."""
    return Path(extend(os.path.abspath(path))) if os.name == "nt" else path  # noqa: PTH100


def extend(path: str) -> str:
    """Return the extended spelling of an absolute path of Windows."""
    path = ntpath.normpath(path)
    if path.startswith((_EXTENDED, _DEVICE)):
        return path
    if path.startswith("\\\\"):
        return _SHARE + path[2:]
    return _EXTENDED + path


def plain(text: str) -> str:
    """Return a text with the paths in it as people write them."""
    for spelled, written in _PLAIN:
        text = text.replace(spelled, written)
    return text
