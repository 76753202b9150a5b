"""The cookies of one client, by the rules of the standard library, as httpx keeps them."""

from __future__ import annotations

import http.client
from urllib.request import Request

import requests


class Cookies:
    """Keeps what servers set, and says what to send back.

    Args:
        session: Whose cookies they are.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def keep(self, url: str, response: http.client.HTTPResponse) -> None:
        """Keep the cookies of an answer.

        Args:
            url: What was asked for.
            response: The answer, with its headers as they came.
        """
        self._session.cookies.extract_cookies(response, Request(url))  # noqa: S310  # asks nobody

    def header(self, url: str) -> str | None:
        """Return the value of the Cookie header for a URL; None without cookies for it."""
        jar = self._session.cookies
        if next(iter(jar), None) is None:  # as with most servers, and then it costs nothing
            return None
        request = Request(url)  # noqa: S310  # asks nobody
        jar.add_cookie_header(request)
        return request.get_header("Cookie")
