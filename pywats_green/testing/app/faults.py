"""Faults that a test plants on routes: wrong statuses, cut bodies, dead connections."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pywats_green.testing.app.messages import HTML_TYPE, Headers, Reply, message_reply

MODES = frozenset(
    {"status", "reset", "close", "cut", "hang", "html", "close_after", "redirect", "delay"}
)
UNPROCESSED = frozenset({"reset", "close", "hang"})
"""Modes in which the request never reaches its handler, so the state does not change."""

HTML_BODY = b"<!DOCTYPE html><html><head><title>WATS</title></head><body>Sign in</body></html>"


@dataclass
class Fault:
    """A planted fault.

    Attributes:
        route: A template (matched exactly) or a prefix of "METHOD /path"; "*" is every route.
        mode: One of `MODES`.
        status: Status for the modes "status" and "redirect".
        times: How often it will still strike. None: no limit.
        retry_after: Seconds for a Retry-After header. None: no such header.
        delay: Seconds added to the server's latency.
        location: Target of "redirect".
    """

    route: str
    mode: str = "status"
    status: int = 503
    times: int | None = 1
    retry_after: float | None = None
    delay: float = 0.0
    location: str | None = None

    def reply(self) -> Reply | None:
        """Return the reply to send instead of the handler's, or None to call the handler."""
        extra: list[tuple[str, str]] = []
        if self.retry_after is not None:
            extra.append(("Retry-After", f"{self.retry_after:g}"))
        if self.mode == "status":
            text = "The request failed because a test planted a fault."
            return message_reply(self.status, text, tuple(extra))
        if self.mode == "html":
            return Reply(HTML_BODY, 200, HTML_TYPE)
        if self.mode == "redirect":
            extra.append(("Location", self.location or "/"))
            headers: Headers = tuple(extra)
            return Reply(b"", self.status, HTML_TYPE, headers)
        return None


def _may_fit(route: str, template: str) -> bool:
    """Whether a request of a template, or the template itself, can begin with a route as given."""
    method, _, wanted = route.rstrip("*").lower().rpartition(" ")
    its_method, _, path = template.lower().partition(" ")
    if method not in ("", its_method):
        return False
    *whole, last = wanted.split("/")
    segments = path.split("/")
    if len(whole) >= len(segments):
        return False
    ends = [(given, True) for given in whole] + [(last, False)]
    return all(
        _may_begin(given, segment, is_whole)
        for (given, is_whole), segment in zip(ends, segments, strict=False)
    )


def _may_begin(given: str, segment: str, is_whole: bool) -> bool:
    literal, brace, _ = segment.partition("{")
    if brace and "{" not in given:  # a value of the parameter
        return given.startswith(literal) or (not is_whole and literal.startswith(given))
    return given == segment if is_whole else segment.startswith(given)


class FaultPlan:
    """The planted faults, in order."""

    def __init__(self, templates: set[str]) -> None:
        self._templates = templates
        self._faults: list[Fault] = []
        self.struck = 0

    def plant(self, options: dict[str, Any]) -> None:
        """Add a fault.

        Raises:
            ValueError: The mode is unknown, or no route fits.
        """
        fault = Fault(**options)
        if fault.mode not in MODES:
            raise ValueError(f"unknown fault mode: {fault.mode}")
        route = fault.route
        if route != "*" and not any(_may_fit(route, each) for each in self._templates):
            near = get_close_matches(route, sorted(self._templates), n=5, cutoff=0.4)
            advice = f"; near it are {', '.join(map(repr, near))}" if near else ""
            raise ValueError(
                f"no request can fit the route {route!r}: give a template, a prefix such as "
                f"'GET /api/Product', or '*'{advice}"
            )
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()
        self.struck = 0

    def strike(self, method: str, path: str, template: str | None) -> Fault | None:
        """Return the first fault that matches a request, using it up once, or None."""
        if not self._faults:
            return None
        for fault in self._faults:
            if self._fits(fault.route, method, path, template):
                self.struck += 1
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def _fits(self, route: str, method: str, path: str, template: str | None) -> bool:
        if route == "*":
            return True
        if route in self._templates:
            return route == template
        prefix = route.rstrip("*").lower()
        if " " not in prefix:
            return path.lower().startswith(prefix)
        if f"{method} {path}".lower().startswith(prefix):
            return True
        return template is not None and template.lower().startswith(prefix)
