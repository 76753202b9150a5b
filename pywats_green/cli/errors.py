"""Errors that end a command with one line on stderr, and the redaction of such lines."""

from __future__ import annotations

from pywats_green.config import TOKEN, environment
from pywats_green.exceptions import PywatsGreenError
from pywats_green.redaction import redacted, without_user_infos
from pywats_green.table import one_line

# Exit statuses, the same for all commands.
FAILED = 1  # also: something remains or is in quarantine
WRONG_USE = 2
NOT_CONFIGURED = 3
UNAVAILABLE = 4  # the server is away
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class CommandError(PywatsGreenError):
    """A command cannot continue; the message says in one line what to do.

    Args:
        message: The message.
        status: The exit status.
    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def redact(text: object) -> str:
    """Return a text as one line that can be printed, without secrets.

    Args:
        text: An error or a string; what servers say may be in it.

    Returns:
        The text without control sequences, without user info in URLs, and with "***" for the token
        from the environment, in whatever form it comes.
    """
    token = environment().get(TOKEN, "").strip()
    return one_line(redacted(without_user_infos(str(text)), token))
