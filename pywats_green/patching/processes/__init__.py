"""Makes multiprocessing wait cooperatively, which gevent does not.

Its pipes are read and written by functions that were bound before any patch, and its semaphores are
the system's: either freezes every greenlet, and with them the pool's own threads.

geventmp on PyPI is kept up (0.0.12 of October 2026) and does much of it, but calls itself
experimental, needs Python 3.11 and POSIX, makes descriptors non-blocking that children inherit, and
replaces semaphores by eventfds, so that a child needs it, too; its RLock failed our tests. So it is
turned off, unless the program has patched with it before: then nothing here is changed.
"""

from __future__ import annotations

import os
import sys

from pywats_green.patching.after_import import when_imported


def make_cooperative() -> None:
    """Change multiprocessing, once it is imported, in this process and those forked from it.

    Not where geventmp has done it already.
    """
    when_imported("multiprocessing", _install)


_done = False


def _install() -> None:
    global _done  # noqa: PLW0603  # set once; like gevent's patch, it is not undone
    if _done or _is_done_by_geventmp():
        return
    _done = True
    if os.name == "posix":
        from pywats_green.patching.processes import children, pipes  # noqa: PLC0415

        pipes.install()
        children.install()
    else:
        from pywats_green.patching.processes import handles  # noqa: PLC0415

        handles.install()
    try:
        import multiprocessing.synchronize  # noqa: F401, PLC0415
    except ImportError:  # a system without semaphores
        return
    from pywats_green.patching.processes import semaphores  # noqa: PLC0415

    semaphores.install()


def _is_done_by_geventmp() -> bool:
    connection = sys.modules.get("multiprocessing.connection")
    kind = getattr(connection, "Connection", None)
    return getattr(kind, "__module__", "").startswith("geventmp")
