"""Checks of public arguments: TypeError for a wrong type, ValueError for a value out of range."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError


def require_count(name: str, value: object) -> int:
    """Return an integer of at least 1.

    Raises:
        ArgumentTypeError: It is not an integer.
        InvalidArgumentError: It is less than 1.
    """
    text = f"{name} must be an integer of at least 1, not {value!r}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(text)
    if value < 1:
        raise InvalidArgumentError(text)
    return value


def require_seconds(name: str, value: object) -> float:
    """Return a time of more than 0 seconds.

    Raises:
        ArgumentTypeError: It is not a number.
        InvalidArgumentError: It is not more than 0.
    """
    text = f"{name} must be more than 0 seconds, or None, not {value!r}"
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ArgumentTypeError(text)
    if not value > 0:
        raise InvalidArgumentError(text)
    return value


def require_seconds_or_zero(name: str, value: object) -> float:
    """Return a time of 0 seconds or more.

    Raises:
        ArgumentTypeError: It is not a number.
        InvalidArgumentError: It is less than 0.
    """
    text = f"{name} must be 0 seconds or more, not {value!r}"
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ArgumentTypeError(text)
    if not value >= 0:
        raise InvalidArgumentError(text)
    return value


def require_items(name: str, items: Iterable[str]) -> list[str]:
    """Return the items as a list.

    Raises:
        ArgumentTypeError: They are not an iterable, or they are a single string, which would
            iterate over its characters.
    """
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise ArgumentTypeError(f"{name} must be a list or another iterable, not {items!r}")
    return list(items)


def require_callable(name: str, value: object, argument: str) -> None:
    """Reject what is not callable.

    Args:
        name: Of the parameter.
        value: Its argument.
        argument: What it will be called with, as in "a RequestEvent".

    Raises:
        ArgumentTypeError: It is not callable.
    """
    if not callable(value):
        raise ArgumentTypeError(f"{name} must be callable with {argument}, not {value!r}")


def is_url(text: str) -> bool:
    """Return whether a text can be parsed as a URL."""
    try:
        _ = urlsplit(text).port  # parsed only here
    except ValueError:
        return False
    return True
