"""Fits asyncio's default event loop policy to greenlets."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any


def adapt() -> None:
    """Keep a current loop for each greenlet, and find child processes that gevent has reaped."""
    _keep_loops_by_greenlet(asyncio.events)
    if sys.platform != "win32":
        _wait_for_children_in_greenlets(asyncio.unix_events)


def _keep_loops_by_greenlet(events: Any) -> None:
    """Replace the native `threading.local` that asyncio uses if it was imported before the patch.

    Otherwise, `set_event_loop` in one greenlet sets the loop of all.
    """
    policies = events.BaseDefaultEventLoopPolicy
    native: Any = policies._Local  # noqa: SLF001
    if issubclass(native, threading.local):
        return

    class Local(threading.local):
        _loop = None
        _set_called = False

    policies._Local = Local  # noqa: SLF001
    policy = events._event_loop_policy  # noqa: SLF001  # None: not needed yet
    kept = getattr(policy, "_local", None)
    if isinstance(kept, native):
        policy._local = local = Local()  # noqa: SLF001
        for name, value in vars(kept).items():
            setattr(local, name, value)


def _wait_for_children_in_greenlets(unix_events: Any) -> None:
    """Wait by `os.waitpid`, which gevent has replaced, and not, as from 3.12 on, by a pidfd.

    gevent reaps each child, perhaps before asyncio opens its pidfd; then, there is none.
    """
    if hasattr(unix_events, "can_use_pidfd"):
        unix_events.can_use_pidfd = lambda: False
        policy = asyncio.events._event_loop_policy  # type: ignore[attr-defined]  # noqa: SLF001
        if isinstance(getattr(policy, "_watcher", None), unix_events.PidfdChildWatcher):
            policy._watcher = None  # noqa: SLF001  # it holds nothing; the next one is another
