"""The table of batch forms: which single look-ups can be combined into a query, and how.

A form maps one kind of look-up to the query that replaces it: how to write the filter for a key,
and where to find a key's answer in the result. `batching()` and the batch fetches both use it.
Look-ups without a matching upstream query have no form; docs/guides/batching.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from pywats.core.routes import Routes
from pywats.shared.odata import escape_string

from pywats_green.batching import Key, split
from pywats_green.transport import sorted_query

LONGEST_URL = 2_000  # characters; by default IIS rejects query strings over 2,048

_KEYS = 18  # OData servers commonly allow 100 nodes: 19 clauses with one comparison each
_PAIRS = 8  # the same for clauses with two comparisons

_OR = " or "

_MOST_ROWS = 99_999  # has as many digits as any `$top` that is sent

Row = Mapping[str, Any]


@dataclass(frozen=True)
class BatchForm:
    """How one kind of single look-up is expressed as a query.

    Attributes:
        template: Human-readable form of the single look-up.
        endpoint: Endpoint of the query.
        clause: Filter for one key, with a placeholder for each of its parts.
        answers: Yields the keys that a result object answers, each with the value that the single
            call would return.
        limit: Initial maximum of keys per query.
        params: Additional query parameters.
        telling: A member that the query may leave empty although the single call fills it
            (upstream's docs contradict each other). If the single call leaves it empty as well,
            the comparison proves nothing.
    """

    template: str
    endpoint: str
    clause: str
    answers: Callable[[Row], Iterable[tuple[Key, Any]]]
    limit: int = _KEYS
    params: tuple[tuple[str, str], ...] = ()
    telling: str | None = None

    def size(self, key: Key) -> int:
        """Return how many characters a key adds to the URL of a query."""
        return len(quote_plus(_OR + self._clause(key)))

    def room(self, base_url: str) -> int:
        """Return how many characters are available for the keys of one query.

        Args:
            base_url: Base URL of the server.
        """
        without_keys = sorted_query(self._params("", _MOST_ROWS))
        return LONGEST_URL - len(f"{base_url}{self.endpoint}?{without_keys}")

    def query(self, keys: Sequence[Key]) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and parameters of the query for `keys`."""
        clauses = dict.fromkeys(self._clause(key) for key in keys)  # keys may share a clause
        return self.endpoint, self._params(_OR.join(clauses), _rows_for(len(keys)))

    def queries(
        self, keys: Iterable[Key], base_url: str, most: int | None = None
    ) -> Iterator[list[Key]]:
        """Split keys into queries that fit into a URL.

        Args:
            keys: The keys; duplicates are dropped.
            base_url: Base URL of the server.
            most: Maximum keys per query. None: the form's limit.

        Returns:
            The keys of each query, in order. A key too long for any query gets its own.
        """
        sizes = {key: self.size(key) for key in keys}
        return split(sizes, most or self.limit, self.room(base_url))

    def found(self, keys: Iterable[Key], rows: object) -> dict[Key, Any]:
        """Extract the answers for `keys` from the result of their query.

        Args:
            keys: The keys.
            rows: The parsed JSON.

        Returns:
            By key, the value that the single call would return. Keys must match exactly, because
            servers compare case-insensitively. Keys that occur twice are omitted; a result that
            may be truncated yields nothing.

        Raises:
            ValueError: The result is not a list of objects.
        """
        wanted = dict.fromkeys(keys)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("the query result is not a list of objects")
        if len(rows) >= _rows_for(len(wanted)):
            return {}
        answers: dict[Key, Any] = {}
        twice: set[Key] = set()
        try:
            for key, answer in (pair for row in rows for pair in self.answers(row)):
                if key in answers:
                    twice.add(key)
                elif key in wanted:
                    answers[key] = answer
        except (AttributeError, TypeError) as exc:
            raise ValueError(f"the result objects have an unexpected shape: {exc}") from exc
        return {key: answer for key, answer in answers.items() if key not in twice}

    def _clause(self, key: Key) -> str:
        return self.clause.format(*map(escape_string, key))

    def _params(self, condition: str, top: int) -> dict[str, Any]:
        return {**dict(self.params), "$filter": condition, "$top": top}


def _rows_for(keys: int) -> int:
    """Return how many rows to request: more than expected, so that truncation is detectable.

    To the server, spellings that differ in case are the same key. A result shorter than the limit
    is complete.
    """
    return 2 * keys


def _by(*names: str) -> Callable[[Row], Iterable[tuple[Key, Any]]]:
    """Return an `answers` function whose key consists of the named members of an object."""

    def answers(row: Row) -> Iterable[tuple[Key, Any]]:
        return [(tuple([row.get(name) for name in names]), row)]  # type: ignore[misc]

    return answers


def _revisions(row: Row) -> Iterable[tuple[Key, Any]]:
    for revision in row.get("revisions") or ():
        yield (row.get("partNumber"), revision.get("revision")), revision  # type: ignore[misc]


def _either_name(row: Row) -> Iterable[tuple[Key, Any]]:
    # A dict, so that an asset whose serial number equals its id answers only once.
    return {(row.get(name),): row for name in ("serialNumber", "assetId")}.items()  # type: ignore[return-value]


def _headers(row: Row) -> Iterable[tuple[Key, Any]]:
    return [((row.get("uuid"),), [row])]  # type: ignore[list-item]  # the call returns a list


PRODUCT = BatchForm(
    f"GET {Routes.Product.product('{partNumber}')}",
    Routes.Product.QUERY,
    "partNumber eq '{0}'",
    _by("partNumber"),
    telling="revisions",
)
REVISION = BatchForm(
    f"GET {Routes.Product.revision('{partNumber}', '{revision}')}",
    Routes.Product.QUERY,
    "partNumber eq '{0}'",
    _revisions,
)
# The request that pywats 0.5 sends.
REVISION_BY_QUERY = BatchForm(
    f"GET {Routes.Product.BASE}?partNumber&revision",
    REVISION.endpoint,
    REVISION.clause,
    REVISION.answers,
)
ASSET = BatchForm(
    f"GET {Routes.Asset.asset('{serialNumber}')}",
    Routes.Asset.BASE,
    "serialNumber eq '{0}'",
    _by("serialNumber"),
)
# The route does not distinguish ids from serial numbers, so neither does the query. A separate
# form, so that a server that refuses to compare ids with strings does not affect serial numbers.
ASSET_BY_ID = BatchForm(
    f"GET {Routes.Asset.asset('{assetId}')}",
    Routes.Asset.BASE,
    "serialNumber eq '{0}' or assetId eq '{0}'",
    _either_name,
    limit=_PAIRS,
)
UNIT = BatchForm(
    f"GET {Routes.Production.unit('{serialNumber}', '{partNumber}')}",
    getattr(Routes.Production, "UNIT_QUERY", f"{Routes.Production.UNIT}/Query"),  # new in 0.6
    "(serialNumber eq '{0}' and partNumber eq '{1}')",
    _by("serialNumber", "partNumber"),
    limit=_PAIRS,
)


@lru_cache(maxsize=16)  # a program uses few spellings
def header_form(report_type: str, name: str = "uuid", quote: str = "") -> BatchForm:
    """Return the form for report headers by id.

    Upstream has no call for a single header. Users write their own query for it, and such queries
    can be combined.

    Args:
        report_type: "U" for tests, "R" for repairs.
        name: Name of the id in the filter.
        quote: Quotation mark around the id, or "".
    """
    return BatchForm(
        f"GET {Routes.Report.QUERY_HEADER}?$filter={name} eq {{id}}",
        Routes.Report.QUERY_HEADER,
        f"{name} eq {quote}{{0}}{quote}",
        _headers,
        params=(("reportType", report_type),),
    )


def look_up_of(endpoint: str, params: Mapping[str, Any] | None) -> tuple[BatchForm, Key] | None:
    """Return the form and key of the look-up that a GET makes.

    Args:
        endpoint: As passed to a client.
        params: As passed to a client.

    Returns:
        The form and the key. None if no form matches, or if the server might read the key
        differently, because upstream does not escape paths.
    """
    if params:
        return _by_params(endpoint, params)
    for prefix, (reserved, forms) in _PATHS.items():
        if endpoint.startswith(prefix):
            key = tuple(endpoint[len(prefix) :].split("/"))
            form = forms.get(len(key))
            if form is None or not all(map(_PLAIN.fullmatch, key)):
                return None
            if not reserved.isdisjoint(part.lower() for part in key):
                return None  # another route, which does not return a single object
            return (ASSET_BY_ID if form is ASSET and _GUID.fullmatch(key[0]) else form), key
    return None


def _by_params(endpoint: str, params: Mapping[str, Any]) -> tuple[BatchForm, Key] | None:
    names = params.keys()
    if endpoint == Routes.Product.BASE and names == {"partNumber", "revision"}:
        key = (params["partNumber"], params["revision"])
        is_text = all(isinstance(part, str) and _TEXT.fullmatch(part) for part in key)
        return (REVISION_BY_QUERY, key) if is_text else None
    if endpoint == Routes.Report.QUERY_HEADER and names == {"reportType", "$filter"}:
        found = _ONE_ID.fullmatch(str(params["$filter"]))
        if found is not None and isinstance(params["reportType"], str):
            name, quote, identifier = found.groups()
            return header_form(params["reportType"], name, quote), (identifier,)
    return None


# A path segment that reaches the server verbatim: no delimiters, no escapes, nothing that IIS and
# ASP.NET reject or trim, no surrogates.
_PLAIN = re.compile(r"(?![\s.])[^/\\?#%&:*<>+|\x00-\x1f\x7f\ud800-\udfff]+(?<![\s.])")
_TEXT = re.compile(r"[^\ud800-\udfff]+")
_GUID_PATTERN = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_GUID = re.compile(_GUID_PATTERN)
_ONE_ID = re.compile(rf"(uuid|id) eq ('?)({_GUID_PATTERN})\2")


def _reserved(routes: type, prefix: str) -> frozenset[str]:
    """Return the lower-case names below a path that are separate routes."""
    return frozenset(
        part.lower()
        for route in vars(routes).values()
        if isinstance(route, str) and route.startswith(prefix)
        for part in route[len(prefix) :].split("/")
    )


_PATHS: dict[str, tuple[frozenset[str], dict[int, BatchForm]]] = {
    f"{base}/": (_reserved(routes, f"{base}/"), forms)
    for base, routes, forms in (
        (Routes.Product.BASE, Routes.Product, {1: PRODUCT, 2: REVISION}),
        (Routes.Asset.BASE, Routes.Asset, {1: ASSET}),
        (Routes.Production.UNIT, Routes.Production, {2: UNIT}),
    )
}
