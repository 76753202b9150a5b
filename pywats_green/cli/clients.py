"""The client that the commands measure with."""

from __future__ import annotations

from typing import Any

from pywats import pyWATS


def new_client(base_url: str, token: str) -> Any:
    """Make a client without cache, so that each call is a request.

    Args:
        base_url: Of the server.
        token: The API token.

    Returns:
        A `pyWATS`; `Any`, because the type stubs that pywats ships lack arguments and methods
        that it has.
    """
    make: Any = pyWATS
    return make(base_url=base_url, token=token, enable_cache=False)
