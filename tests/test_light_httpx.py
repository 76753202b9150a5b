"""httpx comes without its command line, until somebody calls that."""

import subprocess
import sys

CODE = """
import pywats_green, sys
import httpx
print([name for name in ("httpx._main", "click", "rich") if name in sys.modules])
try:
    httpx.main(["--help"], standalone_mode=False)
except ImportError:  # of what only its command line needs
    print("no command line")
print("httpx._main" in sys.modules or "pygments" not in sys.modules)
"""


def test_it_is_there_when_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120
    )
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("[]", "True"), done.stderr
