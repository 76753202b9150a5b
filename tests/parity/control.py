"""Talks to the servers from within a driver, on a separate connection."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

# Not compared; docs/upstream-differences.md says why.
NOT_COMPARED = frozenset({"host", "user-agent", "connection", "accept-encoding"})


class Control:
    """The control requests of a server: the embedded WATS server's, or a scripted one's.

    Args:
        url: Its base URL.
    """

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(self, command: str, **arguments: Any) -> Any:
        """Send a command and return its answer."""
        body = json.dumps(arguments).encode() if arguments else None
        self._connection.request("POST", f"/__control__/{command}", body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{command}: {answer.status} {content!r}")
        return json.loads(content) if content else None

    def taken_requests(self) -> list[dict[str, Any]]:
        """Return the requests since the last call: method, target, headers, body."""
        found = self.send("requests")
        self.send("clear_requests")
        return [_compared(request) for request in found]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._connection.close()


def _compared(request: dict[str, Any]) -> dict[str, Any]:
    headers = ([name.lower(), value] for name, value in request["headers"])
    body = base64.b64decode(request["body"])
    try:
        shown: Any = body.decode()
    except UnicodeDecodeError:
        shown = {"bytes": request["body"]}
    return {
        "method": request["method"],
        "target": request["target"],
        "headers": sorted(header for header in headers if header[0] not in NOT_COMPARED),
        "body": shown,
    }
