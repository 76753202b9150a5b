"""What a member publishes for the others to hear."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable

from pywats_green.fleet.keys import CHANNEL
from pywats_green.fleet.link import Link


class Writes:
    """Tells other members what this one has changed, so that they cache nothing older.

    Args:
        name: The member's.
        poke: Called when there is something to tell.
    """

    def __init__(self, name: str, poke: Callable[[], None]) -> None:
        self._name = name
        self._poke = poke
        self._pending: dict[str, set[str]] = {}

    def tell(self, server: str, families: Iterable[str]) -> None:
        """Tell, soon, that families of reads at a server are out of date."""
        self._pending.setdefault(server, set()).update(families)
        self._poke()

    def due_in(self) -> float:
        """Return the seconds until the server should be told. 0: now."""
        return 0.0 if self._pending else math.inf

    def exchange(self, link: Link) -> None:
        """Publish what there is.

        Raises:
            LinkError: It did not work; it is told again.
        """
        while self._pending:
            server, families = self._pending.popitem()
            text = {
                "from": self._name, "kind": "wrote", "server": server,
                "families": sorted(families),
            }  # fmt: skip
            try:
                link.ask("PUBLISH", CHANNEL, json.dumps(text))
            except BaseException:
                self._pending.setdefault(server, set()).update(families)
                raise

    def doubt(self) -> None:
        """Nothing to do: it is told again."""

    def lost(self) -> None:
        """Nothing to do: it is told when the server is back."""

    def leave(self, link: Link) -> None:
        """Publish what is left.

        Raises:
            LinkError: It did not work.
        """
        self.exchange(link)
