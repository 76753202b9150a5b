"""Numbered rows that can be made one by one, and found without making the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


def fold(value: Any) -> str:
    """The form under which keys are equal: without case, without trailing blanks."""
    return str(value).lower().rstrip(" ")


@dataclass(frozen=True)
class Series:
    """Rows 0 to `count` - 1.

    Attributes:
        count: How many rows there are.
        make: Makes the row of a number.
        finders: For a field, from a folded value to the numbers of the rows that may have it;
            numbers beyond `count` do no harm.
    """

    count: int
    make: Callable[[int], dict[str, Any]]
    finders: Mapping[str, Callable[[str], Iterable[int]]] = field(default_factory=dict)

    def numbers(self, name: str, value: Any) -> list[int] | None:
        """The rows whose field has a value; None where only looking at all of them can tell."""
        finder = self.finders.get(name)
        if finder is None:
            return None
        return [number for number in finder(fold(value)) if 0 <= number < self.count]


def numbered(prefix: str, digits: int = 5) -> Callable[[str], list[int]]:
    """A finder for names such as "PN-00012"."""
    pattern = re.compile(rf"{re.escape(prefix.lower())}(\d{{{digits},}})", re.ASCII)

    def find(value: str) -> list[int]:
        found = pattern.fullmatch(value)
        if found is None:
            return []
        number = int(found.group(1)[:15])
        return [number] if value == f"{prefix.lower()}{number:0{digits}d}" else []

    return find
