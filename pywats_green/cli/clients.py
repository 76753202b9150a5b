"""The server and the client that the commands use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pywats import pyWATS
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError

from pywats_green.causes import causes
from pywats_green.cli.errors import (
    FAILED,
    NOT_CONFIGURED,
    UNAVAILABLE,
    CommandError,
)
from pywats_green.config import BASE_URL, TOKEN
from pywats_green.upstream.hooks.seams import is_installed


def require_green() -> None:
    """Refuse to run while green is switched off.

    Raises:
        CommandError: It is.
    """
    if not is_installed():
        raise CommandError(
            "PYWATS_GREEN_DISABLE switches pywats_green off: unset it", NOT_CONFIGURED
        )


def configured_server(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return base URL and token of the user's server.

    Raises:
        CommandError: One of them is missing, or the URL is none.
    """
    url, token = (environ.get(name, "").strip() for name in (BASE_URL, TOKEN))
    missing = [name for name, value in ((BASE_URL, url), (TOKEN, token)) if not value]
    if missing:
        raise CommandError(
            f"not configured: set {' and '.join(missing)} in the environment", NOT_CONFIGURED
        )
    if not _is_url(url):
        raise CommandError(
            f"{BASE_URL} is not a URL: set it to https://your-company.wats.com", NOT_CONFIGURED
        )
    return url, token


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is none
        return False


@contextmanager
def answering() -> Iterator[None]:
    """Make one line of what a call in the block raises.

    Raises:
        CommandError: The server did not answer, or a call failed.
    """
    try:
        yield
    except Exception as exc:
        unanswered = (WatsConnectionError, WatsTimeoutError)
        is_away = any(isinstance(found, unanswered) for found in causes(exc))
        reason = str(getattr(exc, "message", exc)).rstrip(".")
        raise CommandError(
            f"cannot read from the server: {reason}. Check its address and the token",
            UNAVAILABLE if is_away else FAILED,
        ) from exc


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
