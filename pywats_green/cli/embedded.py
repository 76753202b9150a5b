"""The embedded server, as started by the commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pywats_green.cli.errors import CommandError
from pywats_green.testing import WatsServer

LOOPBACK = "127.0.0.1"


@contextmanager
def embedded_server(**options: Any) -> Iterator[WatsServer]:
    """Run an embedded server during the block.

    Args:
        **options: Those of `WatsServer`.

    Raises:
        CommandError: It did not start.
    """
    server = WatsServer(**options)
    try:
        server.start()
    except (ImportError, OSError, RuntimeError, ValueError) as exc:
        raise CommandError(f"the embedded server did not start: {exc}") from exc
    with server:
        yield server


@contextmanager
def without_proxy() -> Iterator[None]:
    """Bypass the environment's proxies for the loopback during the block."""
    names = ("no_proxy", "NO_PROXY")  # requests reads the first that is set
    before = {name: os.environ[name] for name in names if name in os.environ}
    for name in before or names:
        os.environ[name] = ",".join(filter(None, [before.get(name), LOOPBACK]))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
