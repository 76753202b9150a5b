"""Splits keys into queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pywats_green.batching.source import Key


def first_part(sizes: Iterable[tuple[Key, int]], most: int, room: int) -> tuple[list[Key], bool]:
    """Take keys for one query, in order.

    Args:
        sizes: The keys, each with the characters it takes.
        most: Maximum keys per query, 1 or more.
        room: Characters available; the first key is always taken.

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
    """Split keys into queries, in order. For the arguments, see `first_part`."""
    rest = dict(sizes)
    while rest:
        keys, _ = first_part(rest.items(), most, room)
        for key in keys:
            del rest[key]
        yield keys
