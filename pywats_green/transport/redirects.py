"""Redirects by httpx's rules, which upstream's client follows."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from pywats_green.exceptions import TransportError
from pywats_green.transport.writing import Body, root_of

MAX_REDIRECTS = 20

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = frozenset({302, 303})  # change the method to GET
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Step(NamedTuple):
    """One request in a chain of redirects.

    Attributes:
        method: HTTP method.
        root: Scheme and authority, such as `https://wats.example:8080`.
        target: Path and query.
        headers: Headers to send.
        body: Body to send; a list is sent in chunks.
        is_trusted: Whether every step so far may see the token.
        is_first: Whether it is the caller's own request.
    """

    method: str
    root: str
    target: str
    headers: dict[str, str]
    body: Body
    is_trusted: bool = True
    is_first: bool = True

    def __repr__(self) -> str:
        return f"Step({self.method} {self.root})"  # the headers contain the token


def next_step(step: Step, status: int, headers: dict[str, str]) -> Step | None:
    """Return the request that follows a redirect.

    Args:
        step: The request that was answered.
        status: Status code of the response.
        headers: Headers of the response, by lower-case name.

    Returns:
        The next request. None: the response is not a redirect.

    Raises:
        TransportError: Its location is not an http or https URL.
    """
    if status not in REDIRECTS or "location" not in headers:
        return None
    here = httpx.URL(step.root + step.target)
    there = _destination(here, headers["location"])
    method, body = step.method, step.body
    if (status in _SEE_OTHER and method != "HEAD") or (status, method) == (301, "POST"):
        method = "GET"
    is_trusted = step.is_trusted and _may_keep_token(here, there)
    dropped = {"cookie"} if is_trusted else {"cookie", "authorization"}
    if method != step.method:
        body = None
        dropped |= {"content-length", "transfer-encoding"}
    root = root_of(there)
    if root != step.root:
        dropped.add("host")
    kept = {name: value for name, value in step.headers.items() if name.lower() not in dropped}
    return Step(method, root, there.raw_path.decode("ascii"), kept, body, is_trusted, False)


def _destination(here: httpx.URL, location: str) -> httpx.URL:
    try:
        there = httpx.URL(location)
    except httpx.InvalidURL as exc:
        raise TransportError(f"Invalid URL in location header: {exc}.") from None
    try:
        if there.scheme and not there.host:
            there = there.copy_with(host=here.host)
        return here.join(there) if there.is_relative_url else there
    except httpx.InvalidURL as exc:
        raise TransportError(str(exc)) from None


def _may_keep_token(old: httpx.URL, new: httpx.URL) -> bool:
    """Return whether to keep the token: only for the same origin, or an upgrade to https."""
    if old.host != new.host:
        return False
    ports = tuple(url.port or _DEFAULT_PORTS.get(url.scheme) for url in (old, new))
    if old.scheme == new.scheme:
        return ports[0] == ports[1]
    return (old.scheme, new.scheme) == ("http", "https") and ports == (80, 443)
