"""Tells a receipt of WATS from somebody else's answer, by the body of a 2xx alone.

A proxy's login page, an empty body and `{"success": false}` come with 200 as well. Upstream takes
any text for an id, so what it returns does not tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

_ID_NAMES = ("ID", "id", "uuid")
_XML_TEXTS = frozenset({"string", "guid", *_ID_NAMES})  # elements whose text is the id

_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")
_WORDS = 80  # characters of a foreign answer that are shown
_LOOKED_AT = 4096  # bytes; blanks are folded and secrets taken out before it is cut


def is_receipt(body: bytes, *, xml: bool = False) -> bool:
    """Tell whether upstream would read an id from the body of a 2xx answer.

    That is JSON: a non-empty string, an object, or a non-empty list of objects of which the first
    counts, with a non-empty `ID`, `id` or `uuid`.

    Args:
        body: As it came.
        xml: Whether XML of that content is a receipt, too: the answer to a WSXF report.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return xml and _is_xml_receipt(body)
    if isinstance(found, str):
        return _is_id(found)
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        found = next(iter(found), None)
    return isinstance(found, dict) and any(_is_id(found.get(name)) for name in _ID_NAMES)


def first_words(body: bytes, secret: str = "") -> str:
    """Return the first 80 characters of a body, in one line.

    Args:
        body: As it came.
        secret: Shown as "***"; so is no user info of a URL.
    """
    text = " ".join(body[:_LOOKED_AT].decode("utf-8", "replace").split())
    text = _USER_INFO.sub("", "".join(char for char in text if char.isprintable()))
    return (text.replace(secret, "***") if secret else text)[:_WORDS]


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) and not isinstance(value, bool) and value != 0


def _is_xml_receipt(body: bytes) -> bool:
    if b"<!DOCTYPE" in body:  # a page; and entities, which could blow up, need one
        return False
    try:
        root = ET.fromstring(body)  # noqa: S314  # see above
    except (ValueError, LookupError, ET.ParseError):
        return False
    if _name(root) in _XML_TEXTS:
        return _is_id(root.text)
    return any(_is_id(value) for item in (root, *root[:1]) for value in _xml_ids(item))


def _xml_ids(item: ET.Element) -> Iterator[str | None]:
    """Give the ids of an object in XML. Attributes count on a report alone: any page has some."""
    for child in item:
        if _name(child) in _ID_NAMES:
            yield child.text
    if _name(item) == "Report":
        yield from map(item.get, _ID_NAMES)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
