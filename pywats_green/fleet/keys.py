"""The names of what a fleet keeps on its server."""

from __future__ import annotations

PREFIX = "pywats-green:"

CHANNEL = f"{PREFIX}news"


def key_of(place: str) -> str:
    """Return what the keys of a limit begin with.

    Args:
        place: The server, and the fingerprint of a token.
    """
    return f"{PREFIX}{{{place}}}"  # braces: together in a cluster


def gate_keys_of(server: str) -> list[str]:
    """Return the keys of a server's gate, in the order in which `gate.lua` takes them."""
    return [f"{PREFIX}{{{server}}}:{name}" for name in ("gate", "inside", "leases")]
