"""The child process: started, waited for, ended; only ever by its own handle."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0


class ServerProcess:
    """A running server.

    Its standard input stays open for as long as it is wanted: the child exits when that ends,
    so it never outlives a parent that dies.

    Args:
        options: What the child is told, as JSON on its standard input.

    Raises:
        RuntimeError: The process ended before it listened.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pywats_green.testing.app"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        try:
            self.port = self._handshake(options)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def _handshake(self, options: dict[str, Any]) -> int:
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the WATS server process has no pipes")
        # A process that never speaks would hold the read for ever; killing it ends the read.
        watchdog = threading.Timer(START_TIMEOUT, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            process.stdin.write(json.dumps(options).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line.strip().isdigit():
            raise RuntimeError(
                "the WATS server process ended before it listened; its error stands on stderr"
            )
        return int(line)

    def end(self) -> None:
        """End the process and wait until it is gone; a stubborn one is killed."""
        process = self._process
        try:
            if process.stdin is not None:
                # A broken pipe says that the process is gone already.
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_TIMEOUT)
        finally:
            if process.stdout is not None:
                process.stdout.close()


def _environment() -> dict[str, str]:
    """The child is never patched, and finds this very package wherever it was imported from."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, known]) if known else root
    return {**os.environ, "PYWATS_GREEN_DISABLE": "1", "PYTHONPATH": path}
