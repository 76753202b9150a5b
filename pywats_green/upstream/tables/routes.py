"""Route templates, derived from upstream's `Routes`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pywats.core.routes import Routes

from pywats_green.upstream.tables.paths import segments_of


class _Node:
    """A trie of the templates, by path segment."""

    __slots__ = ("any_segment", "segments", "template")

    def __init__(self) -> None:
        self.segments: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        self.template: str | None = None


def _templates(holder: Any) -> Iterator[str]:
    """Yield the paths of a class and its nested classes; functions get `{parameter}` names."""
    for name, value in vars(holder).items():
        if name.startswith("_"):
            continue
        if inspect.isclass(value):
            yield from _templates(value)
        elif isinstance(value, staticmethod):
            parameters = inspect.signature(value.__func__).parameters
            yield value.__func__(*(f"{{{parameter}}}" for parameter in parameters))
        else:
            yield value


@lru_cache(maxsize=1)  # built on first use
def _templates_by_segment() -> _Node:
    root = _Node()
    for template in sorted(set(_templates(Routes))):
        node = root
        for segment in template.strip("/").split("/"):
            if "{" in segment:
                node.any_segment = node = node.any_segment or _Node()
            else:
                node = node.segments.setdefault(segment.lower(), _Node())
        node.template = node.template or template  # the first of several spellings
    return root


@lru_cache(maxsize=4096)
def template_of(path: str) -> str:
    """Return the route template of a path.

    Args:
        path: As passed to a client, such as "/api/Product/X1"; a query is ignored.

    Returns:
        A template such as "/api/Product/{part_number}"; the path itself if upstream has no route
        for it.
    """
    return _find(_templates_by_segment(), segments_of(path), 0) or path.partition("?")[0]


def _find(node: _Node, segments: list[str], at: int) -> str | None:
    """Walk down to a template; names take precedence over placeholders."""
    if at == len(segments):
        return node.template
    for below in (node.segments.get(segments[at]), node.any_segment):
        if below is not None:
            template = _find(below, segments, at + 1)
            if template is not None:
                return template
    return None
