"""The cookies of one client, by the rules of the standard library, as httpx keeps them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import requests

from pywats_green.transport.responses import message_of


class Cookies:
    """Keeps what servers set, and says what to send back.

    Args:
        session: Whose cookies they are.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def keep(self, url: str, head: bytes) -> None:
        """Keep the cookies of an answer.

        Args:
            url: What was asked for.
            head: The answer's, as it came.
        """
        response: Any = SimpleNamespace(info=lambda: message_of(head))
        self._session.cookies.extract_cookies(response, Request(url))  # noqa: S310  # asks nobody

    def header(self, url: str) -> str | None:
        """Return the value of the Cookie header for a URL; None without cookies for it."""
        request = Request(url)  # noqa: S310  # asks nobody
        self._session.cookies.add_cookie_header(request)
        return request.get_header("Cookie")
