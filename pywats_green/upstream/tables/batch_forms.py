"""THE table of batch forms: which single look-up can be asked for together with others, and how.

A form says of one kind of look-up which query stands in for it, how the filter for a key is
written, and where in the result the answer for a key is. `batching()` and the batch fetches both
stand on it. Look-ups that have no query at upstream have no form; docs/guides/batching.md lists
them.
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

LONGEST_URL = 2_000  # characters; IIS refuses by default a query string over 2,048

_KEYS = 18  # OData servers commonly allow 100 nodes: 19 clauses of one comparison each
_PAIRS = 8  # of two

_OR = " or "

_MOST_ROWS = 99_999  # a number as long as any that is asked for

Row = Mapping[str, Any]


@dataclass(frozen=True)
class BatchForm:
    """How one kind of single look-up travels in a query.

    Attributes:
        template: The single look-up, as people know it.
        endpoint: Of the query.
        clause: The filter for one key, with a place for each of its parts.
        answers: Which keys an object of the result answers, each with what the single call gives.
        limit: Keys in one query, as long as nothing else is learned.
        params: Further parameters of the query.
        telling: A member that the query may leave empty where the single call does not: upstream's
            docs contradict each other on it. Where the single call has it empty too, that proves
            nothing.
    """

    template: str
    endpoint: str
    clause: str
    answers: Callable[[Row], Iterable[tuple[Key, Any]]]
    limit: int = _KEYS
    params: tuple[tuple[str, str], ...] = ()
    telling: str | None = None

    def size(self, key: Key) -> int:
        """Return the characters that a key takes in the URL of a query."""
        return len(quote_plus(_OR + self._clause(key)))

    def room(self, base_url: str) -> int:
        """Return the characters that the keys of one query may take.

        Args:
            base_url: Of the server.
        """
        without_keys = sorted_query(self._params("", _MOST_ROWS))
        return LONGEST_URL - len(f"{base_url}{self.endpoint}?{without_keys}")

    def query(self, keys: Sequence[Key]) -> tuple[str, dict[str, Any]]:
        """Return endpoint and parameters of the query for keys."""
        clauses = dict.fromkeys(self._clause(key) for key in keys)  # two may share one
        return self.endpoint, self._params(_OR.join(clauses), _rows_for(len(keys)))

    def queries(
        self, keys: Iterable[Key], base_url: str, most: int | None = None
    ) -> Iterator[list[Key]]:
        """Divide keys into queries that fit into a URL.

        Args:
            keys: The keys; each is asked for once.
            base_url: Of the server.
            most: Keys in one query. None: the form's limit.

        Returns:
            The keys of each query, in order. One that does not fit into any stands alone.
        """
        sizes = {key: self.size(key) for key in keys}
        return split(sizes, most or self.limit, self.room(base_url))

    def found(self, keys: Iterable[Key], rows: object) -> dict[Key, Any]:
        """Find the answers for keys in the result of their query.

        Args:
            keys: The keys.
            rows: The parsed JSON.

        Returns:
            By key, what the single call gives. Only the exact spelling counts, for servers compare
            without case; a key that is there twice is left out, and so is everything if the result
            may have been cut.

        Raises:
            ValueError: The result is no list of objects.
        """
        wanted = dict.fromkeys(keys)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("the result of a query is no list of objects")
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
            raise ValueError(f"the objects are not of the expected shape: {exc}") from exc
        return {key: answer for key, answer in answers.items() if key not in twice}

    def _clause(self, key: Key) -> str:
        return self.clause.format(*map(escape_string, key))

    def _params(self, condition: str, top: int) -> dict[str, Any]:
        return {**dict(self.params), "$filter": condition, "$top": top}


def _rows_for(keys: int) -> int:
    """Return how many rows to ask for: more than there should be, so that more can be seen.

    Spellings that differ in case are the same key to the server. A result that is not full is
    complete.
    """
    return 2 * keys


def _by(*names: str) -> Callable[[Row], Iterable[tuple[Key, Any]]]:
    """Tell that an object answers the key that its own members make."""

    def answers(row: Row) -> Iterable[tuple[Key, Any]]:
        return [(tuple([row.get(name) for name in names]), row)]  # type: ignore[misc]

    return answers


def _revisions(row: Row) -> Iterable[tuple[Key, Any]]:
    for revision in row.get("revisions") or ():
        yield (row.get("partNumber"), revision.get("revision")), revision  # type: ignore[misc]


def _either_name(row: Row) -> Iterable[tuple[Key, Any]]:
    # As a dict: an asset whose serial number is its id answers that once.
    return {(row.get(name),): row for name in ("serialNumber", "assetId")}.items()  # type: ignore[return-value]


def _headers(row: Row) -> Iterable[tuple[Key, Any]]:
    return [((row.get("uuid"),), [row])]  # type: ignore[list-item]  # a list, as that call gives


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
# How pywats 0.5 asks for it.
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
# The route does not tell an id from a serial number, so neither does the query. A form of its own,
# for a server that refuses to compare an id with a text must not spoil that for serial numbers.
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


@lru_cache(maxsize=16)  # the spellings of a program are few
def header_form(report_type: str, name: str = "uuid", quote: str = "") -> BatchForm:
    """Return the form for report headers by id.

    Upstream has no call for one header: users ask for it by a query of their own, and those can
    travel together.

    Args:
        report_type: "U" for tests, "R" for repairs.
        name: Of the id in the filter.
        quote: What stands around it there: nothing, or a quotation mark.
    """
    return BatchForm(
        f"GET {Routes.Report.QUERY_HEADER}?$filter={name} eq {{id}}",
        Routes.Report.QUERY_HEADER,
        f"{name} eq {quote}{{0}}{quote}",
        _headers,
        params=(("reportType", report_type),),
    )


def look_up_of(endpoint: str, params: Mapping[str, Any] | None) -> tuple[BatchForm, Key] | None:
    """Tell what a GET looks up.

    Args:
        endpoint: As given to a client.
        params: As given to a client.

    Returns:
        The form and the key; None where it is no look-up that has a form, or where it is not sure
        that the server reads the key as it is written. Upstream does not escape paths.
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
                return None  # another route: its answer is not one thing
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


# One segment that arrives as it is written: nothing that ends it, that is read as an escape, that
# IIS and ASP.NET refuse or trim, and nothing that is no character.
_PLAIN = re.compile(r"(?![\s.])[^/\\?#%&:*<>+|\x00-\x1f\x7f\ud800-\udfff]+(?<![\s.])")
_TEXT = re.compile(r"[^\ud800-\udfff]+")
_GUID_PATTERN = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_GUID = re.compile(_GUID_PATTERN)
_ONE_ID = re.compile(rf"(uuid|id) eq ('?)({_GUID_PATTERN})\2")


def _reserved(routes: type, prefix: str) -> frozenset[str]:
    """Return the names below a path that are routes of their own, in lower case."""
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
