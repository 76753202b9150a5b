"""What ends a command with one line on stderr, and what must never stand in such a line."""

from __future__ import annotations

import os
import re

from pywats_green.exceptions import PywatsGreenError

FAILED = 1
WRONG_USE = 2

_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")


class CommandError(PywatsGreenError):
    """A command cannot go on; its text says in one line what to do.

    Args:
        message: That line.
        status: The exit status.
    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def redact(text: object) -> str:
    """Return a text as one line without secrets.

    Args:
        text: An error or a text, of ours or of others.

    Returns:
        The text, without user info in URLs, with "***" for the token of the environment.
    """
    line = _USER_INFO.sub("", " ".join(str(text).split()))
    token = os.environ.get("PYWATS_GREEN_TOKEN", "").strip()
    return line.replace(token, "***") if token else line
