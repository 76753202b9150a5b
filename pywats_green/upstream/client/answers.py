"""Responses: parsed like upstream's `_handle_response`, and packed for the cache.

`pydantic_core.from_json` takes half as long as json. It rejects some input that json accepts (lone
surrogates, a byte order mark, UTF-16 and UTF-32, deep nesting, very long numbers), so on any error
json decides.
"""

from __future__ import annotations

import codecs
import json
import re
from email.message import Message
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json
from pywats.core.client import Response

# The slots of a model. Its `__setattr__` validates, and costs more than everything else.
_set_fields = vars(BaseModel)["__dict__"].__set__
_set_fields_set = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__

# One set shared by all responses: every field is set, so nothing is ever added to it.
_FIELDS = {"status_code", "data", "headers", "raw"}

_PLAIN_CHARSET = re.compile(r"[^;\"]*;[ \t]*charset=([a-z0-9._-]+)[ \t]*", re.IGNORECASE)


def response_of(status: int, headers: dict[str, str], raw: bytes, data: Any) -> Response:
    """Make a `Response` without validation; the fields already have the right types.

    This is pydantic's `model_construct` without its loops.
    """
    response = Response.__new__(Response)
    fields = {"status_code": status, "data": data, "headers": headers, "raw": raw}
    _set_fields(response, fields)
    _set_fields_set(response, _FIELDS)
    _set_extra(response, None)
    _set_private(response, None)
    return response


class Packed:
    """A response as it is cached: immutable, however its readers treat their copies.

    The caller that loaded it owns the parsed data and may change it. The first later reader parses
    the bytes again and leaves a template for the others to copy, which takes a fraction of the
    time. Most responses are never read again, so the template is not made any earlier.

    Attributes:
        status: HTTP status.
        cache_size: Size in bytes, for the bound of the cache. The template, which may be added
            later, counts as much as the body.
    """

    __slots__ = ("_containers", "_headers", "_links", "_raw", "cache_size", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self._headers = response.headers.copy()
        self._raw = response.raw
        self._containers: list[Any] | None = None
        self._links: list[tuple[int, int, Any]] = []
        self.cache_size = 2 * len(self._raw) + sum(map(len, self._headers.values()))

    def unpack(self) -> Response:
        """Return a response that belongs to the caller alone."""
        if self._containers is None:
            data = self._parsed()
        elif not self._links:
            data = self._containers[0].copy()
        else:
            copies = [container.copy() for container in self._containers]
            for inner, outer, at in self._links:
                copies[outer][at] = copies[inner]
            data = copies[0]
        return response_of(self.status, self._headers.copy(), self._raw, data)

    def _parsed(self) -> Any:
        """Parse the bytes, and record a copy of each container in the data and where it belongs.

        Everything else in decoded JSON is immutable, so copies can share it.
        """
        data = parse(self._raw, self._headers.get("content-type"))
        if isinstance(data, (dict, list)):
            found, links = [data], []
            for outer, container in enumerate(found):
                items = container.items() if isinstance(container, dict) else enumerate(container)
                for at, item in items:
                    if isinstance(item, (dict, list)):
                        links.append((len(found), outer, at))
                        found.append(item)
            # The links first, because another native thread checks for the containers.
            self._links, self._containers = links, [container.copy() for container in found]
        return data


def parse(content: bytes, content_type: str | None) -> Any:
    """Return the value of upstream's `Response.data` for a body.

    Args:
        content: The body, after content decoding.
        content_type: The header as received. None: there was none.

    Returns:
        The decoded JSON; else the text, in the charset of the content type or UTF-8; None for an
        empty body or text.
    """
    if not content:
        return None
    try:
        # Cache keys only: the cache is process-wide, and a value may be a secret.
        return from_json(content, cache_strings="keys")
    except ValueError:  # not JSON, or not to pydantic
        pass
    try:
        return json.loads(content)
    except ValueError:
        return _text(content, content_type) or None


def _text(content: bytes, content_type: str | None) -> str:
    """Decode a body as httpx does.

    Raises:
        Exception: The charset is a codec that does not make text of bytes, or of these.
    """
    charset = _charset(content_type) or "utf-8"
    try:
        codecs.lookup(charset)
    except LookupError:
        charset = "utf-8"
    decoder = codecs.getincrementaldecoder(charset)("replace")
    return "".join([decoder.decode(content), decoder.decode(b"", True)])


def _charset(content_type: str | None) -> str | None:
    """Return the charset of a content type, as the email package finds it."""
    if content_type is None or "charset" not in content_type.lower():
        return None
    plain = _PLAIN_CHARSET.fullmatch(content_type)
    if plain is not None:
        return plain[1].lower()
    message = Message()  # rare: quoted, encoded, or with other parameters
    message["content-type"] = content_type
    return message.get_content_charset()
