"""The names of what a fleet keeps on its server."""

from __future__ import annotations

PREFIX = "pywats-green:"

_OF_A_LIMIT = ("slots", "held", "wanting", "members", "plans", "seats", "about", "state")


def keys_of(place: str) -> list[str]:
    """Return the keys of a limit, in the order in which `limit.lua` takes them.

    Args:
        place: The server, and the fingerprint of a token.
    """
    return [f"{PREFIX}{{{place}}}:{name}" for name in _OF_A_LIMIT]  # braces: together in a cluster


CHANNEL = f"{PREFIX}news"


def gate_keys_of(server: str) -> list[str]:
    """Return the keys of a server's gate, in the order in which `gate.lua` takes them."""
    return [f"{PREFIX}{{{server}}}:{name}" for name in ("gate", "inside", "leases")]
