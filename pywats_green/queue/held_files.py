"""Retries on files that another program holds briefly: a virus scanner, an indexer, a backup."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

import gevent

T = TypeVar("T")

# Seconds before each further try; 2 s in all.
PAUSES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.2, 0.5, 0.5, 0.5)

# For a file that is open elsewhere, Windows says "permission denied", network drives "busy".
_HELD = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY})


def patiently(operation: Callable[[], T], sleep: Callable[[float], object] = gevent.sleep) -> T:
    """Carry out a file operation; if another program holds the file, try again for 2 s.

    Other greenlets run meanwhile, so the caller may be killed between two tries, never during one.
    In a native thread, only that thread waits. In the hub, there is only one try.

    Args:
        operation: Opens, reads, renames or removes a file. It is called again only after an
            OSError that may mean "held"; a failed try must have changed nothing.
        sleep: Called with seconds.

    Returns:
        What the operation returns.

    Raises:
        OSError: What the last try raised; at once if it does not mean "held".
    """
    for pause in PAUSES:
        try:
            return operation()
        except OSError as error:
            if error.errno not in _HELD or gevent.getcurrent() is gevent.get_hub():
                raise
        sleep(pause)
    return operation()
