"""The server's child process; controlled only through its own handle."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from pywats_green.testing.certificates import Certificates

START_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0
CONTROL_TIMEOUT = 60.0
OK = 200
BAD_ARGUMENTS = 400


class ServerProcess:
    """A running server.

    The child exits when its standard input is closed, so it never outlives its parent.

    Args:
        options: Options sent to the child as JSON on its standard input.
        certificates: The server's certificates. None: plain HTTP.

    Raises:
        RuntimeError: The process exited before it was listening, or this program is frozen.
    """

    def __init__(self, options: dict[str, Any], certificates: Certificates | None) -> None:
        if getattr(sys, "frozen", False):
            raise RuntimeError(
                "WatsServer cannot start in a frozen program, which would start itself again: use "
                "pywats_green.testing.mock_wats(), or `python -m pywats_green serve` beside it"
            )
        self._certificates = certificates
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
        # A silent process would block the read for ever; killing it ends the read.
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
                "the WATS server process exited before it was listening; see its error on stderr"
            )
        return int(line)

    def call(self, command: str, **arguments: Any) -> Any:
        """Send a command over a new connection.

        Args:
            command: The command.
            **arguments: Its arguments, sent as JSON.

        Returns:
            The decoded response.

        Raises:
            ValueError: The server rejects the arguments.
            RuntimeError: The server does not answer, or does not know the command.
        """
        connection = self._connection()
        try:
            connection.request("POST", f"/__control__/{command}", json.dumps(arguments).encode())
            response = connection.getresponse()
            body = json.loads(response.read())
        except (OSError, http.client.HTTPException) as exc:
            raise RuntimeError(f"the WATS server does not answer: {exc}") from exc
        finally:
            connection.close()
        if response.status == BAD_ARGUMENTS:
            raise ValueError(body.get("Message"))
        if response.status != OK:
            raise RuntimeError(f"the WATS server rejected '{command}': {body.get('Message')}")
        return body

    def _connection(self) -> http.client.HTTPConnection:
        if self._certificates is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=CONTROL_TIMEOUT)
        context = self._certificates.client_context()
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=CONTROL_TIMEOUT, context=context
        )

    def end(self) -> None:
        """Stop the process and wait for it; kill it if it does not exit."""
        process = self._process
        try:
            if process.stdin is not None:
                # A broken pipe means that the process has already exited.
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
    """Return the child's environment: not patched, and importing this copy of the package."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, known]) if known else root
    return {**os.environ, "PYWATS_GREEN_DISABLE": "1", "PYTHONPATH": path}
