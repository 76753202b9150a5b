"""Pipes and children on Windows, where they are handles that gevent's hub cannot wait for."""

from __future__ import annotations

from multiprocessing import connection
from typing import Any

import gevent
from gevent import get_hub, getcurrent

from pywats_green.patching.processes.polling import poll

_INFINITE = 0xFFFFFFFF
_WAIT_TIMEOUT = 0x102


class Patient:
    """Stands before the module `_winapi`: its waits poll, and let other greenlets run."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def WaitForMultipleObjects(  # noqa: N802  # as Windows calls it
        self, handle_seq: Any, wait_flag: bool, milliseconds: int = _INFINITE
    ) -> int:
        """Wait for one of the handles, or for all."""
        native = self._native.WaitForMultipleObjects
        return self._wait(native, (handle_seq, wait_flag), milliseconds)

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:  # noqa: N802
        """Wait for a handle."""
        return self._wait(self._native.WaitForSingleObject, (handle,), milliseconds)

    @staticmethod
    def _wait(native: Any, what: tuple[Any, ...], milliseconds: int) -> int:
        found = _WAIT_TIMEOUT
        if getcurrent() is not get_hub():
            # Also if it is there already: a pool's thread comes here again and again, until another
            # one has read the result.
            gevent.sleep(0)

        def is_there() -> bool:
            nonlocal found
            found = int(native(*what, 0))
            return found != _WAIT_TIMEOUT

        poll(is_there, None if milliseconds == _INFINITE else milliseconds / 1000)
        return found


def install() -> None:
    """Put it before `_winapi` in the modules that wait."""
    from multiprocessing import popen_spawn_win32  # noqa: PLC0415  # there only

    modules: tuple[Any, ...] = (connection, popen_spawn_win32)
    for module in modules:
        module._winapi = Patient(module._winapi)  # noqa: SLF001
