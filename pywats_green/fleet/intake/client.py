"""The station's side of an intake."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pywats_green.arguments import require_seconds
from pywats_green.exceptions import ArgumentTypeError, ForeignAnswerError, IntakeRefusedError
from pywats_green.fleet.intake.application import REPORTS
from pywats_green.queue.folder.body import encode, is_large
from pywats_green.queue.folder.files import off_hub
from pywats_green.redaction import Secret, guarded, without_user_info
from pywats_green.transport import Transport

_ACCEPTED = 202
_SHOWN = 80  # characters of a foreign answer


class IntakeAnswer(NamedTuple):
    """What a hub answered, in the form of the HTTP libraries.

    Attributes:
        status_code: HTTP status.
        headers: By lower-case name.
        text: The body.
    """

    status_code: int
    headers: Mapping[str, str]
    text: str


class IntakeClient:
    """Hands reports to a hub's intake; a `submit` for `QueueProcessor`.

        QueueProcessor(folder, IntakeClient("https://hub:8443", "station-7", secret)).run()

    So a report is durable on the station until the hub has it on disk. Any number of greenlets may
    use it at once.

    Args:
        url: Base URL of the hub.
        station: This station's name.
        secret: Its secret.
        timeout: Seconds for each phase of an exchange: connect, write, read.
        verify: Whether to verify the hub's certificate, with the authorities that WATS is verified
            with.

    Raises:
        ArgumentTypeError: A name or secret is not a string.
    """

    def __init__(
        self, url: str, station: str, secret: str, *, timeout: float = 30.0, verify: bool = True
    ) -> None:
        for name, value in (("url", url), ("station", station), ("secret", secret)):
            if not isinstance(value, str):
                raise ArgumentTypeError(f"{name} must be a string, not {type(value).__name__}")
        self._url = without_user_info(url)
        self._station = station
        self._timeout = require_seconds("timeout", timeout)
        self._transport = Transport(self._url, verify=verify)
        coded = base64.b64encode(f"{station}:{secret}".encode()).decode()
        self._headers = guarded(
            {"Authorization": f"Basic {coded}", "Content-Type": "application/json"}
        )
        self._secret = Secret(secret)

    def __call__(self, report: Mapping[str, Any]) -> str:
        """Hand in a report.

        Args:
            report: The report, as WSJF. It should have an id.

        Returns:
            Its id, once the hub has it on disk.

        Raises:
            IntakeRefusedError: The hub did not take it; `response` says why.
            ForeignAnswerError: It was answered with success, but not by an intake.
            InvalidArgumentError: JSON cannot express it.
            TransportError: The hub was not reached, or did not answer.
        """
        document = dict(report)
        body = off_hub(lambda: encode(document)) if is_large(document) else encode(document)
        answer = self._transport.request("POST", REPORTS, None, self._headers, body, self._timeout)
        text = answer.content.decode("utf-8", "replace")
        response = IntakeAnswer(answer.status, answer.headers, text)
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            raise IntakeRefusedError(f"HTTP {answer.status}: {_reason(text)}", response)
        taken = _id_in(text) if answer.status == _ACCEPTED else None
        if taken is None or taken != (document.get("id") or taken):
            raise ForeignAnswerError(
                f"{self._url} answered {answer.status}, but not as an intake: {text[:_SHOWN]!r}",
                response,
            )
        return taken

    def close(self) -> None:
        """Close the connections; the next report opens new ones."""
        self._transport.close()

    def __repr__(self) -> str:
        return f"IntakeClient({self._url!r}, {self._station!r})"


def _id_in(text: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    taken = found.get("id") if isinstance(found, dict) else None
    return taken if isinstance(taken, str) else None


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text[:_SHOWN]
