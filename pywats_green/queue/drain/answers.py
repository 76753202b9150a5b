"""Reads the answer of a server that did not accept a report, whichever library brought it.

The answer is what an exception carries as `response`: one of pywats, of requests or of httpx. All
that is asked of it is `status_code`, and `headers`, `data`, `text` where they are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pywats_green.retry_after import seconds_asked

# What a server says when it has this report. The subject must stand at the start of a clause and
# be the report, its id, or nothing ("a product of this report already exists" is of another kind,
# and so is an id that another report bears): a report that is taken for delivered is never sent
# again, so in doubt it is not.
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


def response_of(exc: BaseException) -> Any | None:
    """Return the answer that an exception carries, or one it was raised from; None: there is none.

    Args:
        exc: What a submission raised; causes given by `raise ... from` are followed.
    """
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        response = getattr(current, "response", None)
        if isinstance(getattr(response, "status_code", None), int):
            return response
        current = current.__cause__
    return None


def is_already_there(response: Any) -> bool:
    """Tell whether the body of an answer says that the server has this very report.

    A text says so where a phrase such as "already exists" or "has already been submitted" is said
    of the report, of its id, or of nothing that is named; or where it names a "duplicate report"
    or a "duplicate id". The texts looked at are the body itself, and the values of a JSON object
    and of the objects in it (a code "ReportAlreadyExists" counts too).

    Args:
        response: The answer, of status 409.
    """
    return any(_ALREADY_THERE.search(_WORD_SEAM.sub(" ", text)) for text in _texts(_body(response)))


def retry_after(response: Any, now: float) -> float | None:
    """Return the seconds for which an answer asks to be left alone.

    Args:
        response: The answer; its Retry-After header gives seconds or an HTTP date.
        now: Seconds since 1970, for a date where the answer bears no Date of its own.

    Returns:
        Seconds, from 0 to 300; None: it does not ask, or not legibly.
    """
    return seconds_asked(_header(response, "retry-after"), _header(response, "date"), now)


def described(response: Any) -> str:
    """Return status and message of an answer, in one line."""
    text = next((text for text in _texts(_body(response)) if text.strip()), "")
    text = " ".join(text.split())
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}..."
    return f"HTTP {response.status_code}: {text}" if text else f"HTTP {response.status_code}"


def _body(response: Any) -> Any:
    data = getattr(response, "data", None)
    if data is not None:
        return data
    try:
        return response.json()
    except Exception:  # noqa: BLE001  # no JSON, no such method, whatever the library raises
        return getattr(response, "text", None)


def _texts(body: Any, depth: int = 3) -> Iterator[str]:
    """Give the texts in a body; those that are called a message first."""
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
