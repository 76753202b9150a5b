"""Request targets, byte for byte as httpx (which upstream stands on) writes them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

import httpx

# Paths that httpx sends as they are: unreserved characters, no empty and no dot segment.
_PLAIN_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+")
_LONG = 8_192  # characters; httpx refuses very long parts, so it is asked about long ones


class Origin:
    """Where a client's requests go.

    Args:
        base_url: Scheme, host, and optionally port, path prefix and user info.

    Attributes:
        root: Scheme and authority, without user info.
        headers: What the user info asks to be sent: as with httpx, in place of the token.

    Raises:
        ValueError: The URL has no http or https scheme, or no host.
        httpx.InvalidURL: It is no URL.
    """

    def __init__(self, base_url: str) -> None:
        url = httpx.URL(base_url)
        if url.scheme not in ("http", "https") or not url.host:
            # The text is httpx's, and what to do about it.
            raise ValueError(
                "Request URL is missing an 'http://' or 'https://' protocol. "
                "Write the base URL as https://your-wats-server"
            )
        self._url = url
        self._prefix = url.raw_path.decode("ascii").removesuffix("/")
        self.root = f"{url.scheme}://{url.netloc.decode('ascii')}"
        self.headers = _authorization(url)

    def target(self, endpoint: str, params: Mapping[str, Any] | None) -> str:
        """Return path and query for an endpoint.

        Args:
            endpoint: Path, starting with a slash; not escaped; may hold a query of its own.
            params: Query parameters. None: keep the endpoint's own query. Anything else, also
                an empty mapping, replaces it.

        Returns:
            The request target in origin form.

        Raises:
            httpx.InvalidURL: The endpoint cannot be written as a URL.
        """
        if _PLAIN_PATH.fullmatch(endpoint) and "?" not in self._prefix:
            target = self._prefix + endpoint
            if params:
                target = f"{target}?{urlencode(list(_pairs(params)))}"
            if len(target) < _LONG:
                return target
        return self._target_by_httpx(endpoint, params)

    def _target_by_httpx(self, endpoint: str, params: Mapping[str, Any] | None) -> str:
        relative = httpx.URL(endpoint).raw_path.lstrip(b"/")
        url = self._url.copy_with(raw_path=self._prefix.encode("ascii") + b"/" + relative)
        if params is not None:
            url = httpx.URL(url, params=dict(params))
        return url.raw_path.decode("ascii")


def _authorization(url: httpx.URL) -> dict[str, str]:
    user, _, password = url.userinfo.decode("ascii").partition(":")
    if not user and not password:
        return {}
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _pairs(params: Mapping[str, Any]) -> Any:
    for name, value in params.items():
        if isinstance(value, (list, tuple)):
            for item in value:
                yield str(name), _text(item)
        else:
            yield str(name), _text(value)


def _text(value: object) -> str:
    """Write a query value as httpx does: JSON's true and false, nothing for None."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "" if value is None else str(value)
