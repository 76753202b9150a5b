"""What the domains share: tags, and look-ups that end in 404."""

from __future__ import annotations

from typing import Any

from pywats_green.testing.app.messages import HttpError, not_found
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State
from pywats_green.testing.app.table import Row, Table

DELETE_TAG = 3
"""`ChangeType.DELETE` of pywats."""


def row_or_404(table: Table, what: str, *key: str) -> Row:
    """The row of a key.

    Raises:
        HttpError: 404 where there is none.
    """
    row = table.get(*key)
    if row is None:
        raise not_found(f"{what} '{' / '.join(key)}'")
    return row


def need(values: dict[str, Any], *names: str) -> None:
    """Check that a body holds what the server cannot do without.

    Raises:
        HttpError: 400 where a name is missing or empty.
    """
    for name in names:
        if values.get(name) in (None, ""):
            raise HttpError(400, f"The request is invalid: '{name}' is required.")


def merged_tags(old: list[Any] | None, new: list[Any] | None) -> list[dict[str, Any]]:
    """Apply a list of tags, which may each say what changed, to the stored ones."""
    tags: dict[str, dict[str, Any]] = {}
    for tag in old or []:
        tags[fold(tag.get("key"))] = tag
    for tag in new or []:
        if not isinstance(tag, dict) or not tag.get("key"):
            raise HttpError(400, "The request is invalid: a tag needs a key.")
        if tag.get("change") == DELETE_TAG:
            tags.pop(fold(tag["key"]), None)
        else:
            tags[fold(tag["key"])] = {"key": tag["key"], "value": tag.get("value")}
    return list(tags.values())


def product_or_404(state: State, part_number: str) -> Row:
    """A product by its part number.

    Raises:
        HttpError: 404 where there is none.
    """
    return row_or_404(state.products, "Product", part_number)


def revision_or_404(state: State, part_number: str, revision: str) -> dict[str, Any]:
    """A revision of a product; the exact spelling first.

    Raises:
        HttpError: 404 where the product or the revision is unknown.
    """
    found = find_revision(product_or_404(state, part_number), revision)
    if found is None:
        raise not_found(f"Product revision '{part_number} / {revision}'")
    return found


def find_revision(product: Row, revision: str) -> dict[str, Any] | None:
    """A revision of a product row, or None."""
    revisions: list[dict[str, Any]] = product.get("revisions") or []
    for item in revisions:
        if item.get("revision") == revision:
            return item
    return next((item for item in revisions if fold(item.get("revision")) == fold(revision)), None)
