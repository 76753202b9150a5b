"""What a test knows, and the types do not say."""

from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return the value, which must be there."""
    assert value is not None
    return value


def all_present(values: Iterable[T | None]) -> list[T]:
    """Return the values, which must all be there."""
    return [present(value) for value in values]


def private(owner: object) -> Any:
    """Return the owner, with what its types leave out: private names, and what is newer."""
    return owner
