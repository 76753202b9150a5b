"""Heals what was made before the patch and would fail or freeze every greenlet after it."""

from __future__ import annotations

import gc
import queue
import ssl
import sys
import threading
from typing import Any

from gevent import monkey

SSL_MODULE = "ssl"
EXECUTOR_MODULE = "concurrent.futures.thread"


def heal(*, ssl_was_imported: bool) -> None:
    """Heal the process, right after the patch.

    Args:
        ssl_was_imported: Whether a module may hold an unpatched `SSLContext`.
    """
    if ssl_was_imported:
        _heal_ssl()
    if EXECUTOR_MODULE in sys.modules:
        _heal_executors()


def _heal_ssl() -> None:
    """Exchange the class `SSLContext` in modules that hold it, urllib3's among them.

    Its setters look for themselves by name and find gevent's class, which calls them: each would
    recurse without end. Contexts that exist get gevent's class, which is theirs with other methods.
    """
    original: Any = monkey.get_original(SSL_MODULE, "SSLContext")
    for name, module in tuple(sys.modules.items()):
        if module is None or name.partition(".")[0] == "gevent":
            continue
        namespace = vars(module) if hasattr(module, "__dict__") else {}
        for attribute in [key for key, value in tuple(namespace.items()) if value is original]:
            namespace[attribute] = ssl.SSLContext
    for known in gc.get_objects():
        if type(known) is original:
            known.__class__ = ssl.SSLContext


def _heal_executors() -> None:
    """Give a ThreadPoolExecutor a queue and locks of the patched kind.

    One that was never used starts greenlets, which would wait natively at its queue. One that has
    threads keeps them, but must not start greenlets beside them.
    """
    kind: Any = vars(sys.modules[EXECUTOR_MODULE])["ThreadPoolExecutor"]
    native: Any = monkey.get_original("queue", "SimpleQueue")
    for known in gc.get_objects():
        if not (
            isinstance(known, kind) and isinstance(getattr(known, "_work_queue", None), native)
        ):
            continue
        executor: Any = known
        if executor._threads:  # noqa: SLF001
            executor._max_workers = len(executor._threads)  # noqa: SLF001
        else:
            executor._work_queue = queue.SimpleQueue()  # noqa: SLF001
            executor._idle_semaphore = threading.Semaphore(0)  # noqa: SLF001
            executor._shutdown_lock = threading.Lock()  # noqa: SLF001
