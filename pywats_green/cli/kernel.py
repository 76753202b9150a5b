"""The command `kernel`: a Jupyter kernel that is patched before its threads start."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from gevent import monkey

from pywats_green.cli.errors import CommandError

NAME = "pywats-green"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--install", action="store_true", help="write the kernel spec, for Jupyter to start it"
    )
    what.add_argument("-f", dest="connection", metavar="FILE", help="start, as Jupyter does")
    parser.add_argument(
        "--prefix",
        type=Path,
        default=Path(sys.prefix),
        help="where share/jupyter is; default: this environment",
    )


def execute(options: argparse.Namespace) -> int:
    """Run the command and return the exit status.

    Raises:
        CommandError: ipykernel is not installed, or the folder cannot be written.
    """
    if options.install:
        print(f"installed the kernel {NAME}: {install(options.prefix)}")
        return 0
    try:
        heartbeat = import_module("ipykernel.heartbeat")  # optional, without types
        kernelapp = import_module("ipykernel.kernelapp")
    except ImportError as exc:
        raise CommandError("ipykernel is not installed: pip install ipykernel") from exc
    # The heartbeat blocks in zmq for good, so it keeps a native thread; it uses nothing of Python.
    start_native: Any = monkey.get_original("_thread", "start_new_thread")
    heartbeat.Heartbeat.start = lambda self: start_native(self.run, ())
    # The threads that watch the pipes of stdout and stderr would block every greenlet. What is
    # printed is shown all the same; what C code or a child writes goes to Jupyter's own log.
    kernelapp.IPKernelApp.launch_instance(
        ["-f", options.connection, "--IPKernelApp.capture_fd_output=False"]
    )
    return 0


def install(prefix: Path) -> Path:
    """Write the kernel spec.

    Args:
        prefix: Where `share/jupyter` is.

    Returns:
        The file.

    Raises:
        CommandError: It cannot be written.
    """
    path = prefix / "share" / "jupyter" / "kernels" / NAME / "kernel.json"
    start = [sys.executable, "-m", "pywats_green", "kernel", "-f", "{connection_file}"]
    spec = {"argv": start, "display_name": "Python (pywats_green)", "language": "python"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    except OSError as exc:
        raise CommandError(f"{path} cannot be written: {exc.strerror}") from exc
    return path
