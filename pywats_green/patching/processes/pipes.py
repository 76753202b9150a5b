"""Pipes and sockets between processes, on POSIX: reads and writes that wait in gevent's hub.

Their descriptors stay blocking, because a child that is not patched may share them. So a read is
made once there is something to read, and a write takes no more than what a writable pipe accepts.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
from collections.abc import Callable
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from gevent import get_hub, getcurrent, monkey
from gevent.selectors import GeventSelector
from gevent.socket import wait_read, wait_write

if TYPE_CHECKING:
    from typing_extensions import Self

BURST = 16  # writes in a row while there is room: on Linux, they fill a pipe

# On Linux, a write that does not wait though the descriptor would; not for pipes in older kernels.
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ESPIPE, errno.ENOSYS)

_native_poll: Any = monkey.get_original("select", "poll")


def wait(handle: int, event: Callable[[int], object]) -> None:
    """Wait until a descriptor is ready; not in the hub, where a finalizer may close a queue."""
    if getcurrent() is not get_hub():
        event(handle)


def _wait_open(self: Any, handle: int, event: Callable[[int], object]) -> None:
    wait(handle, event)
    if self._handle != handle:
        raise OSError("handle is closed")


def receive(self: Any, size: int, read: Callable[[int, int], bytes] = os.read) -> io.BytesIO:
    """Read exactly `size` bytes, as `Connection._recv` does."""
    buffer = io.BytesIO()
    handle, left = self._handle, size
    while left > 0:
        _wait_open(self, handle, wait_read)
        try:
            chunk = read(handle, left)
        except BlockingIOError:  # a socket of gevent's has a duplicate of it
            continue
        if not chunk:
            if left == size:
                raise EOFError
            raise OSError("got end of file during message")
        buffer.write(chunk)
        left -= len(chunk)
    return buffer


def send(self: Any, buf: Any, write: Callable[[int, Any], int] = os.write) -> None:
    """Write all bytes, as `Connection._send` does."""
    handle, rest = self._handle, memoryview(buf)
    while rest:
        _wait_open(self, handle, wait_write)
        with contextlib.suppress(BlockingIOError):
            rest = rest[_write_what_fits(handle, rest, write) :]


def _write_what_fits(handle: int, data: Any, write: Callable[[int, Any], int]) -> int:
    """Write what a descriptor that is ready takes without a wait; return how much that was."""
    if _NOWAIT is not None:
        try:
            return os.pwritev(handle, [data], -1, _NOWAIT)
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise
    ready = _native_poll()
    ready.register(handle, select.POLLOUT)
    written = 0
    for _ in range(BURST):
        try:
            written += write(handle, data[written : written + select.PIPE_BUF])
        except BlockingIOError:
            break
        if written == len(data) or not ready.poll(0):
            break
    return written


class Outlet:
    """What `open(descriptor, "wb")` returns where a parent tells its child what to run."""

    def __init__(self, handle: int, _mode: str, closefd: bool = True) -> None:
        self._handle = handle
        self._closefd = closefd

    def write(self, buf: Any) -> int:
        """Write all bytes: a child that is still starting reads none yet."""
        send(self, buf)
        return len(buf)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._closefd:
            os.close(self._handle)


def install() -> None:
    """Replace the methods, in all connections that are or will be."""
    kind: Any = connection.Connection
    init = kind.__init__

    def init_blocking(self: Any, handle: Any, readable: bool = True, writable: bool = True) -> None:
        init(self, handle, readable, writable)
        with contextlib.suppress(OSError):  # no descriptor; its first use will tell
            os.set_blocking(self._handle, True)  # gevent's sockets are not

    kind.__init__ = init_blocking
    kind._recv = receive  # noqa: SLF001
    kind._send = send  # noqa: SLF001
    connection._WaitSelector = GeventSelector  # type: ignore[attr-defined]  # noqa: SLF001
