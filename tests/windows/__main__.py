"""Runs the tests, or a smoke test, under a Windows Python on Linux: python tests/windows WHAT.

    setup   install Wine, a Windows Python and the packages, in `.wine`
    smoke   import, doctor, demo, queue, converter, signals: see smoke.py
    suite   the smoke test, then the suite's folders, each in a process of its own

Exit status: 0 passed, 1 failed, 3 it cannot be installed here (smoke: 0, and it says so).
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import BinaryIO

import wine

CANNOT_INSTALL = 3

_SMOKE = "tests/windows/smoke.py"
_SMOKE_TIMEOUT = 300.0

# What is tested in one process, and the seconds that it may take. Left out is what says nothing
# about Windows: parity, perf, typing, the embedded server's content, 100,000 files.
PARTS = {
    "tests/queue/folder --ignore=tests/queue/folder/test_depth.py": 480,
    "tests/queue/drain tests/queue/crash": 720,
    "tests/queue/convert": 480,
    "tests/cli": 600,
    "tests/transport": 480,
    "tests/cache tests/batching tests/throttle tests/pool tests/profiler": 480,
    "tests/test_timers.py tests/test_deadlines.py tests/test_admission_time.py": 240,
    "tests/test_config.py tests/test_retry_after.py tests/test_examples.py": 240,
    "tests/works_with/test_multiprocessing.py tests/patching/test_early.py": 600,
    "tests/testing/test_server_faults.py tests/testing/test_server_handle.py": 240,
}
_AT_ONCE = 2


def smoke() -> bool:
    """Run the smoke test; return whether it passed."""
    return _passes([_SMOKE], _SMOKE_TIMEOUT, sys.stdout.buffer)


def suite() -> bool:
    """Run the smoke test and the suite; return whether they passed."""
    failed = [] if smoke() else [_SMOKE]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for part, passed in zip(PARTS, pool.map(_tests, PARTS.items()), strict=True):
            if not passed:
                failed.append(part)
    print(f"Failed under Windows: {'; '.join(failed)}" if failed else "Passed under Windows")
    return not failed


def _tests(part: tuple[str, float]) -> bool:
    output = BytesIO()
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short", *part[0].split()]
    passed = _passes(words, part[1], output)
    text = output.getvalue()
    # Who passed does not matter.
    lines = text.splitlines() if not passed else text.splitlines()[-1:]
    sys.stdout.buffer.write(b"\n".join([*(line for line in lines if b" PASSED " not in line), b""]))
    sys.stdout.buffer.flush()
    return passed


def _passes(arguments: list[str], timeout: float, output: BinaryIO) -> bool:
    told = f"Windows: {' '.join(arguments)}"
    print(told, flush=True)
    started = time.monotonic()
    status = wine.run(arguments, timeout=timeout, output=output)
    how = f"killed after {timeout:g} s" if status == wine.TIMED_OUT else f"exit status {status}"
    print(f"{told}: {how} after {time.monotonic() - started:.0f} s", flush=True)
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
