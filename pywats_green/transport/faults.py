"""Translates foreign errors into our three transport errors, with httpx's words.

Upstream puts the text of httpx's error into its own, so the words are part of what users see.
Texts of the operating system are marked, because httpx under asyncio does not pass them on.
"""

from __future__ import annotations

import http.client
import socket
import ssl

from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)

_TUNNEL = "Tunnel connection failed: "


def connect_fault(exc: Exception) -> TransportError:
    """Return our error for one that kept a connection from being made.

    Args:
        exc: What resolving, connecting, the proxy or the TLS handshake raised.

    Returns:
        The error to raise from `exc`.
    """
    text = str(exc)
    if isinstance(exc, TimeoutError):
        return TransportTimeoutError(text, system=True)
    if isinstance(exc, http.client.HTTPException) or text.startswith(_TUNNEL):
        return TransportError(text.removeprefix(_TUNNEL))  # the proxy refused to connect us
    has_own_words = isinstance(exc, (socket.gaierror, ssl.SSLError, ValueError))
    return TransportConnectError(text, system=not has_own_words)


def exchange_fault(exc: OSError | http.client.HTTPException) -> TransportError:
    """Return our error for one that broke off an exchange over an open connection.

    Args:
        exc: What writing the request or reading the answer raised.

    Returns:
        The error to raise from `exc`.
    """
    if isinstance(exc, TimeoutError):
        return TransportTimeoutError(str(exc), system=True)
    if isinstance(exc, http.client.RemoteDisconnected):
        return TransportError("Server disconnected without sending a response.")
    if isinstance(exc, http.client.BadStatusLine):
        line = bytearray(exc.args[0].rstrip().encode("latin-1", "replace"))
        return TransportError(f"illegal status line: {line!r}")
    return TransportError(str(exc), system=isinstance(exc, OSError))
