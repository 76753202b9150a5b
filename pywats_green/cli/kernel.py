"""The command `kernel`: a Jupyter kernel that is patched before its threads start."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from gevent import monkey

from pywats_green.cli.errors import CommandError

NAME = "pywats-green"


@click.command()
@click.option("--install", "installs", is_flag=True, help="Write the kernel spec, for Jupyter.")
@click.option("-f", "connection", metavar="FILE", help="Start, as Jupyter does.")
@click.option(
    "--prefix",
    type=click.Path(path_type=Path),
    default=Path(sys.prefix),
    show_default="this environment",
    help="Where share/jupyter is.",
)
def command(installs: bool, connection: str | None, prefix: Path) -> int:
    """Start a green kernel for notebooks, or install its kernel spec."""
    if installs == (connection is not None):
        raise click.UsageError("Give one of --install and -f FILE.")
    if installs:
        print(f"installed the kernel {NAME}: {install(prefix)}")
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
        ["-f", connection, "--IPKernelApp.capture_fd_output=False"]
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
