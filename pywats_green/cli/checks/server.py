"""Checks of the user's own server; about ten requests, which only read."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from pywats.core.routes import Routes

from pywats_green.cli.checks import connection
from pywats_green.cli.checks.row import Row
from pywats_green.cli.checks.versions import installed
from pywats_green.cli.clients import configured_server, new_client, require_green
from pywats_green.cli.errors import redact
from pywats_green.config import BASE_URL, TOKEN, environment
from pywats_green.transport.proxies import environment_proxies
from pywats_green.upstream.client.limits import limit_statistics
from pywats_green.upstream.features.pool import get_many
from pywats_green.upstream.hooks.versions import DISTRIBUTION, STABLE, releases_for

REACHED = "server-reached"

_CALLS = 5
_FORBIDDEN, _UNAUTHORIZED = 403, 401
_SKEW = 30.0  # seconds by which clocks may differ
_VERSION = re.compile(r"\d[\w.+-]{0,39}", re.ASCII)  # what else comes is a page of something else


def checks() -> tuple[Callable[[], Iterable[Row]], ...]:
    """Return the checks of the server that the environment names.

    Raises:
        CommandError: It names none, or green is switched off.
    """
    require_green()
    url, token = configured_server(environment())
    return (lambda: _all(url, token),)


def _all(url: str, token: str) -> Iterator[Row]:
    parts = urlsplit(url)
    if environment_proxies(f"{parts.scheme}://{parts.netloc}"):
        yield Row(REACHED, "ok", "asked through the proxy that the environment names")
    else:
        rows = list(_connection(url))
        yield from rows
        if any(row.status == "fail" for row in rows):
            return
    with new_client(url, token) as api:
        yield from _answers(api)


def _connection(url: str) -> Iterator[Row]:
    parts = urlsplit(url)
    host, is_tls = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        sock, finding = connection.opened(host, port)
    except OSError as exc:
        yield Row(REACHED, "fail", redact(exc), f"check {BASE_URL}, the network and the firewall")
        return
    with sock:
        yield Row(REACHED, "ok", finding)
        if is_tls:
            yield connection.tls(sock, host)
        else:
            yield Row("server-tls", "warn", "none: the token travels in clear text", "use https")


def _answers(api: Any) -> Iterator[Row]:
    sent = time.time()
    (version,) = get_many(api, [Routes.App.VERSION])
    received = time.time()
    if isinstance(version, BaseException):
        yield Row(REACHED, "fail", redact(version), f"check {BASE_URL} and the proxy")
        return
    yield _clock(version.headers, sent, received)
    (listed,) = get_many(api, [Routes.App.PROCESSES])
    yield _token(version, listed)
    told = version.data
    if version.is_success and isinstance(told, str) and _VERSION.fullmatch(told):
        yield _version(told)
    yield _call_time(api)
    yield _limit(version.headers)


def _clock(headers: dict[str, str], sent: float, received: float) -> Row:
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return Row("server-clock", "ok", "not known: the answer has no date")
    # The header has whole seconds, so on average it is half a second behind.
    ours = datetime.fromtimestamp((sent + received) / 2 - 0.5, timezone.utc)
    seconds = (theirs.replace(tzinfo=theirs.tzinfo or timezone.utc) - ours).total_seconds()
    if abs(seconds) <= _SKEW:
        finding = f"differs by about {abs(seconds):.0f} s from this machine's"
        return Row("server-clock", "ok", finding)
    side = "ahead of" if seconds > 0 else "behind"
    return Row(
        "server-clock", "warn", f"{abs(seconds):,.0f} s {side} this machine's",
        "synchronise the clocks: reports carry this machine's time",
    )  # fmt: skip


def _token(version: Any, listed: Any) -> Row:
    statuses = {getattr(answer, "status_code", None) for answer in (version, listed)}
    if _UNAUTHORIZED in statuses:
        return Row("server-token", "fail", "refused (HTTP 401)", f"make a new one, and set {TOKEN}")
    if isinstance(listed, BaseException):
        return Row("server-token", "warn", f"not known: {redact(listed)}", "try again")
    if _FORBIDDEN in statuses:
        return Row(
            "server-token", "warn", "valid, but it may not read the processes (HTTP 403)",
            "check the permissions of the token",
        )  # fmt: skip
    if listed.is_success and isinstance(listed.data, list):
        return Row("server-token", "ok", "valid: it may read")
    return Row(
        "server-token", "fail", f"what answers is not WATS (HTTP {listed.status_code})",
        f"check {BASE_URL} and the proxy",
    )  # fmt: skip


def _version(server: str) -> Row:
    used = installed(DISTRIBUTION) or ""
    fitting = releases_for(server)
    if fitting is None:
        return Row("server-version", "ok", f"WATS {server}")
    if not fitting:
        return Row(
            "server-version", "warn", f"WATS {server}; no pywats-api is known to fit it",
            "ask for an update of the server",
        )  # fmt: skip
    finding = f"WATS {server}, for pywats-api {' or '.join(fitting)}; {used} is installed"
    if any(used.startswith(f"{line}.") for line in fitting):
        return Row("server-version", "ok", finding)
    return Row("server-version", "warn", finding, f"pip install '{DISTRIBUTION}=={STABLE}'")


def _call_time(api: Any) -> Row:
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        (answer,) = get_many(api, [Routes.App.VERSION])
        if isinstance(answer, BaseException):
            return Row("server-call", "warn", f"a call failed: {redact(answer)}", "try again")
        taken.append(time.perf_counter() - started)
    middle, longest = statistics.median(taken) * 1000, max(taken) * 1000
    return Row(
        "server-call",
        "ok",
        f"a call takes {middle:.0f} ms; the longest of {_CALLS}: {longest:.0f} ms",
    )


def _limit(headers: dict[str, str]) -> Row:
    found = []
    for state in limit_statistics():
        left = state["limit"] - state["used"]
        found.append(f"{left} of {state['limit']} requests in {state['seconds']:g} s are left here")
    found += [
        f"the server says {name}: {redact(value)}"
        for name, value in headers.items()
        if name.lower().startswith(("ratelimit", "x-ratelimit"))
    ]
    if not found:
        return Row("server-limit", "ok", "pywats' limiter is off, and the server tells no limit")
    return Row("server-limit", "ok", f"{'; '.join(found)} (other programs are not counted)")
