"""A recorded call, as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from pywats_green.profiler.callers import Place, line_of


class Caller(NamedTuple):
    """A place in the user's code, written "file:line".

    Attributes:
        file: As Python knows the file.
        line: Counted from 1; 0: unknown.
        function: Its name; "<module>" outside of functions.
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
        params: Query parameters; those that are None are not sent, and not here.
        server: The server's base URL without user info.
        caller: The innermost place outside pywats, this package, gevent and the standard
            library's threads; in a greenlet of a Pool without such a place, that of the Pool call;
            None where neither is known.
        service: The method of pywats that was called, such as "api.product.get_product"; None for
            a call of the HTTP client itself.
        started: Seconds from the beginning of the profile.
        elapsed: Seconds from begin to end, all waits included.
        attempts: Requests that it sent. 0: the cache, another call or a batch answered, or
            nothing could be sent.
        cache: "hit", "miss", "coalesced" (another call's request answered) or "stale"; None: the
            cache was not asked.
        is_batched: Whether a query answered that was sent for several calls.
        status: HTTP status of the answer; None: there is none.
        error: Name of the type of what it raised; None: it raised nothing.
        through_pool: Whether a `pywats_green.Pool` made it.
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
        """Seconds from the beginning of the profile."""
        return self.started + self.elapsed

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """The same for calls that ask the same of the same server."""
        params = sorted((name, repr(value)) for name, value in self.params.items())
        return self.server, self.method, self.endpoint, repr(params)

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.method} {self.endpoint}{'?' if query else ''}{query}"


def caller_at(place: Place | None) -> Caller | None:
    """Return a place as people read it."""
    if place is None:
        return None
    code, _ = place
    return Caller(code.co_filename, line_of(place), code.co_name)
