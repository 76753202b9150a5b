"""The client that the commands use."""

from __future__ import annotations

from typing import Any

from pywats import pyWATS

from pywats_green.cli.errors import WRONG_USE, CommandError
from pywats_green.upstream.hooks.seams import is_installed


def require_green() -> None:
    """Refuse to run while green is switched off.

    Raises:
        CommandError: It is.
    """
    if not is_installed():
        raise CommandError("PYWATS_GREEN_DISABLE switches pywats_green off: unset it", WRONG_USE)


def new_client(base_url: str, token: str) -> Any:
    """Make a client without a cache, so that each call is a request.

    Args:
        base_url: Base URL of the server.
        token: The API token.

    Returns:
        A `pyWATS`; typed as `Any`, because pywats' type stubs lack some arguments and methods.
    """
    make: Any = pyWATS
    return make(base_url=base_url, token=token, enable_cache=False)
