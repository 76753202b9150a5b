"""Checks of what is installed and patched."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from gevent import monkey

from pywats_green._version import __version__
from pywats_green.cli.checks.row import Row
from pywats_green.cli.checks.versions import installed, parsed
from pywats_green.patching import PATCHED_MODULES
from pywats_green.upstream.hooks.seams import is_installed
from pywats_green.upstream.hooks.versions import BELOW, DISTRIBUTION, OLDEST, is_supported

OLDEST_GEVENT = "25.9.1"


def python() -> Iterator[Row]:
    """The Python version; on Windows, gevent and greenlet have wheels for 64 bits only."""
    found = f"{platform.python_version()} on {platform.system()}"
    if platform.system() == "Windows" and sys.maxsize < 1 << 32:
        yield Row("python", "fail", f"{found}, 32 bits", "install a 64-bit Python")
    else:
        yield Row("python", "ok", found)


def gevent() -> Iterator[Row]:
    """The gevent version; in older ones, urllib3's pool can deadlock (gevent#1957, #2139)."""
    version = installed("gevent") or "unknown"
    if parsed(version) >= parsed(OLDEST_GEVENT):
        yield Row("gevent", "ok", version)
    else:
        yield Row(
            "gevent",
            "fail",
            f"{version}: connection pools can deadlock under it (gevent#1957, #2139)",
            f"pip install 'gevent>={OLDEST_GEVENT}'",
        )


def pywats() -> Iterator[Row]:
    """The pywats version, and the supported range."""
    version, wanted = installed(DISTRIBUTION), f">={OLDEST},<{BELOW}"
    if version is not None and is_supported(version):
        yield Row("pywats", "ok", f"{DISTRIBUTION} {version}; supported: {wanted}")
    else:
        found = f"{DISTRIBUTION} {version}" if version else f"{DISTRIBUTION} is not installed"
        yield Row(
            "pywats", "fail", f"{found}; supported: {wanted}",
            f"pip install '{DISTRIBUTION}{wanted}'",
        )  # fmt: skip


def active() -> Iterator[Row]:
    """Whether this process runs green."""
    if is_installed():
        yield Row("active", "ok", f"pywats_green {__version__} is active")
    else:
        yield Row(
            "active", "fail", f"pywats_green {__version__} is switched off",
            "unset PYWATS_GREEN_DISABLE",
        )  # fmt: skip


def standard_library() -> Iterator[Row]:
    """Whether gevent has patched the modules that a green client needs."""
    missing = [name for name in PATCHED_MODULES if not monkey.is_module_patched(name)]
    if not missing:
        yield Row("patched", "ok", ", ".join(PATCHED_MODULES))
    elif not is_installed():
        yield Row("patched", "warn", "nothing, as pywats_green is switched off")
    else:
        yield Row(
            "patched", "fail", f"not patched: {', '.join(missing)}",
            'put "import pywats_green" first; patch nothing yourself, or everything',
        )  # fmt: skip
