"""Routes a method and path to the handler of a route template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from pywats_green.testing.app.messages import Request, encode_json
from pywats_green.testing.app.state import State

Handler = Callable[[State, Request], Any]
"""Returns a Reply, a Row, encoded JSON as bytes, any JSON value, or None for 204 No Content."""

RouteTable = Mapping[str, Any]
"""`"GET /api/Product/{partNumber}"` -> a Handler, or JSON for a constant response."""

MATCHES_KEPT = 10_000


class Route(NamedTuple):
    """A row of a domain's table, and the names of its path parameters."""

    template: str
    handler: Handler
    names: list[str]


class Match(NamedTuple):
    """The result of matching a path.

    Attributes:
        route: The route, or None.
        params: Its decoded path parameters; shared by all requests for the path.
        known: Whether the path exists, possibly with another method (405 rather than 404).
    """

    route: Route | None
    params: Mapping[str, str]
    known: bool


Shape = tuple[tuple[int, str], ...]
"""Where a path has parameters: the segment numbers, and the literal prefix in each segment."""


class Router:
    """Matches paths as ASP.NET does: case-insensitive, literals before parameters.

    Args:
        tables: The routes of the domains.

    Raises:
        ValueError: A template occurs twice.
    """

    def __init__(self, tables: Iterable[RouteTable]) -> None:
        self.templates: set[str] = set()
        self._routes: dict[tuple[Any, ...], dict[str, Route]] = {}
        shapes: dict[int, dict[Shape, list[int]]] = {}
        for template, answer in [row for table in tables for row in table.items()]:
            if template in self.templates:
                raise ValueError(f"route given twice: {template}")
            self.templates.add(template)
            method, _, path = template.partition(" ")
            segments = [segment.partition("{") for segment in path.lower().split("/")[1:]]
            key = [(at, text) if brace else text for at, (text, brace, _) in enumerate(segments)]
            shape = tuple(part for part in key if not isinstance(part, str))
            names = [name.partition("}")[0] for name in path.split("{")[1:]]
            route = Route(template, _handler(answer), names)
            self._routes.setdefault(tuple(key), {})[method] = route
            # Literals take precedence over parameters with a prefix, and those over plain ones.
            order = [0 if not brace else 1 if text else 2 for text, brace, _ in segments]
            shapes.setdefault(len(segments), {})[shape] = order
        self._shapes = {
            size: sorted(found, key=found.__getitem__) for size, found in shapes.items()
        }
        # Tests repeat their paths.
        self._cached = lru_cache(MATCHES_KEPT)(self._match)

    def match(self, method: str, path: str) -> Match:
        """Find the route of a path."""
        return self._cached(method, path)

    def _match(self, method: str, path: str) -> Match:
        segments = path.removesuffix("/").split("/")[1:]
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        lowered = [segment.lower() for segment in segments]
        known = False
        for shape in self._shapes.get(len(segments), ()):
            if not all(segments[at] and lowered[at].startswith(text) for at, text in shape):
                continue
            key: list[Any] = lowered.copy()
            for at, text in shape:
                key[at] = (at, text)
            routes = self._routes.get(tuple(key), {})
            known = known or bool(routes)
            if method in routes:
                route = routes[method]
                values = [segments[at][len(text) :] for at, text in shape]
                return Match(route, dict(zip(route.names, values, strict=True)), True)
        return Match(None, {}, known)


def _handler(answer: Any) -> Handler:
    if callable(answer):
        return answer  # type: ignore[no-any-return]
    body = encode_json(answer)

    def canned(_: State, request: Request) -> bytes:
        if request.body or request.method == "PUT":
            request.json_object()
        return body

    return canned
