"""Translates what urllib3 raises into our three transport errors, with httpx's words.

Upstream puts the text of httpx's error into its own, so the words are part of what users see.
"""

from __future__ import annotations

import http.client

from urllib3 import exceptions as urllib3_errors

from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)


def translate(exc: BaseException) -> TransportError:
    """Return our error for one of urllib3's or of the operating system.

    Args:
        exc: What `urlopen` raised.

    Returns:
        The error to raise from `exc`.
    """
    if isinstance(exc, urllib3_errors.ProxyError) and isinstance(
        exc.original_error, urllib3_errors.NewConnectionError
    ):
        exc = exc.original_error  # the proxy itself could not be reached
    # The order matters: NewConnectionError is a ConnectTimeoutError too.
    if isinstance(exc, urllib3_errors.NewConnectionError):
        return TransportConnectError(str(exc.__cause__ or exc))
    if isinstance(exc, urllib3_errors.TimeoutError):
        return TransportTimeoutError("")
    if isinstance(exc, urllib3_errors.ProtocolError):
        return _broken_off(exc)
    return TransportError(str(exc))


def _broken_off(exc: urllib3_errors.ProtocolError) -> TransportError:
    reason = exc.args[1] if len(exc.args) > 1 else None
    if isinstance(reason, TimeoutError):
        return TransportTimeoutError("")
    if isinstance(reason, urllib3_errors.IncompleteRead):
        expected = reason.partial + (reason.expected or 0)
        return TransportError(
            "peer closed connection without sending complete message body "
            f"(received {reason.partial} bytes, expected {expected})"
        )
    if isinstance(reason, http.client.RemoteDisconnected):
        return TransportError("Server disconnected without sending a response.")
    if isinstance(reason, ConnectionError):
        return TransportError("")  # as httpx's ReadError and WriteError under asyncio
    return TransportError(str(reason or exc))
