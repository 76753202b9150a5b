"""Divides keys into queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pywats_green.batching.source import Key


def first_part(sizes: Iterable[tuple[Key, int]], most: int, room: int) -> tuple[list[Key], bool]:
    """Take keys for one query, in their order.

    Args:
        sizes: The keys, each with the characters that it takes.
        most: How many keys a query may have, 1 or more.
        room: Characters that they may take; the first key is taken in any case.

    Returns:
        The keys, and whether the query is full.
    """
    keys: list[Key] = []
    for key, size in sizes:
        room -= size
        if keys and room < 0:
            return keys, True
        keys.append(key)
        if len(keys) == most:
            return keys, True
    return keys, False


def split(sizes: Mapping[Key, int], most: int, room: int) -> Iterator[list[Key]]:
    """Divide keys into queries, in their order; the arguments are those of `first_part`."""
    rest = dict(sizes)
    while rest:
        keys, _ = first_part(rest.items(), most, room)
        for key in keys:
            del rest[key]
        yield keys
