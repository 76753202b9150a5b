"""Types of command line options; argparse turns what they raise into its one-line error."""

from __future__ import annotations

from argparse import ArgumentTypeError


def positive_int(text: str) -> int:
    """Read a whole number of at least 1.

    Raises:
        ArgumentTypeError: It is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"give a whole number of at least 1, not {text!r}")
    return number


def seconds(text: str) -> float:
    """Read a time in seconds, 0 or more.

    Raises:
        ArgumentTypeError: It is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ArgumentTypeError(f"give seconds, 0 or more, not {text!r}")
    return number


def timeout(text: str) -> float:
    """Read a time in seconds, more than 0.

    Raises:
        ArgumentTypeError: It is none.
    """
    number = seconds(text)
    if number <= 0:
        raise ArgumentTypeError(f"give seconds, more than 0, not {text!r}")
    return number


def port(text: str) -> int:
    """Read a TCP port; 0 stands for a free one.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or int(text) > 65_535:  # noqa: PLR2004  # the highest there is
        raise ArgumentTypeError(f"give a port from 0 to 65535, not {text!r}")
    return int(text)
