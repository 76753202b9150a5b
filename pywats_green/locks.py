"""The lock for what native threads share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from gevent import monkey

new_lock: Callable[[], AbstractContextManager[Any]] = monkey.get_original("_thread", "RLock")
"""Makes a lock that native threads may share, each with greenlets: a native one.

One of gevent's loses wake-ups between native threads with hubs of their own, and raises
AssertionError. Greenlets must not switch while it is held. Where user code can make them, the
thread does not deadlock, because the lock is reentrant.
"""
