"""Request targets, byte for byte as httpx (which upstream stands on) writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

# Paths that httpx sends as they are: unreserved characters, no empty and no dot segment.
_PLAIN_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+")


class Origin:
    """Where a client's requests go.

    Args:
        base_url: Scheme, host, and optionally port and path prefix.

    Raises:
        ValueError: The URL has no http or https scheme, or no host.
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
        self.prefix = url.raw_path.decode("ascii").rstrip("/")
        self.root = f"{url.scheme}://{url.netloc.decode('ascii')}"

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
        if not _PLAIN_PATH.fullmatch(endpoint):
            return self._target_by_httpx(endpoint, params)
        if not params:
            return self.prefix + endpoint
        return f"{self.prefix}{endpoint}?{urlencode(list(_pairs(params)))}"

    def _target_by_httpx(self, endpoint: str, params: Mapping[str, Any] | None) -> str:
        relative = httpx.URL(endpoint).raw_path.lstrip(b"/")
        url = self._url.copy_with(raw_path=self.prefix.encode("ascii") + b"/" + relative)
        if params is not None:
            url = httpx.URL(url, params=dict(params))
        return url.raw_path.decode("ascii")


def _pairs(params: Mapping[str, Any]) -> Any:
    for name, value in params.items():
        if isinstance(value, (list, tuple)):
            for item in value:
                yield name, _text(item)
        else:
            yield name, _text(value)


def _text(value: object) -> str:
    """Write a query value as httpx does: JSON's true and false, nothing for None."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "" if value is None else str(value)
