"""Patches the standard library with gevent, once, and reports what was imported too early."""

from __future__ import annotations

import gc
import importlib
import inspect
import linecache
import re
import sys
import threading
import warnings
from importlib import import_module
from types import FrameType

import gevent
from gevent import monkey

from pywats_green.exceptions import (
    ImportOrderError,
    ImportOrderWarning,
    UnpatchableProcessError,
)
from pywats_green.patching import closing, early, libraries, processes, running_loops

# All of these must be patched, even `queue`: otherwise ThreadPoolExecutor waits on a native
# SimpleQueue inside a greenlet and blocks the hub.
PATCHED_MODULES = (
    "socket", "ssl", "select", "threading", "time", "queue", "subprocess",
    # On Windows, gevent replaces nothing in these, and never records them as patched.
    *(name for name in ("signal", "os") if import_module(f"gevent.{name}").__implements__),
)  # fmt: skip

# Modules that copy sockets or locks when imported, the most familiar first.
EARLY_MODULES = ("requests", "urllib3", "httpx", "httpcore")

_PYWATS_IMPORT = re.compile(r"\s*(?:from|import)\s+pywats(?:[\s.,]|$)")


_NATIVE_CHANNELS = 7  # the first ipykernel with a thread for each channel
_NOTEBOOK_ADVICE = (
    "this notebook's kernel would hang if it was patched now. Either install a kernel that is "
    "patched before it starts, with `python -m pywats_green kernel --install`, and choose it in "
    f"the notebook; or make this the first line of the cell, above the import, which then runs in "
    f"a process of its own: %%script {sys.executable}"
)

_done = False
_too_early: tuple[str, ...] = ()


def is_patched() -> bool:
    """Return whether gevent has patched everything that a green client needs."""
    return all(bool(monkey.is_module_patched(name)) for name in PATCHED_MODULES)


def too_early() -> tuple[str, ...]:
    """Return the modules imported and the threads started before the patch."""
    return _too_early


def runs_notebook_kernel() -> bool:
    """Return whether a kernel of ipykernel 7 or newer runs here, on threads of its own.

    Its channels wait natively for each other: the cell that makes greenlets of them never ends.
    """
    version = getattr(sys.modules.get("ipykernel"), "version_info", None)
    if version is None or int(version[0]) < _NATIVE_CHANNELS:
        return False
    return any(type(t).__module__.startswith("ipykernel.") for t in threading.enumerate())


def patch() -> None:
    """Patch the standard library, unless it is already patched.

    Raises:
        ImportOrderError: pywats was imported before; the message names the line to move.
        UnpatchableProcessError: This is a notebook's kernel, a worker of gunicorn's gthread or of
            pytest-xdist, or a running event loop that cannot wait for greenlets: it would hang.

    Warns:
        ImportOrderWarning: Modules were imported, or native threads started, that keep
            unpatched sockets or locks.
    """
    global _done  # noqa: PLW0603  # set once, because a patch cannot be undone
    if _done:
        return
    if "pywats" in sys.modules:
        raise ImportOrderError(_order_advice())
    if not is_patched() and runs_notebook_kernel():
        raise UnpatchableProcessError(_NOTEBOOK_ADVICE)
    if not is_patched() and (reason := early.obstacle()) is not None:
        raise UnpatchableProcessError(reason)
    _done = True
    if not is_patched():  # else the program did it, so nothing imported since is too early
        _patch_all()
    _accept_short_waits()
    # What gevent leaves, or does not get right.
    running_loops.install()
    closing.make_prompt()
    processes.make_cooperative()
    libraries.mend()


def _patch_all() -> None:
    global _too_early  # noqa: PLW0603  # set once, because a patch cannot be undone
    imported = [name for name in EARLY_MODULES if name in sys.modules]
    ssl_was_imported = early.SSL_MODULE in sys.modules
    threads = [t.name for t in threading.enumerate() if t is not threading.current_thread()]
    native_id = threading.get_ident()
    with warnings.catch_warnings():
        if imported:
            # The warning below names the modules; gevent's own would be redundant.
            warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        # What it warns of is healed right after the patch.
        warnings.filterwarnings("ignore", "Monkey-patching ssl", monkey.MonkeyPatchWarning)
        monkey.patch_all(geventmp=False)  # see `processes`
    early.heal(ssl_was_imported=ssl_was_imported)
    _too_early = (*imported, *(f"thread {name}" for name in threads))
    if threads:
        _adopt_import_locks(native_id)
    if imported or threads:
        file, line = _import_line()
        warnings.warn_explicit(_warning_text(imported, threads), ImportOrderWarning, file, line)


def _accept_short_waits() -> None:
    """Keep libuv, gevent's loop on Windows, from warning that a short wait lasts a millisecond.

    asyncio asks for such waits by itself, and with `-W error` the warning would end its loop.
    """
    if "libuv" in gevent.config.loop.__module__:
        warnings.filterwarnings("ignore", "libuv only supports millisecond timer", UserWarning)


def _adopt_import_locks(native_id: int) -> None:
    """Transfer the import locks held by this thread to its main greenlet.

    This package is being imported, so the thread holds some, under its native id. gevent transfers
    them only if no other thread is alive; otherwise, the next import here would deadlock.
    """
    for lock in gc.get_objects():
        if isinstance(lock, importlib._bootstrap._ModuleLock) and lock.owner == native_id:  # type: ignore[attr-defined]  # noqa: SLF001
            lock.owner = threading.get_ident()


def _warning_text(imported: list[str], threads: list[str]) -> str:
    parts = []
    if imported:
        parts.append(f"imported before pywats_green: {', '.join(imported)}")
    if threads:
        parts.append(f"native threads running before pywats_green: {', '.join(threads)}")
    return (
        "; ".join(parts)
        + ". They may keep unpatched sockets and locks that block every greenlet: move "
        '"import pywats_green" to the top of the program'
    )


def _is_machinery(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return str(name).startswith("importlib") or str(name).split(".")[0] == "pywats_green"


def _import_line() -> tuple[str, int]:
    """Return file and line of the import of pywats_green; ("sys", 1), as in Python, if unknown."""
    frame = inspect.currentframe()
    while frame is not None and _is_machinery(frame):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("sys", 1)


def _order_advice() -> str:
    file, line = _import_line()
    advice = f'{file}:{line}: pywats was imported before pywats_green. Move "import pywats_green" '
    for number, text in enumerate(linecache.getlines(file)[: line - 1], start=1):
        if _PYWATS_IMPORT.match(text):
            return f'{advice}above line {number}: "{text.strip()}"'
    return advice + "above the first import of pywats, or of what imports it"
