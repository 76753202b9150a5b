"""The cookies of one client, handled by the standard library, as in httpx."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import requests

from pywats_green.transport.responses import message_of


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

    def header(self, url: str) -> str | None:
        """Return the value of the Cookie header for a URL. None: there are no cookies for it."""
        request = Request(url)  # noqa: S310  # never opened
        self._session.cookies.add_cookie_header(request)
        return request.get_header("Cookie")
