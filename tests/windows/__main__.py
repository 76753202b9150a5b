"""Runs the tests, or a smoke test, under a Windows Python on Linux: python tests/windows WHAT.

    setup   install Wine, a Windows Python and the packages, in `.wine`
    smoke   import, doctor, demo, queue, converter, signals: see smoke.py
    suite   the smoke test, then the suite's folders, each in a process of its own

Exit status: 0 passed, 1 failed, 3 it cannot be installed here (smoke: 0, and it says so).
"""

from __future__ import annotations

import sys
import time

import wine

CANNOT_INSTALL = 3

_SMOKE = "tests/windows/smoke.py"
_SMOKE_TIMEOUT = 300.0

# What is tested in one process, and the seconds that it may take.
PARTS = {
    "tests/queue/folder": 600.0,
}


def smoke() -> bool:
    """Run the smoke test; return whether it passed."""
    return _passes([_SMOKE], _SMOKE_TIMEOUT)


def suite() -> bool:
    """Run the smoke test and the suite; return whether they passed."""
    failed = [] if smoke() else [_SMOKE]
    for part, timeout in PARTS.items():
        if not _passes(["-m", "pytest", "-p", "no:cacheprovider", "-q", part], timeout):
            failed.append(part)
    print(f"Failed under Windows: {', '.join(failed)}" if failed else "Passed under Windows")
    return not failed


def _passes(arguments: list[str], timeout: float) -> bool:
    print(f"Windows: {' '.join(arguments)}", flush=True)
    started = time.monotonic()
    status = wine.run(arguments, timeout=timeout)
    how = f"killed after {timeout:g} s" if status == wine.TIMED_OUT else f"exit status {status}"
    print(f"Windows: {how} after {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


def main(what: str) -> int:
    """Do one thing; return the exit status."""
    try:
        wine.set_up()
    except wine.CannotInstallError as error:
        print(f"Wine cannot be installed here: Windows {what} not run ({error})", flush=True)
        return 0 if what == "smoke" else CANNOT_INSTALL
    try:
        return 0 if {"setup": lambda: True, "smoke": smoke, "suite": suite}[what]() else 1
    finally:
        wine.stop()


if __name__ == "__main__":
    if sys.argv[1:] not in (["setup"], ["smoke"], ["suite"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
