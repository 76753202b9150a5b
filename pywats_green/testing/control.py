"""Calls to the control paths of a running server."""

from __future__ import annotations

import http.client
import json
from typing import Any

from pywats_green.testing.certificates import Certificates

CONTROL_TIMEOUT = 60.0
OK = 200


def call(port: int, certificates: Certificates | None, command: str, **arguments: Any) -> Any:
    """Send one command over a connection of its own.

    Args:
        port: Where the server listens on the loopback.
        certificates: Those of the server; None where it speaks plain HTTP.
        command: The command.
        **arguments: Its arguments, as JSON.

    Returns:
        The decoded answer.

    Raises:
        RuntimeError: The server does not answer, or refuses the command.
    """
    connection: http.client.HTTPConnection
    if certificates is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CONTROL_TIMEOUT)
    else:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=CONTROL_TIMEOUT, context=certificates.client_context()
        )
    try:
        connection.request("POST", f"/__control__/{command}", json.dumps(arguments).encode())
        response = connection.getresponse()
        body = json.loads(response.read())
    except (OSError, http.client.HTTPException) as exc:
        raise RuntimeError(f"the WATS server does not answer: {exc}") from exc
    finally:
        connection.close()
    if response.status != OK:
        raise RuntimeError(f"the WATS server refused '{command}': {body.get('Message')}")
    return body
