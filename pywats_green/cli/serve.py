"""`serve`: runs the embedded WATS server in the foreground, for the user's own tests."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from gevent.event import Event

from pywats_green.cli import options as option
from pywats_green.cli.embedded import LOOPBACK, embedded_server
from pywats_green.cli.errors import CommandError
from pywats_green.testing import WatsServer

HEALTH_CHECK = 1.0  # seconds between health checks of the server


@click.command(epilog="Ends on Ctrl-C or SIGTERM. Its state is then lost.")
@click.option(
    "--port", type=option.PORT, metavar="N", default=0, show_default="a free one",
    help="TCP port on the loopback.",
)  # fmt: skip
@click.option(
    "--latency", type=option.SECONDS, default=0.0, show_default=True,
    help="Delay of each answer, in seconds.",
)  # fmt: skip
@click.option(
    "--jitter", type=option.SECONDS, default=0.0, show_default=True,
    help="Maximum random addition to the latency, in seconds.",
)  # fmt: skip
@click.option(
    "--rate-limit", type=option.COUNT, metavar="N",
    help="Answer 429 to more than N requests a minute.  [default: no limit]",
)  # fmt: skip
@click.option("--tls", is_flag=True, help="Serve HTTPS; needs trustme installed.")
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    show_default=True,
    help="Seed of the generated content.",
)
@option.as_json
def command(
    port: int,
    latency: float,
    jitter: float,
    rate_limit: int | None,
    tls: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Run the embedded WATS server in the foreground, and print its URL and token."""
    _require_free(port)
    with _stop_signals() as stop:
        try:
            with embedded_server(
                latency=latency, jitter=jitter, rate_limit=rate_limit, tls=tls, seed=seed, port=port
            ) as server:
                print(_announcement(server, as_json=as_json), flush=True)
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
