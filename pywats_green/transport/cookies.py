"""The cookies of one client, by the rules of the standard library, as httpx keeps them."""

from __future__ import annotations

import http.client
from http.cookiejar import CookieJar
from urllib.request import Request


class Cookies:
    """Keeps what servers set, and says what to send back."""

    def __init__(self) -> None:
        self._jar = CookieJar()
        self._is_empty = True

    def keep(self, url: str, response: http.client.HTTPResponse) -> None:
        """Keep the cookies of an answer.

        Args:
            url: What was asked for.
            response: The answer, with its headers as they came.
        """
        self._jar.extract_cookies(response, Request(url))  # noqa: S310  # asks nobody
        self._is_empty = False

    def header(self, url: str) -> str | None:
        """Return the value of the Cookie header for a URL; None without cookies for it."""
        if self._is_empty:  # as with most servers, and then it costs nothing
            return None
        request = Request(url)  # noqa: S310  # asks nobody
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")
