"""Heals what was made before the patch and would hang or fail after it, or refuses to patch."""

from __future__ import annotations

import gc
import queue
import selectors
import ssl
import sys
import threading
from types import FrameType
from typing import Any

from gevent import monkey

SSL_MODULE = "ssl"
LOOP_MODULE = "asyncio.selector_events"
EXECUTOR_MODULE = "concurrent.futures.thread"

_native_ident: Any = monkey.get_original("threading", "get_ident")


# Who imports us, by the module of its frames, and would hang afterwards.
_HANGING = {
    "gunicorn.workers.gthread": (
        "gunicorn's gthread worker would hang if it was patched now, when it loads the "
        'application: put "import pywats_green" into gunicorn.conf.py, or use -k gevent'
    ),
    "execnet.gateway_base": (
        "a worker of pytest-xdist would hang if it was patched, because execnet waits natively: "
        "use -n 0, or set PYWATS_GREEN_DISABLE=1 to test without pywats_green"
    ),
}


def obstacle() -> str | None:
    """Return what imports this, would hang once it was patched, and what to do instead."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        if (reason := _HANGING.get(frame.f_globals.get("__name__", ""))) is not None:
            return reason
        frame = frame.f_back
    running = _running_loop()
    if running is not None and not isinstance(running, _attribute(LOOP_MODULE, _LOOP)):
        return (
            f"a running {type(running).__module__}.{type(running).__name__} would never let a "
            "greenlet run: import pywats_green before the event loop starts, and use asyncio's "
            'selector loop (uvicorn: "python -m pywats_green run -m uvicorn --loop asyncio ...")'
        )
    return None


def heal(*, ssl_was_imported: bool) -> None:
    """Heal the process, right after the patch.

    Args:
        ssl_was_imported: Whether a module may hold an unpatched `SSLContext`.
    """
    context: Any = monkey.get_original(SSL_MODULE, "SSLContext") if ssl_was_imported else None
    executor = _attribute(EXECUTOR_MODULE, "ThreadPoolExecutor")
    loop = _attribute(LOOP_MODULE, _LOOP)
    if context is not None:
        _rebind(context, ssl.SSLContext)
    if not (context or executor or loop):
        return
    for known in gc.get_objects():
        kind = type(known)  # not isinstance: lazy objects would go and look what they are
        if kind is context:
            known.__class__ = ssl.SSLContext  # the same with other methods
        elif executor is not None and issubclass(kind, executor):
            _heal_executor(known)
        elif loop is not None and issubclass(kind, loop):
            _heal_loop(known)


_LOOP = "BaseSelectorEventLoop"


def _attribute(module: str, name: str) -> Any:
    """Return an attribute of a module; None if nobody has imported it."""
    return getattr(sys.modules.get(module), name, None)


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001


def _rebind(original: object, patched: object) -> None:
    """Exchange a class in all modules that hold it: urllib3's hold `SSLContext`.

    Its setters look for themselves by name and find gevent's class, which calls them: each would
    recurse without end.
    """
    for name, module in tuple(sys.modules.items()):
        if module is None or name.partition(".")[0] == "gevent":
            continue
        namespace = vars(module) if hasattr(module, "__dict__") else {}
        for attribute in [key for key, value in tuple(namespace.items()) if value is original]:
            namespace[attribute] = patched


def _heal_loop(loop: Any) -> None:
    """Let an event loop wait in gevent's hub: what it waits for may be a greenlet.

    If it runs, then we are inside one of its callbacks, and it is not waiting now. One that runs
    in another thread goes on as it is.
    """
    if loop.is_closed() or (loop.is_running() and loop is not _running_loop()):
        return
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


def _heal_executor(executor: Any) -> None:
    """Let a ThreadPoolExecutor begin anew, with a queue and locks of the patched kind.

    Its greenlets would wait natively at the old queue. Threads that it has finish what they were
    given, and end with the executor or the process.
    """
    if hasattr(executor, "_work_queue"):  # else not initialised yet
        executor._work_queue = queue.SimpleQueue()  # noqa: SLF001
        executor._idle_semaphore = _IdleThreads()  # noqa: SLF001
        executor._shutdown_lock = threading.Lock()  # noqa: SLF001
        executor._threads = set()  # noqa: SLF001
