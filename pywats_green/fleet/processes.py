"""Which processes of this machine have ended, so that nothing need be kept for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywats_green.fleet import limit
from pywats_green.fleet.labels import labels
from pywats_green.fleet.link import Link

_DEAD = ("Z", "X")  # states of a process that has ended, but has not been waited for


def identity(pid: int) -> dict[str, Any]:
    """Return what tells a process of this machine from all others, anywhere and at any time.

    Returns:
        `pid`; and on Linux, `machine`, alike only for processes that see each other, and `start`,
        which tells a process from a later one of the same pid.
    """
    found: dict[str, Any] = {"pid": pid}
    machine, start = _machine(), _start(pid)
    if machine is not None and start is not None:
        found |= {"machine": machine, "start": start}
    return found


def has_ended(told: Mapping[str, Any]) -> bool:
    """Return whether a process has certainly ended, by its `identity`.

    False, too: it is of another machine or container, or nobody can tell.
    """
    pid, machine, start = told.get("pid"), told.get("machine"), told.get("start")
    if not (isinstance(pid, int) and pid > 0 and machine and start) or machine != _machine():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        pass
    now = _start(pid)
    return now is not None and now != start


def leave_for_the_dead(link: Link, place: str, window: float) -> None:
    """Leave for the members of a limit that were killed on this machine.

    Raises:
        LinkError: It did not work.
    """
    for name, label in labels(link, place).items():
        if has_ended(label):
            limit.leave_for(link, place, name, window)


def _machine() -> str | None:
    """Return the boot of this machine and the namespace of its pids: a container has its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _start(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot, or its state if it has ended.

    None: not to be seen.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return state if state in _DEAD else fields[18]
