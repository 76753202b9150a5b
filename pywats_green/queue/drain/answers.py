"""Reads answers to reports: a receipt of WATS, or the reason why a report was not accepted.

The body of a 2xx tells a receipt from somebody else's answer: a proxy's login page, an empty body
and `{"success": false}` come with 200, too, and upstream takes any text for an id, so what it
returns does not tell.

A refusal is what an exception carries as `response`, of pywats, requests or httpx. It needs a
`status_code`; `headers`, `data` and `text` are used where they exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from pywats_green.causes import causes
from pywats_green.redaction import redacted, without_user_infos
from pywats_green.retry_after import seconds_asked

# What a server says when it already has this report. The subject must start a clause and be the
# report, its id, or nothing ("a product of this report already exists" is another matter, and so is
# an id that another report has): a report taken for delivered is never sent again, so in doubt it
# is not.
_ALREADY_THERE = re.compile(
    r"""
    (?: ^ | [.:;!] ) \s*
    (?: (?:an?|the|this|that|test|uut|uur|wsjf) \s+ )*
    (?: (?: (?:\w*report|submission)
            (?: \s+ with (?:\s+(?:the|this|that|same))* \s+ (?:id|uuid|guid) )?
      | resource | entity | id | uuid | guid )
      (?: \s* ['"({\[]* [\w.-]*\d[\w.-]* ['")}\]]* )?
      | ['"({\[]* [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} ['")}\]]* )?
    \s* (?: \b (?:is|was|has|have|had) \s+ )?
    \b already \s+ (?:been \s+)?
    (?: exists? | existed | submitted | received | registered | stored | imported | uploaded
      | accepted | saved | present | there | known )
    \b (?! [^.;]* \b (?:another|different|other) \b )
    | \b duplicated? \s+ (?:(?:test|uut|uur|wsjf) \s+)? (?:\w*report|submission|uuid|guid|id) \b
    | ^ \W* duplicate \W* $
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORD_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|_")  # "ReportAlreadyExists", "already_exists"
_LONGEST_TEXT = 500

_ID_NAMES = ("ID", "id", "uuid")
_XML_TEXTS = frozenset({"string", "guid", *_ID_NAMES})  # elements whose text is the id

_WORDS = 80  # characters shown of a foreign answer
_LOOKED_AT = 1_000_000  # bytes; blanks are folded and secrets taken out before it is cut


def response_of(exc: BaseException) -> Any | None:
    """Return the answer that an exception or one of its causes carries; None: there is none.

    Args:
        exc: What a submission raised; `raise ... from` is followed.
    """
    responses = (getattr(error, "response", None) for error in causes(exc))
    return next(
        (found for found in responses if isinstance(getattr(found, "status_code", None), int)), None
    )


def is_already_there(response: Any) -> bool:
    """Return whether the body of an answer says that the server already has this very report.

    It does if a phrase such as "already exists" or "has already been submitted" refers to the
    report, its id or nothing in particular; or if it names a "duplicate report" or "duplicate
    id". Searched are the body itself, or the values of a JSON object and of the objects in it
    (a code such as "ReportAlreadyExists" counts, too).

    Args:
        response: The answer, of status 409.
    """
    return any(_ALREADY_THERE.search(_WORD_SEAM.sub(" ", text)) for text in _texts(_body(response)))


def retry_after(response: Any, now: float) -> float | None:
    """Return the seconds that an answer asks to wait.

    Args:
        response: The answer; its Retry-After header holds seconds or an HTTP date.
        now: Seconds since the epoch, for a date if the answer has no Date header.

    Returns:
        Seconds, from 0 to 300; None: there is no readable Retry-After.
    """
    return seconds_asked(_header(response, "retry-after"), _header(response, "date"), now)


def described(response: Any, secret: str = "") -> str:
    """Return the status and message of an answer, in one line.

    Args:
        response: The answer.
        secret: Shown as "***", in whatever form it comes back.
    """
    text = next((text for text in _texts(_body(response)) if text.strip()), "")
    text = " ".join(redacted(text, secret).split())
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}..."
    return f"HTTP {response.status_code}: {text}" if text else f"HTTP {response.status_code}"


def _body(response: Any) -> Any:
    if hasattr(response, "data"):  # upstream's, whose `json()` would show its headers, too
        return response.data
    try:
        return response.json()
    except Exception:  # noqa: BLE001  # no JSON, no such method, whatever the library raises
        return getattr(response, "text", None)


def _texts(body: Any, depth: int = 3) -> Iterator[str]:
    """Yield the texts in a body, messages first."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping) and depth:
        for _, value in sorted(
            body.items(), key=lambda item: "message" not in str(item[0]).lower()
        ):
            yield from _texts(value, depth - 1)
    elif isinstance(body, list) and depth:
        for value in body:
            yield from _texts(value, depth - 1)


def _header(response: Any, name: str) -> str | None:
    headers = getattr(response, "headers", None) or {}
    for key, value in headers.items():
        if str(key).lower() == name:
            return str(value).strip()
    return None


def is_receipt(body: bytes, *, xml: bool = False) -> bool:
    """Return whether upstream would read an id from the body of a 2xx answer.

    That is JSON: a non-empty string, an object, or a non-empty list of objects (the first one
    counts), with a non-empty `ID`, `id` or `uuid`.

    Args:
        body: The raw body.
        xml: Whether XML of that content counts, too: the answer to a WSXF report.
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
    """Return the first 80 characters of a body, in one line, without user info in URLs.

    Args:
        body: The raw body.
        secret: Shown as "***".
    """
    text = redacted(body[:_LOOKED_AT].decode("utf-8", "replace"), secret)
    text = without_user_infos(" ".join(text.split()))
    return "".join(char for char in text if char.isprintable())[:_WORDS]


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
    """Yield the ids of an object in XML. Attributes count only on a report: any page has some."""
    for child in item:
        if _name(child) in _ID_NAMES:
            yield child.text
    if _name(item) == "Report":
        yield from map(item.get, _ID_NAMES)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
