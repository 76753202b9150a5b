"""A member of a fleet: one native thread's part in what is shared."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from pywats_green.fleet.link import Link, LinkBrokenError, LinkError
from pywats_green.fleet.listener import Listener
from pywats_green.fleet.processes import identity
from pywats_green.timers import start_timer

logger = logging.getLogger("pywats_green.fleet")

_AGAIN = 0.5  # seconds between two attempts to reach a server that is away


class Matter(Protocol):
    """Something that is shared, and that the server is asked about now and then."""

    def due_in(self) -> float:
        """Return the seconds until the server should be asked. 0: now."""

    def exchange(self, link: Link) -> None:
        """Ask it. Raises `LinkError` if it cannot be reached."""

    def doubt(self) -> None:
        """Note that the connection has ended, and ask anew before anything else."""

    def lost(self) -> None:
        """Note that it cannot be reached."""

    def leave(self, link: Link) -> None:
        """Tell it goodbye."""


class Member:
    """Asks the server for all calls of a native thread, in one greenlet.

    Calls never wait for the server itself: they stand in a line, and the greenlet wakes them. It
    keeps no program from ending.

    Args:
        url: As for `configure(fleet=)`.
        is_wanted: Returns whether the settings still name this server.
        clock: Seconds, monotonic.

    Attributes:
        name: Unique in the fleet, in hexadecimal.
        about: What others may know of it.
        has_left: Whether it takes part no more.
        trouble: Why the server cannot be reached. None: it can.
    """

    def __init__(
        self,
        url: str,
        is_wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = os.urandom(6).hex()
        self.about: dict[str, Any] = {"host": socket.gethostname(), **identity(os.getpid())}
        self.trouble: str | None = None
        self.has_left = False
        self.link = Link(url)
        self._is_wanted = is_wanted
        self._clock = clock
        self._matters: list[Matter] = []
        self._called = Event()
        self._retry_at = self._broken_at = -math.inf
        self._listener: Listener | None = None
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def join(self, matter: Matter) -> None:
        """Take part in something, from now on."""
        self._matters.append(matter)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        self.poke()

    def listen(self, listener: Listener) -> None:
        """Keep a listener while this member takes part."""
        self._listener = listener

    def poke(self) -> None:
        """Look again whether something is due."""
        self._called.set()

    def leave(self) -> None:
        """Leave the fleet: what was reserved is free at once. May block, for a second at most."""
        self.has_left = True
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is not None and greenlet is not gevent.getcurrent():
            greenlet.kill()
        if self._listener is not None:
            self._listener.close()
        try:
            for matter in self._matters:
                if self.trouble is None:
                    matter.leave(self.link)
        except LinkError as exc:
            self.trouble = str(exc)
        finally:
            self.link.close()

    def _run(self) -> None:
        while self._is_wanted():
            self._called.clear()
            due = [matter for matter in self._matters if matter.due_in() <= 0]
            if due and self._clock() >= self._retry_at:
                self._exchange(due)
            else:
                self._wait()
        for matter in self._matters:
            matter.lost()
        self._greenlet = None
        self.leave()

    def _exchange(self, due: list[Matter]) -> None:
        try:
            for matter in due:
                matter.exchange(self.link)
        except LinkError as exc:
            self._lose(exc)
        except Exception as exc:
            self.link.close()
            if self.trouble is None:
                logger.exception("Fleet: an answer that cannot be used, of %s", self.link.place)
            self._lose(exc)
        else:
            self._retry_at = -math.inf
            if self.trouble is not None:
                logger.warning("Fleet: together again, at %s", self.link.place)
            self.trouble = None

    def _lose(self, error: Exception) -> None:
        """Go on without the server; but at first ask anew, if only the connection ended."""
        now = self._clock()
        if isinstance(error, LinkBrokenError) and now >= self._broken_at + _AGAIN:
            # The others have not lost the server, perhaps: nobody may use a share beside them.
            self._broken_at = now
            for matter in self._matters:
                matter.doubt()
            return
        self._retry_at = now + _AGAIN
        if self.trouble is None:
            if self._listener is not None:
                self._listener.restart()
            logger.warning("Fleet: on its own, because %s", error)
        self.trouble = str(error) or type(error).__name__
        for matter in self._matters:
            matter.lost()

    def _wait(self) -> None:
        seconds = min((matter.due_in() for matter in self._matters), default=math.inf)
        seconds = max(seconds, self._retry_at - self._clock(), 0.0)
        timer = start_timer(seconds, self._called.set, ref=False)
        try:
            self._called.wait()
        finally:
            timer.close()
