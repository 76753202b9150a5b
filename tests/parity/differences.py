"""The deliberate differences, as data.

The table for readers is docs/upstream-differences.md; a test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Difference:
    """A difference.

    Attributes:
        key: As in the document.
        rows: Where it occurs: patterns of "pass/group/row/part".
        green: Text contained in green's side.
        kind: "a" to "d", as in the document; "words" if only messages differ.
    """

    key: str
    rows: tuple[str, ...]
    _: KW_ONLY
    green: str = ""
    kind: str

    def covers(self, where: str, plain: str, green: str) -> bool:
        """Return whether it accounts for a difference."""
        return self.green in green and any(fnmatchcase(where, row) for row in self.rows)


@dataclass(frozen=True)
class MoreReads(Difference):
    """A difference in which green asks the server where upstream answers from its cache."""

    def covers(self, where: str, plain: str, green: str) -> bool:
        """Return whether all of green's additional requests are reads."""
        if not super().covers(where, plain, green):
            return False
        left = json.loads(plain)
        for request in json.loads(green):
            if left and request == left[0]:
                del left[0]
            elif request["method"] != "GET":
                return False
        return not left


LISTED = (
    Difference("Retry-After", ("*/retry after/retries",), green="0.0", kind="b"),
    Difference(
        "scim.iter_users",
        ("*/scim/scim.iter_users#*", "flows/flows/users_one_by_one/*"),
        kind="b",
    ),
    Difference(
        "timeout of a live client",
        ("flows/flows/changed_timeout/*",),
        green="Request timed out after 0.2s",
        kind="b",
    ),
    Difference("cache of HttpClient", ("HttpClient/HttpClient/cache/requests",), kind="b"),
    MoreReads(
        "what is cached",
        ("strict/*/requests", "lenient/*/requests", "flows/*/requests", "pyWATS/*/cache/requests"),
        kind="a",
    ),
    Difference(
        "reads after a write",
        (
            "*/product.set_product_tags#66/requests",
            "*/product.add_revision_tag#72/requests",
            "*/product.get_product#74/outcome",
            "*/production.get_unit#77/outcome",
            "*/production.get_unit_hierarchy#89/outcome",
            "flows/flows/box_build_by_hand/requests",
            "flows/flows/box_build_in_a_block/outcome",
        ),
        kind="a",
    ),
    MoreReads("process.refresh", ("*/process.refresh#49/requests",), kind="b"),
    Difference(
        "token that cannot be sent",
        ("*/token *",),
        green="HTTP request failed: the token ",
        kind="a",
    ),
    Difference(
        "a password in the base URL",
        ("flows/flows/password_in_the_base_url/requests",),
        kind="a",
    ),
    Difference("x-gzip", ("*/answer /gzip/x/steps",), kind="a"),
    Difference(
        "compressed responses",
        ("*/answer /gzip/short/steps",),
        green="the compressed response is truncated",
        kind="a",
    ),
    Difference(
        "loops of writes",
        ("flows/flows/revisions_in_bulk/requests",),
        green="/api/Product/Revisions",
        kind="c",
    ),
    MoreReads("a kept connection that died", ("*/breaker forgets/requests",), kind="d"),
)

# Other words in corners that no program can be in by intention. The document lists them, too.
WORDS = (
    Difference(
        "a base URL that names no server",
        (
            "HttpClient/*/base 'http://xxxxxxxxxxxxxxxxxxxx*/steps",
            *(
                f"*/base '{base}'/steps"
                for base in (
                    *("{a}", "localhost", "", "://x"),
                    *("http://?::1", "http://127.0.0.1:99999", "http://127.0.0.1:no"),
                    "/only/path",
                )
            ),
        ),
        kind="words",
    ),
    Difference(
        "an open circuit breaker",
        ("pyWATS/*/breaker */steps", "flows/*/breaker_of_a_service/outcome"),
        green=" is OPEN - failing fast: ",
        kind="words",
    ),
    Difference(
        "a TLS handshake that is never answered",
        ("HttpClient/*/tls never answered/steps",),
        kind="words",
    ),
)
