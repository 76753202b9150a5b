"""Hears what other members publish."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
from redis import RedisError

from pywats_green.fleet.keys import CHANNEL
from pywats_green.fleet.link import Link, LinkError
from pywats_green.redaction import Secret

_AGAIN = 0.5  # seconds between two attempts to listen


class Listener:
    """Listens in one greenlet of a native thread. It keeps no program from ending.

    Args:
        url: As for `configure(fleet=)`.
        hear: Called with each message.
        missed: Called when messages may have been missed; at first, too.
    """

    def __init__(
        self, url: str, hear: Callable[[dict[str, Any]], None], missed: Callable[[], None]
    ) -> None:
        self._url = Secret(url)
        self._hear = hear
        self._missed = missed
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Stop listening."""
        self._greenlet.kill(block=False)

    def restart(self) -> None:
        """Connect anew, because the connection may be dead without a sign of it."""
        if not self._greenlet.dead:
            self._greenlet.kill(block=False)
            self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        link = Link(self._url)
        try:
            while True:
                try:
                    link.ask("SUBSCRIBE", CHANNEL)
                    self._missed()
                    self._listen(link.connection)
                except (LinkError, RedisError, OSError):
                    link.close()
                _wait_for(gevent.get_hub().loop.timer(_AGAIN, ref=False))
        finally:
            link.close()

    def _listen(self, connection: Any) -> None:
        loop = gevent.get_hub().loop
        while True:
            _wait_for(loop.io(connection._sock.fileno(), 1, ref=False))  # noqa: SLF001
            while connection.can_read(timeout=0):
                answer = connection.read_response()
                if answer[0] == b"message":
                    self._hear(json.loads(answer[2]))


def _wait_for(watcher: Any) -> None:
    """Wait for a watcher, which may be one that keeps no program from ending, and close it."""
    try:
        gevent.get_hub().wait(watcher)
    finally:
        watcher.close()
