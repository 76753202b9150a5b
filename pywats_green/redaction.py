"""Keeps tokens and passwords out of reprs, tracebacks with locals, and texts for people.

Error reporters record the local variables of every frame. A value that is a `Secret` shows itself
as `***` there. Of libraries, which turn it into other values, no frames are kept.
"""

from __future__ import annotations

import base64
import contextlib
import html
import re
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import quote

from pywats_green.causes import everything_behind

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

# They copy heads and URLs into locals of their own.
_LIBRARIES = frozenset({"gevent", "http", "httpx", "requests", "ssl", "urllib3"})

_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")
_SHORTEST_SECRET = 4  # characters; a shorter one would be found everywhere


class Secret(str):
    """A str that its `repr` does not show. What is derived from it, as by `str()`, does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    def strip(self, chars: str | None = None, /) -> Secret:
        """Return a `Secret`, too."""
        return Secret(super().strip(chars))

    def rstrip(self, chars: str | None = None, /) -> Secret:
        """Return a `Secret`, too: upstream's services strip the base URL, and send it."""
        return Secret(super().rstrip(chars))


def secret_of(value: Any) -> Any:
    """Return a str as a `Secret`, and anything else unchanged."""
    return Secret(value) if isinstance(value, str) else value


def guarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers in which credentials are a `Secret`."""
    return {
        name: secret_of(value) if name.lower() in _SECRET_HEADERS else value
        for name, value in headers.items()
    }


def without_user_info(url: str) -> str:
    """Return a URL without user and password, which are secrets.

    A password may contain an unescaped slash, so that the URL is malformed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    authority, slash, path = rest.partition("/")
    if "@" in path and ":" in authority and "@" not in authority:
        authority, slash, path = path.rpartition("@")[2].partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def without_user_infos(text: str) -> str:
    """Return a text without the user info of the URLs in it."""
    return _USER_INFO.sub("", text)


def redacted(text: str, secret: str) -> str:
    """Take a secret out of a text: as it is, or Basic credentials decoded; also escaped."""
    for form in _forms_of(secret):
        text = text.replace(form, "***")
    return text


@lru_cache(maxsize=16)
def _forms_of(secret: str) -> tuple[str, ...]:
    if not secret:
        return ()
    plain = {str(secret)}
    with contextlib.suppress(ValueError):  # no Basic credentials
        pair = base64.b64decode(secret, validate=True).decode()
        plain |= {pair, pair.partition(":")[2]}
    forms = {secret.replace("=", "&#61;")}
    for text in plain:
        forms |= {text, quote(text, safe=""), html.escape(text)}
    return tuple(sorted((form for form in forms if len(form) >= _SHORTEST_SECRET), key=len)[::-1])


def guarded_url(url: str) -> str:
    """Return a URL, as a `Secret` if it has user info."""
    return url if without_user_info(url) == url else Secret(url)


def without_frames(error: BaseException) -> BaseException:
    """Take the frames of libraries out of the tracebacks of an error and of what it came from.

    Args:
        error: The error, as caught.

    Returns:
        The same error.
    """
    for each in everything_behind(error):
        kept: list[TracebackType] = []
        entry = each.__traceback__
        while entry is not None:
            module = entry.tb_frame.f_globals.get("__name__", "")
            if module.partition(".")[0] not in _LIBRARIES:
                kept.append(entry)
            entry = entry.tb_next
        for position, entry in enumerate(kept):
            entry.tb_next = kept[position + 1] if position + 1 < len(kept) else None
        each.__traceback__ = kept[0] if kept else None
    return error
