"""What the tests run on."""

import sys

WINE = False
"""Whether this is a Windows Python under Wine, which lacks some of what Windows has."""

if sys.platform == "win32":
    import ctypes

    WINE = hasattr(ctypes.windll.ntdll, "wine_get_version")

PATIENCE = 500.0 if WINE else 60.0
"""Seconds for another process. WINE needs 4 to import the package, where nobody else computes."""
