"""Children, on POSIX: their parent waits cooperatively, and forks take no greenlets along."""

from __future__ import annotations

import gc
import os
from multiprocessing import popen_fork, popen_spawn_posix, util
from typing import Any

import gevent.hub
import gevent.os
from gevent import monkey
from gevent.socket import wait_read
from greenlet import greenlet

from pywats_green.patching.processes.pipes import Outlet, wait

_watch: Any = gevent.os._watch_child  # type: ignore[attr-defined]  # noqa: SLF001
_watched: Any = gevent.os._watched_children  # type: ignore[attr-defined]  # noqa: SLF001


def install() -> None:
    """Change how children are started."""
    modules: Any = util, popen_spawn_posix, popen_fork
    tools, by_spawn, by_fork = modules
    by_fork.os = _PromptOs()
    spawn = tools.spawnv_passfds

    def spawn_watched(path: Any, args: Any, passfds: Any) -> int:
        pid: int = spawn(path, args, passfds)
        _watch(pid)  # as gevent does with forks; else its hub reaps the child, and tells nobody
        return pid

    tools.spawnv_passfds = spawn_watched
    by_spawn.open = Outlet
    util.register_after_fork(_FORKED, _Forked.leave_greenlets_behind)
    try:
        from multiprocessing import forkserver, popen_forkserver  # noqa: PLC0415
    except ImportError:  # a system that cannot send descriptors
        return
    server: Any = forkserver
    by_server: Any = popen_forkserver
    by_server.open = Outlet
    read = server.read_signed

    def read_signed(fd: int) -> int:
        wait(fd, wait_read)
        number: int = read(fd)
        return number

    server.read_signed = read_signed


class _PromptOs:
    """The module `os`, but closes at once, where gevent's waits for the end of a turn of its loop.

    Else the next fork inherits the end of a pipe by which the parent sees that this child is dead,
    and a forked child begins with a loop that has something to do, and never sleeps.
    """

    close = staticmethod(monkey.get_original("os", "close"))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class _Forked:
    """Ends the parent's greenlets in a forked child, as a fork ends the parent's threads.

    Otherwise they would run there as well: the child would take results from the parent's pipes,
    and send its requests again.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._left: list[object] = []

    def leave_greenlets_behind(self) -> None:
        if os.getpid() == self._pid:
            return  # not a fork: a fresh child runs the same hooks
        self._pid = os.getpid()
        hub: Any = gevent.hub.get_hub()
        # Kept: a greenlet that is collected runs its `finally` blocks. By type: isinstance makes
        # lazy objects look what they are.
        greenlets = [known for known in gc.get_objects() if issubclass(type(known), greenlet)]
        self._left += [hub, hub.loop, dict(_watched), greenlets]
        _watched.clear()
        loop = hub.loop
        set_aside: Any = gevent.hub
        set_aside.set_hub(None)
        set_aside.set_loop(None)
        loop.destroy()


_FORKED = _Forked()
