"""Redirects by httpx's rules, which upstream's client follows."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

MAX_REDIRECTS = 20

_STATUSES = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = frozenset({302, 303})  # asked for with GET, whatever it was
_BECOME_GET = {301: ("POST",)}  # as browsers do


class Step(NamedTuple):
    """One request of a chain of redirects.

    Attributes:
        method: HTTP method.
        root: Scheme and authority, such as `https://wats.example:8080`.
        target: Path and query.
        headers: To send.
        body: To send, or None.
    """

    method: str
    root: str
    target: str
    headers: dict[str, str]
    body: bytes | None


def next_step(step: Step, status: int, headers: dict[str, str]) -> Step | None:
    """Return the request that a redirect asks for.

    Args:
        step: The request that was answered.
        status: The answer's status code.
        headers: The answer's headers, by lower-case name.

    Returns:
        The next request; None when the answer is no redirect.
    """
    if status not in _STATUSES or "location" not in headers:
        return None
    url = urlsplit(urljoin(step.root + step.target, headers["location"]))
    root = f"{url.scheme}://{url.netloc}"
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    method, body, kept = step.method, step.body, dict(step.headers)
    if method in _BECOME_GET.get(status, ()) or (status in _SEE_OTHER and method != "HEAD"):
        method, body = "GET", None
    if not _may_keep_token(step.root, root):
        kept.pop("Authorization", None)
    return Step(method, root, target, kept, body)


def _may_keep_token(old: str, new: str) -> bool:
    """Only the same origin, or the same host moved from http to https, may see the token."""
    if old == new:
        return True
    before, after = urlsplit(old), urlsplit(new)
    default = {"http": 80, "https": 443}
    ports = tuple(part.port or default.get(part.scheme) for part in (before, after))
    if before.hostname != after.hostname:
        return False
    if before.scheme == after.scheme:
        return ports[0] == ports[1]
    return (before.scheme, after.scheme) == ("http", "https") and ports == (80, 443)
