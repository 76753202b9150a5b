"""Mends libraries that gevent's patch breaks, or says what does not work with it."""

from __future__ import annotations

import queue
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from gevent import monkey

from pywats_green.exceptions import PywatsGreenError
from pywats_green.patching.after_import import when_imported

TRIO_MODULE = "trio._core._io_epoll"  # on Linux
WATCHDOG_MODULE = "watchdog.utils.bricks"  # from 7.0 on

_UVLOOP = (
    "uvloop waits natively, and while it does, no greenlet runs, so to_thread and run_in_executor "
    'never return: use asyncio\'s own loop (uvicorn: "--loop asyncio")'
)
_PREFORK = (
    "Celery's prefork pool never ends in a patched process: import pywats_green in a function "
    "connected to worker_process_init, or use -P gevent, -P threads or -P solo"
)
# What works, but for one thing: module, class, the method that begins it, and what to know.
WARNINGS = (
    ("uvloop", "Loop", "__init__", _UVLOOP),
    ("celery.concurrency.prefork", "TaskPool", "on_start", _PREFORK),
)


def mend() -> None:
    """Mend each of them when it is imported."""
    # gevent removes select.epoll. trio reads it when it is imported, and httpcore imports trio
    # where it is installed.
    if monkey.is_object_patched("select", "epoll"):
        when_imported(TRIO_MODULE, _refuse_to_run, lambda: _lent(select, "epoll", _refuse))
    # watchdog derives from the queue and needs its `mutex` and a number as `maxsize`; gevent's has
    # neither. Python's own is as good, since its locks are patched.
    if queue.Queue().maxsize is None:
        own = monkey.get_original("queue", "Queue")
        when_imported(WATCHDOG_MODULE, lambda: None, lambda: _lent(queue, "Queue", own))
    for module, name, method, text in WARNINGS:
        when_imported(module, partial(_warn_at, module, name, method, text))


def _refuse() -> NoReturn:
    raise PywatsGreenError(
        "trio cannot run in a process that gevent has patched, as pywats_green does: "
        "use asyncio, or run it in a process of its own"
    )


def _refuse_to_run() -> None:
    module: Any = sys.modules[TRIO_MODULE]
    module.select = SimpleNamespace(**vars(select), epoll=_refuse)


def _warn_at(module: str, name: str, method: str, text: str) -> None:
    kind: Any = getattr(sys.modules[module], name)
    original = getattr(kind, method)

    @wraps(original)
    def warn_first(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return original(*args, **kwargs)

    setattr(kind, method, warn_first)


@contextmanager
def _lent(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Give a module an attribute for the time of an import."""
    namespace = vars(module)
    had_one, before = name in namespace, namespace.get(name)
    namespace[name] = value
    try:
        yield
    finally:
        if had_one:
            namespace[name] = before
        else:
            del namespace[name]
