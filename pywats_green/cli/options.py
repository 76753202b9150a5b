"""Types for command line options; argparse turns their errors into its one-line message."""

from __future__ import annotations

from argparse import ArgumentTypeError


def positive_int(text: str) -> int:
    """Parse an integer of at least 1.

    Raises:
        ArgumentTypeError: It is not one.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return number


def seconds(text: str) -> float:
    """Parse a time in seconds, 0 or more.

    Raises:
        ArgumentTypeError: It is not one.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ArgumentTypeError(f"must be seconds, 0 or more, not {text!r}")
    return number


def timeout(text: str) -> float:
    """Parse a time in seconds, more than 0.

    Raises:
        ArgumentTypeError: It is not one.
    """
    number = seconds(text)
    if number <= 0:
        raise ArgumentTypeError(f"must be seconds, more than 0, not {text!r}")
    return number


def port(text: str) -> int:
    """Parse a TCP port; 0 means a free one.

    Raises:
        ArgumentTypeError: It is not one.
    """
    if not text.isdecimal() or int(text) > 65_535:  # noqa: PLR2004  # the highest port
        raise ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)
