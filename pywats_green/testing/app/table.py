"""Tables of JSON objects that compare keys as SQL Server does, case-insensitively."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywats_green.testing.app.messages import encode_json, not_found


def fold(value: Any) -> str:
    """Return a key in the form used for comparison: lower case, without trailing blanks."""
    return str(value).lower().rstrip(" ")


@dataclass(frozen=True)
class Series:
    """A series of generated rows, 0 to `count` - 1.

    Attributes:
        count: Number of rows.
        make: Makes the row with a number.
        finders: By field, a function from a folded value to the numbers of the rows that may have
            it; numbers beyond `count` are ignored.
    """

    count: int
    make: Callable[[int], dict[str, Any]]
    finders: Mapping[str, Callable[[str], Iterable[int]]] = field(default_factory=dict)

    def numbers(self, name: str, value: Any) -> list[int] | None:
        """Return the rows whose field may have a value. None: it takes a full scan."""
        finder = self.finders.get(name)
        if finder is None:
            return None
        return [number for number in finder(fold(value)) if 0 <= number < self.count]


def numbered(prefix: str, digits: int = 5) -> Callable[[str], list[int]]:
    """Return a finder for names such as "PN-00012"."""
    pattern = re.compile(rf"{re.escape(prefix.lower())}(\d{{{digits},}})", re.ASCII)

    def find(value: str) -> list[int]:
        found = pattern.fullmatch(value)
        if found is None:
            return []
        number = int(found.group(1)[:15])
        return [number] if value == f"{prefix.lower()}{number:0{digits}d}" else []

    return find


class Row(dict[str, Any]):
    """A stored JSON object."""

    __slots__ = ("encoded", "sequence")

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.encoded: bytes | None = None
        self.sequence = 0

    def encode(self) -> bytes:
        """Return its JSON, cached until the table changes the row."""
        if self.encoded is None:
            self.encoded = encode_json(self)
        return self.encoded


class Table:
    """Rows with a key of one or more fields.

    Args:
        key: The fields of the key.
        indexes: Other indexed fields.
        seed: The initial rows. They are made lazily, and singly if the series has finders, so that
            neither the start nor the first request waits for thousands.
        noun: What to call a row in errors.
    """

    def __init__(
        self,
        *key: str,
        indexes: Iterable[str] = (),
        seed: Series | None = None,
        noun: str = "Object",
    ) -> None:
        self.key = key
        self.noun = noun
        self.indexes = (*key, *indexes)
        self._source = seed
        self._pending = seed
        self._dirty = False
        self._early: dict[int, Row] = {}
        self._exact: dict[str, Row] = {}
        self._folded: dict[str, Row] = {}
        self._index: dict[str, dict[str, list[Row]]] = {}
        self._names: dict[str, str] = {}
        self._shapes: set[tuple[str, ...]] = set()
        self._count = 0

    def __iter__(self) -> Iterator[Row]:
        self._load()
        return iter(self._exact.values())

    def __len__(self) -> int:
        self._load()
        return len(self._exact)

    def reset(self) -> None:
        """Restore the initial rows; free if nothing has changed."""
        if self._dirty:
            self._restart(self._source)
            self._dirty = False

    def seed_with(self, seed: Series) -> None:
        """Replace all rows with those of `seed`, until the table is reset."""
        self._restart(seed)
        self._dirty = True

    def _restart(self, seed: Series | None) -> None:
        self._early.clear()
        self._exact.clear()
        self._folded.clear()
        self._index.clear()
        self._count = 0
        self._pending = seed

    def get(self, *key: str) -> Row | None:
        """Return the row with a key, preferring an exact match to one that differs in case."""
        joined = key[0] if len(key) == 1 else "\0".join(key)
        row = self._exact.get(joined)
        if row is not None:
            return row
        if self._pending is not None:
            early = self._find_early(self.key[0], key[0])
            if early is not None:
                wanted = fold(joined)
                return next((item for item in early if fold(self._join(item)) == wanted), None)
            self._load()
            row = self._exact.get(joined)
        return row if row is not None else self._folded.get(fold(joined))

    def row(self, *key: str) -> Row:
        """Return the row with a key.

        Raises:
            HttpError: 404 if there is none.
        """
        row = self.get(*key)
        if row is None:
            raise not_found(f"{self.noun} '{' / '.join(key)}'")
        return row

    def first(self, name: str, value: Any) -> Row:
        """Return the first row whose indexed field equals `value`, ignoring case.

        Raises:
            HttpError: 404 if there is none.
        """
        for row in self.find(name, value):
            return row
        raise not_found(f"{self.noun} '{value}'")

    def find(self, name: str, value: Any) -> list[Row]:
        """Return the rows whose indexed field equals `value`, ignoring case."""
        early = self._find_early(name, value)
        if early is not None:
            return early
        self._load()
        index = self._index.get(name)
        if index is None:
            index = self._index[name] = {}
            for row in self._exact.values():
                index.setdefault(fold(row.get(name)), []).append(row)
        return index.get(fold(value), [])

    def add(self, values: Mapping[str, Any]) -> Row:
        """Store a row under its exact key, next to keys that differ in case."""
        self._load()
        self._dirty = True
        return self._insert(Row(values))

    def upsert(self, values: Mapping[str, Any]) -> Row:
        """Store a row, or update the row that has its key."""
        row = self.get(*[str(values.get(name)) for name in self.key])
        if row is None:
            return self.add(values)
        return self.update(
            row, {name: value for name, value in values.items() if name not in self.key}
        )

    def update(self, row: Row, values: Mapping[str, Any]) -> Row:
        """Change fields of a row other than its key."""
        self._dirty = True
        if any(values.get(name) != row.get(name) for name in self.indexes if name in values):
            # The finders of the series no longer find such a row.
            self._load()
            self._index.clear()
        row.update(values)
        row.encoded = None
        self._learn(row)
        return row

    def rekey(self, row: Row, values: Mapping[str, Any]) -> Row:
        """Change fields of a row, including its key."""
        self.remove(row)
        return self._insert(Row({**row, **values}))

    def remove(self, row: Row) -> None:
        """Remove a row."""
        self._load()
        self._dirty = True
        self._exact = {name: kept for name, kept in self._exact.items() if kept is not row}
        self._folded.clear()
        for name, kept in self._exact.items():
            self._folded.setdefault(fold(name), kept)
        self._index.clear()

    def field_name(self, name: str) -> str | None:
        """Return the spelling of a field, matched case-insensitively, or None."""
        if self._pending is not None:
            self._learn(self._pending.make(0))
        return self._names.get(name.lower())

    def _find_early(self, name: str, value: Any) -> list[Row] | None:
        series = self._pending
        numbers = None if series is None else series.numbers(name, value)
        if series is None or numbers is None:
            return None
        return [self._make(series, number) for number in numbers]

    def _make(self, series: Series, number: int) -> Row:
        row = self._early.get(number)
        if row is None:
            row = self._early[number] = Row(series.make(number))
            row.sequence = number + 1
            self._exact[self._join(row)] = row
        return row

    def _load(self) -> None:
        seed, self._pending = self._pending, None
        if seed is None:
            return
        # Rows made early keep their identity and their place in the order.
        early, self._early = self._early, {}
        self._exact.clear()
        for number in range(seed.count):
            self._insert(early.get(number) or Row(seed.make(number)))

    def _insert(self, row: Row) -> Row:
        self._count += 1
        row.sequence = self._count
        key = self._join(row)
        replaced = self._exact.get(key)
        self._exact[key] = row
        folded = fold(key)
        if replaced is not None:
            row.sequence = replaced.sequence
            self._index.clear()
            if self._folded.get(folded) is replaced:
                self._folded[folded] = row
        else:
            for name, index in self._index.items():
                index.setdefault(fold(row.get(name)), []).append(row)
        self._folded.setdefault(folded, row)
        self._learn(row)
        return row

    def _join(self, row: Row) -> str:
        return "\0".join([str(row.get(name)) for name in self.key])

    def _learn(self, row: Mapping[str, Any]) -> None:
        # Rows have few shapes, so most need no look at their names.
        shape = tuple(row)
        if shape not in self._shapes:
            self._shapes.add(shape)
            for name in shape:
                self._names.setdefault(name.lower(), name)
