"""Start the server: `python -m pywats_green.testing.app`, with its options as JSON on stdin.

Prints the port as a line on stdout, and exits when stdin is closed: when the parent stops it or
dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import threading
from typing import Any

from pywats_green.testing.app.application import Application
from pywats_green.testing.app.protocol import HttpProtocol

PARENT_CHECK = 1.0
"""Seconds between checks that the parent is alive."""


def main() -> int:
    """Serve until stdin is closed."""
    # First of all, while the parent still waits for the port and must be alive.
    parent = os.getppid()
    # Ctrl-C, and on Windows Ctrl-Break, reach the whole process group; the parent decides when this
    # process ends.
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    asyncio.run(_serve(json.loads(line), parent))
    return 0


async def _serve(options: dict[str, Any], parent: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    threading.Thread(
        target=_wait_for_parent, args=(loop, stopped), name="parent-watch", daemon=True
    ).start()
    app = Application(options)
    server = await loop.create_server(
        lambda: HttpProtocol(app, loop),
        "127.0.0.1",
        int(options.get("port", 0)),
        backlog=1024,
        ssl=_tls(options),
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # Another process forked by the parent may hold the pipe open, so check the parent as well.
    while not stopped.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stopped.wait(), PARENT_CHECK)
        except asyncio.TimeoutError:
            continue
    # Nothing here needs a clean shutdown, and the parent is waiting.
    os._exit(0)


def _tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    if not options.get("certificate"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"])
    return context


def _wait_for_parent(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        loop.call_soon_threadsafe(stopped.set)


if __name__ == "__main__":
    sys.exit(main())
