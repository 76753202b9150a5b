"""How the tests start Python: with warnings as errors, and without PYWATS_GREEN variables."""

import os
import subprocess
import sys

from platforms import PATIENCE

TIMEOUT = PATIENCE

PYTHON = [sys.executable, "-W", "error"]
COMMAND = [*PYTHON, "-m", "pywats_green"]

Completed = subprocess.CompletedProcess[str]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment without PYWATS_GREEN variables, but with `changes`."""
    kept = {name: value for name, value in os.environ.items() if "PYWATS_GREEN" not in name}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", **changes}
