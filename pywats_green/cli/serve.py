"""`serve`: the embedded WATS server in the foreground, for the user's own tests."""

from __future__ import annotations

import argparse
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gevent.event import Event

from pywats_green.cli import options as option
from pywats_green.cli.embedded import LOOPBACK, embedded_server
from pywats_green.cli.errors import CommandError
from pywats_green.testing import WatsServer

RATE_WINDOW = 60.0  # seconds, upstream's
HEALTH_CHECK = 1.0  # seconds between two looks at whether the server still answers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = "Ends on Ctrl-C or SIGTERM. What it holds is gone then."
    parser.add_argument(
        "--port", type=option.port, default=0, help="TCP port of the loopback; 0: a free one (0)"
    )
    parser.add_argument(
        "--latency", type=option.seconds, default=0.0, metavar="SECONDS",
        help="wait before each answer (0)",
    )  # fmt: skip
    parser.add_argument(
        "--jitter", type=option.seconds, default=0.0, metavar="SECONDS",
        help="the most that chance adds to the latency (0)",
    )  # fmt: skip
    parser.add_argument(
        "--rate-limit", type=option.positive_int, metavar="N",
        help="answer 429 to more than N requests a minute (no limit)",
    )  # fmt: skip
    parser.add_argument("--tls", action="store_true", help="serve HTTPS; needs trustme installed")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides the content (0)")
    parser.add_argument("--json", action="store_true", help="print URL and token as JSON, one line")


def execute(options: argparse.Namespace) -> int:
    """Serve until a signal comes.

    Returns:
        0.

    Raises:
        CommandError: The server did not start, or broke down.
    """
    limit = options.rate_limit
    _require_free(options.port)
    with _stop_signals() as stop:
        try:
            with embedded_server(
                latency=options.latency,
                jitter=options.jitter,
                rate_limit=None if limit is None else (limit, RATE_WINDOW),
                tls=options.tls,
                seed=options.seed,
                port=options.port,
            ) as server:
                print(_announcement(server, as_json=options.json), flush=True)
                while not stop.wait(HEALTH_CHECK):
                    _check(server)
        except CommandError:
            # Ctrl-C reaches the whole group: before the server is up, it ends the server too.
            if not stop.is_set():
                raise
    return 0


def _require_free(port: int) -> None:
    """Find out here that a port is taken; the server's process would say it in a traceback."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as exc:
        raise CommandError(
            f"port {port} cannot be used: {exc.strerror}. Take another, or 0 for a free one"
        ) from exc


def _announcement(server: WatsServer, *, as_json: bool) -> str:
    """Return where the server is and how to get in; its token is made up and opens only it."""
    found = {"url": server.url, "token": server.token}
    if server.ca_file is not None:
        found["ca_file"] = server.ca_file
    if as_json:
        return json.dumps(found)
    return "\n".join(f"{name}: {value}" for name, value in found.items())


def _check(server: WatsServer) -> None:
    try:
        server.stats()
    except RuntimeError as exc:
        raise CommandError(f"the embedded server broke down: {exc}. Start it again") from exc


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """Give an event that Ctrl-C, SIGTERM and on Windows Ctrl-Break set, within the block.

    The handlers run in gevent's hub, where nothing may block: they set it and do nothing else.
    """
    stop = Event()

    def stop_now(_signum: int, _frame: FrameType | None) -> None:
        stop.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGBREAK"):
        numbers.append(signal.SIGBREAK)
    before = {number: signal.signal(number, stop_now) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
