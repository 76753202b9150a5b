"""Translates foreign errors into the three transport errors, with httpx's messages.

Upstream includes the message of httpx's error in its own, so users see it. Messages of the
operating system are marked, because httpx under asyncio does not pass them on.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)

# Beside what Python has a class for.
_AWAY = frozenset({
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, socket.EAI_AGAIN,
})  # fmt: skip

_TUNNEL = "Tunnel connection failed: "
_SHOWN = 80  # characters of what is not HTTP


def connect_fault(exc: Exception) -> TransportError:
    """Return the transport error for a failure to connect.

    Args:
        exc: The error from name resolution, connecting, the proxy or the TLS handshake.

    Returns:
        The error to raise from `exc`.
    """
    text = str(exc)
    if isinstance(exc, TimeoutError):
        return TransportTimeoutError(text, system=True, is_away=True, is_unsent=True)
    if isinstance(exc, http.client.RemoteDisconnected):
        return TransportError("the proxy closed the connection without an answer")
    if isinstance(exc, http.client.HTTPException):
        return TransportError(f"the proxy did not answer in HTTP: {text.strip()[:_SHOWN]!r}")
    if text.startswith(_TUNNEL):
        return TransportError(text.removeprefix(_TUNNEL))  # the proxy refused
    has_own_words = isinstance(exc, (socket.gaierror, ssl.SSLError, ValueError))
    return TransportConnectError(
        text, system=not has_own_words, is_away=_is_away(exc), is_unsent=True
    )


def exchange_fault(exc: OSError | http.client.HTTPException) -> TransportError:
    """Return the transport error for a failure on an open connection.

    Args:
        exc: The error from sending the request or reading the response.

    Returns:
        The error to raise from `exc`.
    """
    if isinstance(exc, TimeoutError):
        return TransportTimeoutError(str(exc), system=True)
    if isinstance(exc, http.client.RemoteDisconnected):
        return TransportError("Server disconnected without sending a response.", is_away=True)
    if isinstance(exc, http.client.BadStatusLine):
        line = bytearray(exc.args[0].rstrip().encode("latin-1", "replace"))
        return TransportError(f"illegal status line: {line!r}")
    return TransportError(str(exc), system=isinstance(exc, OSError), is_away=_is_away(exc))


def _is_away(exc: Exception) -> bool:
    """Return whether an error means that the server, or the way to it, is down."""
    if isinstance(exc, OSError) and exc.errno in _AWAY:
        return True
    return isinstance(exc, ConnectionError)
