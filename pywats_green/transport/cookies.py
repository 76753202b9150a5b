"""The cookies of one client, handled by the standard library, as in httpx."""

from __future__ import annotations

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
_BYTES = 1_000_000  # of all of them; only the head of a response limits a single one


class Jar(RequestsCookieJar):
    """A bounded cookie jar: every call looks through all cookies, and clients live for months.

    It keeps the 20 paths of a cookie, and the 300 cookies and 1 MB of them, that were set last.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sizes: dict[tuple[str, str, str], int] = {}  # the one set last at the end

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> None:
        """Store a cookie, as requests does; the oldest may have to go."""
        super().set_cookie(cookie, *args, **kwargs)
        domain, name = cookie.domain, cookie.name
        self._sizes.pop((domain, cookie.path, name), None)
        self._sizes[domain, cookie.path, name] = len(repr(vars(cookie)))
        paths = [each[1] for each in self._sizes if each[0] == domain and each[2] == name]
        if len(paths) > _PATHS:
            self.clear(domain, paths[0], name)
        while len(self._sizes) > _COOKIES or sum(self._sizes.values()) > _BYTES:
            self.clear(*next(iter(self._sizes)))

    def clear(
        self, domain: str | None = None, path: str | None = None, name: str | None = None
    ) -> None:
        """Remove cookies, as the standard library does, and the folder of the last one in it."""
        super().clear(domain, path, name)
        cookies: Any = self._cookies  # type: ignore[attr-defined]
        if domain is not None and path is not None and not cookies[domain].get(path, True):
            del cookies[domain][path]  # which the standard library would keep looking into
        self._sizes = {
            (domain, path, name): size
            for (domain, path, name), size in self._sizes.items()
            if name in cookies.get(domain, {}).get(path, {})
        }


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
