"""Lets gevent's `os.close` take effect.

Since gevent 26, it leaves the closing to the end of a turn of its loop, and a loop in which nothing
else happens never ends its turn: whoever waits for a child that waits for the end of its input
would wait forever. gevent's `get_original("os", "close")` is not touched.
"""

from __future__ import annotations

import os
from typing import Any

import gevent.os
from gevent import monkey
from gevent._hub_local import get_hub_if_exists

_close: Any = monkey.get_original("os", "close")
_defer: Any = getattr(gevent.os, "close", None)  # older ones close at once


def close(fd: int) -> None:
    """Close a descriptor in the next turn of the loop, which comes at once.

    In a native thread's loop, if it has one, no turn may ever come: there it is closed now, as
    older versions of gevent do everywhere.

    Raises:
        OSError: It is not open.
    """
    hub = get_hub_if_exists()
    if not hub or not hub.loop.default:
        _close(fd)
        return
    _defer(fd)
    waker: Any = hub.loop.idle()
    waker.start(_stop, waker)


def _stop(waker: Any) -> None:
    waker.stop()
    waker.close()


def make_prompt() -> None:
    """Replace gevent's `os.close`, if it is in place."""
    if _defer is not None and os.close is _defer:
        os.close = close
