"""Mends two libraries that gevent's patch breaks: trio, and watchdog from 7.0 on."""

from __future__ import annotations

import queue
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from gevent import monkey

from pywats_green.exceptions import PywatsGreenError
from pywats_green.patching.after_import import when_imported

TRIO_MODULE = "trio._core._io_epoll"  # on Linux
WATCHDOG_MODULE = "watchdog.utils.bricks"


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


def _refuse() -> NoReturn:
    raise PywatsGreenError(
        "trio cannot run in a process that gevent has patched, as pywats_green does: "
        "use asyncio, or run it in a process of its own"
    )


def _refuse_to_run() -> None:
    module: Any = sys.modules[TRIO_MODULE]
    module.select = SimpleNamespace(**vars(select), epoll=_refuse)


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
