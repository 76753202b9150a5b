"""Heals what was made before the patch and would fail or freeze every greenlet after it."""

from __future__ import annotations

import gc
import queue
import selectors
import ssl
import sys
import threading
from typing import Any

from gevent import monkey

SSL_MODULE = "ssl"
LOOP_MODULE = "asyncio.selector_events"
GTHREAD_MODULE = "gunicorn.workers.gthread"
EXECUTOR_MODULE = "concurrent.futures.thread"

_native_ident: Any = monkey.get_original("threading", "get_ident")


def heal(*, ssl_was_imported: bool) -> None:
    """Heal the process, right after the patch.

    Args:
        ssl_was_imported: Whether a module may hold an unpatched `SSLContext`.
    """
    if ssl_was_imported:
        _heal_ssl()
    if EXECUTOR_MODULE in sys.modules:
        _heal_executors()
    if LOOP_MODULE in sys.modules:
        _heal_loops()


def obstacle() -> str | None:
    """Return what runs in this process and would hang once it was patched, and what to do."""
    worker = getattr(sys.modules.get(GTHREAD_MODULE), "ThreadWorker", None)
    if worker is not None and any(isinstance(known, worker) for known in gc.get_objects()):
        return (
            "gunicorn's gthread worker would hang if it was patched now, when it loads the "
            'application: put "import pywats_green" into gunicorn.conf.py, or start gunicorn with '
            "--preload, or with -k gevent"
        )
    running = _running_loop()
    if running is not None and not isinstance(running, _selector_loop()):
        return (
            f"a running {type(running).__module__}.{type(running).__name__} would never let a "
            "greenlet run: import pywats_green before the event loop starts, and use asyncio's "
            'selector loop (uvicorn: "python -m pywats_green run -m uvicorn --loop asyncio ...")'
        )
    return None


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


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001


def _selector_loop() -> Any:
    return vars(sys.modules[LOOP_MODULE])["BaseSelectorEventLoop"]


def _heal_loops() -> None:
    """Let event loops that exist wait in gevent's hub: what they wait for may be a greenlet."""
    kind = _selector_loop()
    for known in gc.get_objects():
        if not isinstance(known, kind) or known.is_closed():
            continue
        loop: Any = known
        selector = selectors.DefaultSelector()
        for key in tuple(loop._selector.get_map().values()):  # noqa: SLF001
            selector.register(key.fileobj, key.events, key.data)
        loop._selector.close()  # noqa: SLF001
        loop._selector = selector  # noqa: SLF001


class _IdleThreads(threading.Semaphore):
    """Counts the idle threads of an executor, but not those from before the patch."""

    def __init__(self) -> None:
        super().__init__(0)
        self._home = _native_ident()

    def release(self, n: int = 1) -> None:
        if _native_ident() == self._home:
            super().release(n)


def _heal_executors() -> None:
    """Let each ThreadPoolExecutor begin anew, with a queue and locks of the patched kind.

    Its greenlets would wait natively at the old queue. Threads that it has finish what they were
    given, and end with the executor or the process.
    """
    kind: Any = vars(sys.modules[EXECUTOR_MODULE])["ThreadPoolExecutor"]
    native: Any = monkey.get_original("queue", "SimpleQueue")
    for known in gc.get_objects():
        if isinstance(known, kind) and isinstance(getattr(known, "_work_queue", None), native):
            executor: Any = known
            executor._work_queue = queue.SimpleQueue()  # noqa: SLF001
            executor._idle_semaphore = _IdleThreads()  # noqa: SLF001
            executor._shutdown_lock = threading.Lock()  # noqa: SLF001
            executor._threads = set()  # noqa: SLF001
