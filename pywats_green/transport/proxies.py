"""The proxy of an origin, chosen from the environment by httpx's rules, and its credentials."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple
from urllib.request import getproxies

import httpx

from pywats_green.exceptions import TransportSetupError
from pywats_green.redaction import Secret
from pywats_green.transport.writing import LAST_PORT

_SCHEMES = ("http", "https", "all")


class Proxy(str):
    """The URL of a proxy without user info, which is all that requests and urllib3 see.

    Attributes:
        headers: Headers for the proxy alone: its credentials, if it has any.
    """

    __slots__ = ("headers",)

    headers: dict[str, str]


def proxy_of(url: str) -> Proxy:
    """Return the proxy that a URL names; without a scheme, it is an http one.

    Raises:
        TransportSetupError: It cannot be used. The message shows no part of the URL.
    """
    if isinstance(url, Proxy):
        return url
    proxy, fault = _parsed(url)
    if proxy is None:
        raise TransportSetupError(
            f"the proxy set on the session or in the environment cannot be used: {fault}. "
            "Write it as http://host:port"
        )
    return proxy


def _parsed(text: str) -> tuple[Proxy | None, str]:
    """Return the proxy, or what is wrong with its URL."""
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except (httpx.InvalidURL, UnicodeError):  # its message may show a part of the password
        return None, "it is malformed"
    if url.scheme.startswith("socks"):
        return None, "SOCKS proxies are not supported: use an HTTP proxy"
    if url.scheme not in ("http", "https"):
        return None, "it is neither http nor https"
    if not url.host or "%5B" in url.host:  # half an IPv6 address
        return None, "it names no host"
    if url.port is not None and not 0 < url.port <= LAST_PORT:
        return None, f"its port must be 1-{LAST_PORT}"
    proxy = Proxy(f"{url.scheme}://{url.netloc.decode('ascii')}")
    proxy.headers = {}
    if url.username or url.password:
        pair = f"{url.username}:{url.password}".encode()
        proxy.headers = {"Proxy-Authorization": Secret(f"Basic {b64encode(pair).decode('ascii')}")}
    return proxy, ""


class _Pattern(NamedTuple):
    """Which origins an entry applies to, as `httpx._utils.URLPattern`.

    Attributes:
        scheme: Its scheme. "": any.
        host: Its host, where "*example.com" includes subdomains, and "*.example.com" is only these.
            "": any.
        port: Its port. None: any.
    """

    scheme: str
    host: str
    port: int | None

    @property
    def priority(self) -> tuple[bool, int, int]:
        """Sorts the most specific one first."""
        return self.port is None, -len(self.host), -len(self.scheme)

    def matches(self, url: httpx.URL) -> bool:
        """Return whether it applies to an origin; the default port of a scheme counts as none."""
        if self.scheme not in ("", url.scheme) or self.port not in (None, url.port):
            return False
        if self.host.startswith("*."):
            return len(url.host) >= len(self.host) and url.host.endswith(self.host[1:])
        if self.host.startswith("*"):
            return f".{url.host}".endswith(f".{self.host[1:]}")
        return self.host in ("", url.host)


def environment_proxies(root: str) -> dict[str, str]:
    """Return the proxy that the environment sets for an origin.

    As httpx, it reads HTTP_PROXY, HTTPS_PROXY and ALL_PROXY in either case, else the system's
    settings on Windows and macOS. NO_PROXY lists `*`, hosts (with their subdomains), `.domain`
    (only those), addresses, each with or without a port, and URLs such as `https://host:port` or
    `all://host`.

    Args:
        root: Scheme and authority of the origin.

    Returns:
        Its URL, by the scheme that it is set for. Empty: there is none.

    Raises:
        TransportSetupError: An entry of NO_PROXY cannot be read.
    """
    given = {name: Secret(value) for name, value in getproxies().items()}
    rules = {f"{name}://": name for name in _SCHEMES if given.get(name)}
    entries = [entry.strip() for entry in given.get("no", "").split(",")]
    if not rules or "*" in entries:
        return {}
    rules.update({_url_of(entry): "" for entry in entries if entry})
    patterns = [(_pattern_of(text), name) for text, name in rules.items()]
    patterns.sort(key=lambda rule: rule[0].priority)  # of equal ones, the proxy's comes first
    origin = httpx.URL(root)
    found = next((name for pattern, name in patterns if pattern.matches(origin)), "")
    return {found: given[found]} if found else {}


_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?:/.*)?")
_IPV6 = re.compile(r"(?=.*:.*:)[0-9a-fA-F:.]+")


def _url_of(entry: str) -> str:
    """Return an entry of NO_PROXY as a URL, in which a "*" includes subdomains."""
    if "://" in entry:
        return entry
    if _IPV4.fullmatch(entry) or entry.lower() == "localhost":
        return f"all://{entry}"
    return f"all://[{entry}]" if _IPV6.fullmatch(entry) else f"all://*{entry}"


def _pattern_of(text: str) -> _Pattern:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        entry = text.removeprefix("all://").removeprefix("*")
        raise TransportSetupError(
            f"NO_PROXY has an entry that is no host, host:port or URL: {entry!r}"
        ) from None
    scheme = "" if url.scheme == "all" else url.scheme
    return _Pattern(scheme, "" if url.host == "*" else url.host, url.port)
