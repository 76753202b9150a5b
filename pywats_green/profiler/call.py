"""A recorded call in readable form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from pywats_green.profiler.callers import Place, line_of


class Caller(NamedTuple):
    """A place in the user's code; its str is "file:line".

    Attributes:
        file: File name, as in tracebacks.
        line: Line number, from 1. 0: unknown.
        function: Name of the function; "<module>" at module level.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Call:
    """One call of a green client.

    Attributes:
        method: HTTP method.
        route: Route template, such as "/api/Product/{part_number}".
        endpoint: The path.
        params: Query parameters, without those that are None, which are not sent.
        server: The server's base URL without user info.
        caller: The innermost frame outside pywats, this package, gevent and the standard library's
            threads; in a Pool greenlet without one, the place of the Pool call. None: unknown.
        service: The pywats method called, such as "api.product.get_product". None: the HTTP client
            itself was called.
        started: Seconds since the start of the profile.
        elapsed: Duration in seconds, including all waits.
        attempts: Requests sent. 0: answered by the cache, another call or a batch, or nothing
            could be sent.
        cache: "hit", "miss", "coalesced" (answered by another call's request) or "stale". None:
            the cache was not used.
        is_batched: Whether it was answered by a query for several calls.
        status: HTTP status. None: there was no response.
        error: Type name of the exception raised. None: there was none.
        through_pool: Whether it was made by a `pywats_green.Pool`.
        in_batching: Whether it was made inside `pywats_green.batching()`.
        waited: Of `elapsed`, the seconds that it waited to be sent: for the rate limit, or while
            its server was left alone.
    """

    method: str
    route: str
    endpoint: str
    params: dict[str, Any]
    server: str
    caller: Caller | None
    service: str | None
    started: float
    elapsed: float
    attempts: int
    cache: str | None
    is_batched: bool
    status: int | None
    error: str | None
    through_pool: bool
    in_batching: bool
    waited: float = 0.0

    @property
    def ended(self) -> float:
        """Seconds since the start of the profile."""
        return self.started + self.elapsed

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Equal for identical requests to the same server."""
        params = sorted((name, repr(value)) for name, value in self.params.items())
        return self.server, self.method, self.endpoint, repr(params)

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.method} {self.endpoint}{'?' if query else ''}{query}"


def caller_at(place: Place | None) -> Caller | None:
    """Return a place in readable form."""
    if place is None:
        return None
    code, _ = place
    return Caller(code.co_filename, line_of(place), code.co_name)
