"""Runs the tests, or a smoke test, under a Windows Python on Linux: python tests/windows WHAT.

    setup   install Wine, a Windows Python and the packages, in `.wine`
    smoke   import, doctor, demo, queue, converter, signals: see smoke.py
    suite   the smoke test, then the suite's folders, each in a process of its own

Exit status: 0 passed, 1 failed, 3 Wine cannot be installed here (smoke: 0, and it says so).
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

# Seconds after which what hangs is killed. On two cores that nobody else uses, the smoke test takes
# two minutes, and the suite about 25.
_SMOKE_TIMEOUT = 900.0
_PART_TIMEOUT = 1800.0
_TEST_TIMEOUT = 600

# What is tested in one process, the longest first. Left out are tests that no system can change
# (parity, the content of the embedded server, typing, documents, long runs by a hand clock), those
# of speed or of programs that are not installed, and those marked long, but for two files.
PARTS = (
    "tests/cli",
    "tests/queue/convert",
    "tests/queue/drain",
    "tests/queue/folder tests/queue/test_patiently.py --ignore=tests/queue/folder/test_depth.py",
    "tests/patching tests/test_patching.py tests/test_bridge.py",
    "tests/upstream --ignore=tests/upstream/client/test_window.py",
    "tests/transport",
    "tests/cache tests/batching tests/pool tests/profiler",
    "tests/throttle --ignore=tests/throttle/test_gate_model.py",
    "tests/testing/test_server_faults.py tests/testing/test_server_handle.py tests/observe",
    "tests/test_lent_loop.py tests/test_lent_loop_ends.py tests/test_deadlines.py",
    "tests/test_timers.py tests/test_admission_time.py tests/test_config.py tests/test_examples.py",
    "-m long tests/works_with/test_multiprocessing.py",
    "-m long tests/queue/drain/test_folder_drain.py -k two_drainers",
)
_AT_ONCE = 2


def smoke() -> bool:
    """Run the smoke test; return whether it passed."""
    return _passes([_SMOKE], _SMOKE_TIMEOUT, sys.stdout.buffer, b"passed")


def suite() -> bool:
    """Run the smoke test and the suite; return whether they passed."""
    failed = [] if smoke() else [_SMOKE]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for part, passed in zip(PARTS, pool.map(_tests, PARTS), strict=True):
            if not passed:
                failed.append(part)
    print(f"Failed under Windows: {'; '.join(failed)}" if failed else "Passed under Windows")
    return not failed


def _tests(part: str) -> bool:
    output = BytesIO()
    options = ["-p", "no:cacheprovider", "-v", "--tb=short", "-o", f"timeout={_TEST_TIMEOUT}"]
    passed = _passes(["-m", "pytest", *options, *part.split()], _PART_TIMEOUT, output, b" passed")
    lines = output.getvalue().splitlines()
    # Of a part that passed, only what was skipped, and the count.
    shown = (b"SKIPPED [", b"===") if passed else (b"",)
    told = [line for line in lines if line.startswith(shown) and b" PASSED " not in line]
    sys.stdout.buffer.write(b"\n".join([*told, b""]))
    sys.stdout.buffer.flush()
    return passed


class _Ending:
    """Passes on what is written, and keeps its end."""

    def __init__(self, output: BinaryIO) -> None:
        self._kept = b""
        self._output = output

    def write(self, data: bytes) -> None:
        self._output.write(data)
        self._kept = (self._kept + data)[-500:]

    def flush(self) -> None:
        self._output.flush()

    @property
    def line(self) -> bytes:
        return self._kept.rstrip().rpartition(b"\n")[2]


def _passes(arguments: list[str], timeout: float, output: BinaryIO, ending: bytes) -> bool:
    """Run the Windows Python; a crash may have exit status 0, so its last line has to say so."""
    told = f"Windows: {' '.join(arguments)}"
    print(told, flush=True)
    started = time.monotonic()
    end = _Ending(output)
    status = wine.run(arguments, timeout=timeout, output=end)
    how = f"killed after {timeout:g} s" if status == wine.TIMED_OUT else f"exit status {status}"
    print(f"{told}: {how} after {time.monotonic() - started:.0f} s", flush=True)
    return status == 0 and ending in end.line


def main(what: str) -> int:
    """Do one thing; return the exit status."""
    try:
        wine.set_up()
    except wine.CannotInstallError as error:
        print(f"Wine cannot be installed here: Windows {what} not run ({error})", flush=True)
        return 0 if what == "smoke" else CANNOT_INSTALL
    except wine.SetUpError as error:
        print(f"The set-up of Windows failed: {error}", flush=True)
        return 1
    try:
        return 0 if {"setup": lambda: True, "smoke": smoke, "suite": suite}[what]() else 1
    finally:
        wine.stop()


if __name__ == "__main__":
    if sys.argv[1:] not in (["setup"], ["smoke"], ["suite"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
