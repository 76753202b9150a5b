"""Reads the bodies of answers as upstream's `_handle_response` does, with pydantic's parser.

`pydantic_core.from_json` takes half the time of json. It refuses a little that json takes (lone
surrogates, a byte order mark, UTF-16 and UTF-32, deep nesting, very long numbers): where it refuses
anything, json decides.
"""

from __future__ import annotations

import json
import re
from email.message import Message
from typing import Any

from pydantic_core import from_json

_PLAIN_CHARSET = re.compile(r"[^;\"]*;[ \t]*charset=([a-z0-9._-]+)[ \t]*", re.IGNORECASE)


def parse(content: bytes, content_type: str | None) -> Any:
    """Return what upstream's `Response.data` holds for a body.

    Args:
        content: The body, its content encodings undone.
        content_type: The header, as it came; None: there is none.

    Returns:
        The decoded JSON, else the text, by the charset of the type or as UTF-8; None for an empty
        body or text.
    """
    if not content:
        return None
    try:
        # Names alone are cached, for all answers of the process: a value may be a secret.
        return from_json(content, cache_strings="keys")
    except ValueError:  # not JSON, or not pydantic's
        pass
    try:
        return json.loads(content)
    except ValueError:
        return _text(content, content_type) or None


def _text(content: bytes, content_type: str | None) -> str:
    """Decode a body as httpx does, never failing."""
    try:
        return content.decode(_charset(content_type) or "utf-8", "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _charset(content_type: str | None) -> str | None:
    """Return the charset of a type, as the email package finds it."""
    if content_type is None or "charset" not in content_type.lower():
        return None
    plain = _PLAIN_CHARSET.fullmatch(content_type)
    if plain is not None:
        return plain[1].lower()
    message = Message()  # quoted, encoded, or beside other parameters: seldom
    message["content-type"] = content_type
    return message.get_content_charset()
