"""From a method and a path to the handler of a route template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from pywats_green.testing.app.messages import Request
    from pywats_green.testing.app.state import State

Handler = Callable[["State", "Request"], Any]
"""Returns a Reply, encoded JSON as bytes, any JSON value, or None for 204 No Content."""

RouteTable = Mapping[str, Handler]
"""`"GET /api/Product/{partNumber}"` -> handler."""


@dataclass(frozen=True)
class Route:
    """One row of a domain's table, and the names of its path parameters."""

    template: str
    handler: Handler
    names: tuple[str, ...]


@dataclass
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    prefixed: list[tuple[str, _Node]] = field(default_factory=list)
    parameter: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Matches paths as ASP.NET does: literals before parameters, without case."""

    def __init__(self) -> None:
        self._root = _Node()
        self.templates: set[str] = set()

    def add(self, table: RouteTable) -> None:
        """Add a domain's routes.

        Raises:
            ValueError: A template stands twice.
        """
        for template, handler in table.items():
            if template in self.templates:
                raise ValueError(f"route given twice: {template}")
            self.templates.add(template)
            method, _, path = template.partition(" ")
            node = self._root
            names: list[str] = []
            for segment in path.strip("/").split("/"):
                node = _descend(node, segment, names)
            node.routes[method] = Route(template, handler, tuple(names))

    def match(self, method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
        """Find the route of a path.

        Returns:
            The route or None, its decoded path parameters, and whether the path is known under
            another method (405 rather than 404).
        """
        segments = path.split("/")[1:]
        if segments and not segments[-1]:
            segments.pop()
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        values: list[str] = []
        known: list[bool] = []
        route = _match(self._root, method, segments, 0, values, known)
        if route is None:
            return None, {}, bool(known)
        return route, dict(zip(route.names, values, strict=True)), True


def _descend(node: _Node, segment: str, names: list[str]) -> _Node:
    prefix, brace, rest = segment.partition("{")
    if not brace:
        return node.literals.setdefault(segment.lower(), _Node())
    names.append(rest.rstrip("}"))
    if not prefix:
        if node.parameter is None:
            node.parameter = _Node()
        return node.parameter
    for known, child in node.prefixed:
        if known == prefix.lower():
            return child
    child = _Node()
    node.prefixed.append((prefix.lower(), child))
    return child


def _match(
    node: _Node,
    method: str,
    segments: list[str],
    at: int,
    values: list[str],
    known: list[bool],
) -> Route | None:
    if at == len(segments):
        route = node.routes.get(method)
        if route is None and node.routes:
            known.append(True)
        return route
    segment = segments[at]
    lowered = segment.lower()
    child = node.literals.get(lowered)
    if child is not None:
        route = _match(child, method, segments, at + 1, values, known)
        if route is not None:
            return route
    mark = len(values)
    for prefix, branch in node.prefixed:
        if lowered.startswith(prefix):
            values.append(segment[len(prefix) :])
            route = _match(branch, method, segments, at + 1, values, known)
            if route is not None:
                return route
            del values[mark:]
    if node.parameter is not None and segment:
        values.append(segment)
        route = _match(node.parameter, method, segments, at + 1, values, known)
        if route is not None:
            return route
        del values[mark:]
    return None
