"""A table of JSON objects that compares keys as SQL Server does: without case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pywats_green.testing.app.messages import encode_json
from pywats_green.testing.app.series import Series, fold

Rows = Callable[[], Iterable[Mapping[str, Any]]]


class Row(dict[str, Any]):
    """A stored JSON object; `encoded` keeps its bytes until it changes."""

    __slots__ = ("encoded", "sequence")

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.encoded: bytes | None = None
        self.sequence = 0


class Table:
    """Rows under a key of one or more fields.

    Args:
        key: The fields that make the key.
        indexes: More fields that are looked up often.
        seed: Makes the first rows. They are made when they are needed: those of a `Series` one by
            one, so that neither a start nor the first request waits for thousands of them.
    """

    def __init__(
        self, *key: str, indexes: Iterable[str] = (), seed: Rows | Series | None = None
    ) -> None:
        self.key = key
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
        """Back to the first rows; free where none was changed since."""
        if self._dirty:
            self._restart(self._source)
            self._dirty = False

    def seed_with(self, seed: Rows | Series) -> None:
        """Replace all rows by those of `seed`, until the table is reset."""
        self._restart(seed)
        self._dirty = True

    def _restart(self, seed: Rows | Series | None) -> None:
        self._early.clear()
        self._exact.clear()
        self._folded.clear()
        self._index.clear()
        self._count = 0
        self._pending = seed

    def get(self, *key: str) -> Row | None:
        """The row of a key: the exact spelling first, then any case."""
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

    def find(self, field: str, value: Any) -> list[Row]:
        """The rows whose indexed field equals `value`, without case."""
        early = self._find_early(field, value)
        if early is not None:
            return early
        self._load()
        index = self._index.get(field)
        if index is None:
            index = {}
            for row in self._exact.values():
                index.setdefault(fold(row.get(field)), []).append(row)
            self._index[field] = index
        return index.get(fold(value), [])

    def add(self, values: Mapping[str, Any]) -> Row:
        """Store a row under its exact key, beside spellings that differ in case."""
        self._load()
        self._dirty = True
        return self._insert(Row(values))

    def upsert(self, values: Mapping[str, Any]) -> Row:
        """Store a row, or lay `values` over the row that has the key already."""
        row = self.get(*[str(values.get(name)) for name in self.key])
        if row is None:
            return self.add(values)
        return self.update(
            row, {name: value for name, value in values.items() if name not in self.key}
        )

    def update(self, row: Row, values: Mapping[str, Any]) -> Row:
        """Change fields of a row that are not its key."""
        self._dirty = True
        if any(values.get(name) != row.get(name) for name in self.indexes if name in values):
            # A row that a series has made early is not where its numbers say any more.
            self._load()
            self._index.clear()
        row.update(values)
        row.encoded = None
        self._learn(row)
        return row

    def rekey(self, row: Row, values: Mapping[str, Any]) -> Row:
        """Change fields of a row, its key among them."""
        self.remove(row)
        return self._insert(Row({**row, **values}))

    def remove(self, row: Row) -> None:
        """Forget a row."""
        self._load()
        self._dirty = True
        self._exact = {name: kept for name, kept in self._exact.items() if kept is not row}
        self._folded.clear()
        for name, kept in self._exact.items():
            self._folded.setdefault(fold(name), kept)
        self._index.clear()

    def encode(self, row: Row) -> bytes:
        """The JSON of a row, made once until the row changes."""
        encoded = row.encoded
        if encoded is None:
            encoded = row.encoded = encode_json(row)
        return encoded

    def field_name(self, name: str) -> str | None:
        """The spelling of a field that differs in case at most, or None."""
        if isinstance(self._pending, Series):
            self._learn(self._pending.make(0))
        else:
            self._load()
        return self._names.get(name.lower())

    def _find_early(self, field: str, value: Any) -> list[Row] | None:
        series = self._pending
        if not isinstance(series, Series):
            return None
        numbers = series.numbers(field, value)
        return None if numbers is None else [self._make(series, number) for number in numbers]

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
        if not isinstance(seed, Series):
            for values in seed():
                self._insert(Row(values))
            return
        # Rows that were made early keep their identity, and take their place in the order.
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
        # Rows come in few shapes, so the names of most rows are known already.
        shape = tuple(row)
        if shape not in self._shapes:
            self._shapes.add(shape)
            for name in shape:
                self._names.setdefault(name.lower(), name)
