"""`serve`: runs the embedded WATS server in the foreground, for the user's own tests."""

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

RATE_WINDOW = 60.0  # seconds, as upstream
HEALTH_CHECK = 1.0  # seconds between health checks of the server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = "Ends on Ctrl-C or SIGTERM. Its state is then lost."
    parser.add_argument(
        "--port", type=option.port, default=0, help="TCP port on the loopback; 0: a free one (0)"
    )
    parser.add_argument(
        "--latency", type=option.seconds, default=0.0, metavar="SECONDS",
        help="delay of each answer (0)",
    )  # fmt: skip
    parser.add_argument(
        "--jitter", type=option.seconds, default=0.0, metavar="SECONDS",
        help="maximum random addition to the latency (0)",
    )  # fmt: skip
    parser.add_argument(
        "--rate-limit", type=option.positive_int, metavar="N",
        help="answer 429 to more than N requests a minute (no limit)",
    )  # fmt: skip
    parser.add_argument("--tls", action="store_true", help="serve HTTPS; needs trustme installed")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the generated content (0)"
    )
    parser.add_argument("--json", action="store_true", help="print URL and token as JSON, one line")


def execute(options: argparse.Namespace) -> int:
    """Serve until a signal arrives.

    Returns:
        0.

    Raises:
        CommandError: The server did not start, or crashed.
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
            # Ctrl-C reaches the whole process group, so during startup it ends the server, too.
            if not stop.is_set():
                raise
    return 0


def _require_free(port: int) -> None:
    """Check that a port is free; the server's process would report it with a traceback."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as exc:
        raise CommandError(
            f"port {port} cannot be used: {exc.strerror}. Use another, or 0 for a free one"
        ) from exc


def _announcement(server: WatsServer, *, as_json: bool) -> str:
    """Return URL and token of the server; the token is generated, and valid only there."""
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
        raise CommandError(f"the embedded server crashed: {exc}. Start it again") from exc


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """Yield an event that is set by Ctrl-C, SIGTERM and, on Windows, Ctrl-Break.

    The handlers run in gevent's hub, where nothing may block, so they do nothing else.
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
