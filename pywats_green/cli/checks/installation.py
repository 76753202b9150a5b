"""Checks of what is installed and patched."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Iterator

from gevent import monkey

from pywats_green._version import __version__
from pywats_green.cli.checks.row import Row
from pywats_green.cli.checks.versions import installed, parsed
from pywats_green.patching import PATCHED_MODULES, running_loops
from pywats_green.upstream.hooks.seams import is_installed
from pywats_green.upstream.hooks.versions import (
    BELOW,
    DISTRIBUTION,
    OLDEST,
    STABLE,
    is_internal,
    is_supported,
    oldest_server,
)

OLDEST_GEVENT = "26.8.0"


def python() -> Iterator[Row]:
    """The Python version; on Windows, gevent and greenlet have wheels for 64 bits only."""
    found = f"{platform.python_version()} on {platform.system()}"
    if platform.system() == "Windows" and sys.maxsize < 1 << 32:
        yield Row("python", "fail", f"{found}, 32 bits", "install a 64-bit Python")
    else:
        yield Row("python", "ok", found)


def gevent() -> Iterator[Row]:
    """The gevent version; under older ones, waits for native threads may hang (gevent#2013)."""
    version = installed("gevent") or "unknown"
    if parsed(version) >= parsed(OLDEST_GEVENT):
        yield Row("gevent", "ok", version)
    else:
        yield Row(
            "gevent",
            "fail",
            f"{version}: who waits for a native thread may hang under it (gevent#2013)",
            f"pip install 'gevent>={OLDEST_GEVENT}'",
        )


def pywats() -> Iterator[Row]:
    """The pywats version, the supported range, and the WATS servers it is for."""
    version, wanted = installed(DISTRIBUTION), f">={OLDEST},<{BELOW}"
    if version is None or not is_supported(version):
        found = f"{DISTRIBUTION} {version}" if version else f"{DISTRIBUTION} is not installed"
        yield Row(
            "pywats", "fail", f"{found}; supported: {wanted}",
            f"pip install '{DISTRIBUTION}{wanted}'",
        )  # fmt: skip
        return
    finding = f"{DISTRIBUTION} {version}; supported: {wanted}"
    if server := oldest_server(version):
        finding += f"; for WATS {server} or newer"
    if is_internal(version):
        yield Row(
            "pywats", "warn", f"{finding} (internal, says upstream)",
            f"if your server is older: pip install '{DISTRIBUTION}=={STABLE}'",
        )  # fmt: skip
    else:
        yield Row("pywats", "ok", finding)


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


def event_loops() -> Iterator[Row]:
    """Whether each greenlet has a running event loop of its own, as each thread without gevent."""
    reason = running_loops.missing()
    if reason is None and _waits_natively():
        yield Row(
            "event-loops", "warn", "asyncio's loop on Windows waits natively, and stops greenlets",
            "asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())",
        )  # fmt: skip
    elif reason is None:
        yield Row("event-loops", "ok", "asyncio has a running loop for each greenlet")
    elif not is_installed():
        yield Row("event-loops", "warn", "asyncio is unchanged, as pywats_green is switched off")
    else:
        yield Row(
            "event-loops", "warn", f"all greenlets share asyncio's running loop: {reason}",
            "run one asyncio loop at a time; no blocking call may await what needs one",
        )  # fmt: skip


def _waits_natively() -> bool:
    loop = asyncio.new_event_loop()
    loop.close()
    return isinstance(loop, getattr(asyncio, "ProactorEventLoop", ()))
