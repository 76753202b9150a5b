"""The cookies of one client, handled by the standard library, as in httpx."""

from __future__ import annotations

import contextlib
from http.cookiejar import Cookie
from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import requests
from requests.cookies import RequestsCookieJar

from pywats_green.redaction import Secret
from pywats_green.transport.responses import message_of

_PATHS = 20  # of a cookie: without a path of its own, it gets one for each folder called
_COOKIES = 300


class Jar(RequestsCookieJar):
    """A bounded cookie jar: every call looks through all cookies, and clients live for months.

    It keeps the 20 paths of a cookie, and the 300 cookies, that were set last.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._paths: dict[tuple[str, str], dict[str, None]] = {}
        self._all: dict[tuple[str, str, str], None] = {}

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> None:
        """Store a cookie, as requests does; the oldest may have to go."""
        super().set_cookie(cookie, *args, **kwargs)
        domain, path, name = key = cookie.domain, cookie.path, cookie.name
        paths = self._paths.setdefault((domain, name), {})
        paths.pop(path, None)
        paths[path] = None
        self._all.pop(key, None)
        self._all[key] = None
        if len(paths) > _PATHS:
            self._drop((domain, next(iter(paths)), name))
        if len(self._all) > _COOKIES:
            self._drop(next(iter(self._all)))

    def _drop(self, key: tuple[str, str, str]) -> None:
        domain, path, name = key
        del self._all[key]
        paths = self._paths[domain, name]
        del paths[path]
        if not paths:
            del self._paths[domain, name]
        with contextlib.suppress(KeyError):  # it had expired, or was deleted
            self.clear(domain, path, name)
        inner: Any = self  # the standard library keeps looking into what is empty
        with inner._cookies_lock, contextlib.suppress(KeyError):  # noqa: SLF001
            if not inner._cookies[domain][path]:  # noqa: SLF001
                del inner._cookies[domain][path]  # noqa: SLF001


class Cookies:
    """Stores cookies from responses, and returns them for requests.

    Args:
        session: The session that holds the cookie jar.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def keep(self, url: str, head: bytes) -> None:
        """Store the cookies of a response.

        Args:
            url: URL of the request.
            head: Head of the response, as received.
        """
        response: Any = SimpleNamespace(info=lambda: message_of(head))
        self._session.cookies.extract_cookies(response, Request(url))  # noqa: S310  # never opened

    def header(self, url: str) -> Secret | None:
        """Return the value of the Cookie header for a URL. None: there are no cookies for it."""
        request = Request(url)  # noqa: S310  # never opened
        self._session.cookies.add_cookie_header(request)
        value = request.get_header("Cookie")
        return None if value is None else Secret(value)
