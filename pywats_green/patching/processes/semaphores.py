"""Semaphores and locks between processes that greenlets wait for cooperatively."""

from __future__ import annotations

import sys
from multiprocessing import synchronize
from typing import Any

from gevent import getcurrent

from pywats_green.patching.processes.polling import poll

_RECURSIVE: int = vars(synchronize)["RECURSIVE_MUTEX"]


class GreenSemLock:
    """Stands before a semaphore of the system, for the greenlets of this process.

    It polls: a native thread that waits for a killed greenlet would take the semaphore later, and
    keep it. The owner is a greenlet: the native lock only knows threads, and would let two
    greenlets of one thread in. The interface is that of `_multiprocessing.SemLock`.
    """

    def __init__(self, native: Any) -> None:
        self._native = native
        self._owner: object = None
        self._is_recursive = native.kind == _RECURSIVE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)  # handle, name, kind, maxvalue, counts

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Acquire it; `timeout` in seconds, None: no limit, 0 or less: do not wait."""
        if self._is_recursive and self._is_mine():
            return bool(self._native.acquire())  # once more, which never waits
        if self._take():
            return True
        return bool(block) and poll(self._take, timeout)

    def _take(self) -> bool:
        if self._is_recursive and self._native._count() and self._owner is not None:  # noqa: SLF001
            return False  # held by another greenlet here, whose thread may be ours
        if not self._native.acquire(False):
            return False
        # At the end of the interpreter, when finalizers close pools, there is no current greenlet.
        self._owner = None if sys.is_finalizing() else getcurrent()
        return True

    def release(self) -> None:
        """Release it, as the native one does; a recursive lock only by its greenlet."""
        if self._is_recursive:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._native._count() == 1:  # noqa: SLF001
                self._owner = None
        self._native.release()

    def _is_mine(self) -> bool:
        return self._owner is getcurrent() and self._native._count() > 0  # noqa: SLF001

    def _after_fork(self) -> None:
        self._native._after_fork()  # noqa: SLF001
        self._owner = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def install() -> None:
    """Put one before each semaphore that is made, or arrives from another process."""
    kind: Any = synchronize.SemLock
    make_methods = kind._make_methods  # noqa: SLF001

    def make_green_methods(self: Any) -> None:
        self._semlock = GreenSemLock(self._semlock)
        make_methods(self)

    kind._make_methods = make_green_methods  # noqa: SLF001
